"""WGAN-GP through 12 random projections, on scikit-learn's handwritten digits at 32x32.

./train.py rpwgangp_digits

Settings: ours. Two papers combined: each of RP-GAN's twelve discriminators is trained with the objective of WGAN-GP;
all twelve are computed as one batched product.
Published: none.
Measured: FID 8.9 (tools/evaluate.py rpwgangp_digits --metrics fid); 4 minutes at the rate of two idle cores of an AMD
EPYC with AVX-512.
"""

gan = "WGANGP"
net = "rpgan"
filts = "filts/K12_dm12_grey.npz"
d_steps = 2
learning_rate = 2e-4
channels = 1
zlen = 64
ksz = 4
f1 = 128
df = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/rpwgangp_digits"
SAVEFREQ = 500
MAXITER = 1000
