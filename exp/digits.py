"""RP-GAN on the 1,797 handwritten digits that scikit-learn ships, K = 12: trains on a laptop, nothing to download.

./train.py digits
"""

ksz = 4
zlen = 64
f1 = 128
df = 32
imsz = 32
bsz = 64
lfile = "digits"
filts = "filts/K12_dm12.npz"
wts_dir = "models/digits"
SAVEFREQ = 500
MAXITER = 3000
