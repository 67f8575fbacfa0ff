"""SAGAN on the embedded digits of scikit-learn at 32x32: minutes on two CPU cores.

./train.py sagan_digits

Settings: ours, the paper's objective and learning rates on small nets. Published number: none.
"""

gan = "SAGAN"
net = "sagan"
channels = 1
zlen = 64
ngf = 32
ndf = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/sagan_digits"
SAVEFREQ = 500
MAXITER = 2000
