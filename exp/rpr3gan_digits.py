"""R3GAN through 12 random projections, on scikit-learn's handwritten digits at 32x32.

./train.py rpr3gan_digits

Settings: ours. Two papers combined: each of RP-GAN's twelve discriminators is trained with the objective of R3GAN, and
penalized by the gradient of its own logits at the images.
Published: none.
Measured: FID 10.4 (tools/evaluate.py rpr3gan_digits --metrics fid); 8 minutes on two shared cores of an AMD EPYC with
AVX-512.
"""

gan = "R3GAN"
net = "rpgan"
filts = "filts/K12_dm12_grey.npz"
penalty = 0.1
final_penalty = 0.01
schedule_kimg = 48.0
final_ema_kimg = 2.0
channels = 1
zlen = 64
ksz = 4
f1 = 128
df = 16
imsz = 32
bsz = 32
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/rpr3gan_digits"
SAVEFREQ = 500
MAXITER = 1500
