"""RealnessGAN on scikit-learn's handwritten digits at 32x32.

./train.py realness_digits

Settings: ours: the paper's objective on small nets, with its learning rates.
Published: none.
Measured: FID 49.6 (tools/evaluate.py realness_digits --metrics fid --samples 3000 --statistics stored); 3 minutes at
the rate of two idle cores of an AMD EPYC with AVX-512.
"""

gan = "RealnessGAN"
net = "realness"
num_outcomes = 10
channels = 1
zlen = 64
ngf = 32
ndf = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/realness_digits"
SAVEFREQ = 500
MAXITER = 3000
