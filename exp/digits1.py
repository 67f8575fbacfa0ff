"""The single discriminator on the nets and data of exp/digits.py, to show the effect of the projections.

./train.py digits1

Settings: those of exp/digits.py.
Published: none.
Measured: FID 27.4 after 1,500 of 3,000 iterations (tools/evaluate.py digits1 1500 --metrics fid --samples 3000
--statistics stored); 3 minutes at the rate of two idle cores of an AMD EPYC with AVX-512.
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
