"""SAGAN on scikit-learn's handwritten digits at 32x32.

./train.py sagan_digits

Settings: ours: the paper's objective on small nets, with its learning rates.
Published: none.
Measured: FID 14.5 (tools/evaluate.py sagan_digits --metrics fid); 2 minutes at the rate of two idle cores of an AMD
EPYC with AVX-512.
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
