"""RaSGAN on scikit-learn's handwritten digits at 32x32.

./train.py rasgan_digits

Settings: ours: the paper's objective on small nets. The learning rate, 2e-4, is the one in the author's scripts for
spectral normalization and for cats.
Published: none.
Measured: FID 11.9 (tools/evaluate.py rasgan_digits --metrics fid); 2 minutes at the rate of two idle cores of an AMD
EPYC with AVX-512.
"""

gan = "RaSGAN"
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
wts_dir = "models/rasgan_digits"
SAVEFREQ = 500
MAXITER = 3000
