"""WGAN with weight clipping on the embedded digits of scikit-learn at 32x32: minutes on two CPU cores.

./train.py wgan_digits

Settings: ours, the paper's objective and learning rates on small nets. The learning rate is ten times the paper's, for
a run this short, and the warm-up five iterations. Published number: none.
"""

gan = "WGAN"
net = "dcgan"
learning_rate = 5e-4
warmup_iterations = 5
channels = 1
zlen = 64
ngf = 32
ndf = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/wgan_digits"
SAVEFREQ = 500
MAXITER = 1000
