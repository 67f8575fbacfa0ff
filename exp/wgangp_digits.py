"""WGAN-GP on scikit-learn's handwritten digits at 32x32.

./train.py wgangp_digits

Settings: ours: the paper's objective on small nets. For so short a run, the learning rate is twice the paper's and the
critic has no normalization: with layer normalization it learns contrast more slowly than that.
Published: none.
Measured: FID 10.4 (tools/evaluate.py wgangp_digits --metrics fid); 2 minutes at the rate of two idle cores of an AMD
EPYC with AVX-512.
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
