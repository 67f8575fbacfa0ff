"""WGAN-GP through 12 random projections, on the embedded digits at 32x32: minutes on two CPU cores.

./train.py rpwgangp_digits

A composition of two papers: the objective of WGANGP for each of RP-GAN's twelve discriminators, which are computed as
one. Settings: ours. Published number: none.
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
