"""WGAN with weight clipping on scikit-learn's handwritten digits at 32x32.

./train.py wgan_digits

Settings: ours: the paper's objective on small nets. For so short a run, the learning rate is ten times the paper's and
the warm-up lasts five iterations.
Published: none.
Measured: FID 18.4 (tools/evaluate.py wgan_digits --metrics fid --samples 3000 --statistics stored); 3 minutes at the
rate of two idle cores of an AMD EPYC with AVX-512.
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
