"""RaHingeGAN on the embedded digits of scikit-learn at 32x32: minutes on two CPU cores.

./train.py rahingegan_digits

Settings: ours, the paper's objective and learning rates on small nets. The learning rate is that of the author's
scripts for spectral normalization and cats, 2e-4. Published number: none.
"""

gan = "RaHingeGAN"
net = "dcgan"
learning_rate = 2e-4
channels = 1
zlen = 64
ngf = 32
ndf = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/rahingegan_digits"
SAVEFREQ = 500
MAXITER = 3000
