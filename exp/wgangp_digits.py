"""WGAN-GP on the embedded digits of scikit-learn at 32x32: minutes on two CPU cores.

./train.py wgangp_digits

Settings: ours, the paper's objective and learning rates on small nets. The learning rate is twice the paper's, for a
run this short. The critic has no normalization: with that of layers, contrast takes longer than this to be learned.
Published number: none.
"""

gan = "WGANGP"
net = "dcgan"
d_norm = "none"
learning_rate = 2e-4
channels = 1
zlen = 64
ngf = 32
ndf = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/wgangp_digits"
SAVEFREQ = 500
MAXITER = 600
