"""RP-GAN with K = 48 discriminators, 12 of which take part in an iteration, on scikit-learn's handwritten digits.

./train.py digits_active

Settings: ours: those of digits with more projections. The subset is what the paper plans in its section 4.
Published: none.
Not run here: 300 iterations with bsz=32 alone were.
"""

ksz = 4
zlen = 64
f1 = 128
df = 32
imsz = 32
bsz = 64
lfile = "digits"
filts = "filts/K48_dm12.npz"
active = 12
wts_dir = "models/digits_active"
SAVEFREQ = 500
MAXITER = 3000
