"""DCGAN on the embedded digits of scikit-learn at 32x32: minutes on two CPU cores.

./train.py dcgan_digits

Settings: ours, the paper's objective and learning rates on small nets. Published number: none.
"""

gan = "DCGAN"
net = "dcgan"
channels = 1
zlen = 64
ngf = 32
ndf = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/dcgan_digits"
SAVEFREQ = 500
MAXITER = 3000
