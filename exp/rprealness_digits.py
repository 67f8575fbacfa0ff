"""RealnessGAN through 12 random projections, on scikit-learn's handwritten digits at 32x32.

./train.py rprealness_digits

Settings: ours. Two papers combined: each of RP-GAN's twelve discriminators is trained with the objective of
RealnessGAN; all twelve are computed as one batched product.
Published: none.
Measured: FID 12.1 (tools/evaluate.py rprealness_digits --metrics fid --samples 3000 --statistics stored); 2 minutes at
the rate of two idle cores of an AMD EPYC with AVX-512.
"""

gan = "RealnessGAN"
net = "rpgan"
filts = "filts/K12_dm12_grey.npz"
num_outcomes = 10
channels = 1
zlen = 64
ksz = 4
f1 = 128
df = 32
imsz = 32
bsz = 64
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/rprealness_digits"
SAVEFREQ = 500
MAXITER = 1500
