"""The nets and data of exp/digits.py against a single discriminator, to see what the projections are good for.

./train.py digits1
"""

gan = "Baseline"
ksz = 4
zlen = 64
f1 = 128
df = 32
imsz = 32
bsz = 64
lfile = "digits"
wts_dir = "models/digits1"
SAVEFREQ = 500
MAXITER = 3000
