"""RP-GAN with K = 12 discriminators on the 1,797 handwritten digits that scikit-learn ships.

./train.py digits

Settings: ours: the paper's objective and learning rates on small nets.
Published: none.
Measured: FID 17.5 after 1,500 of 3,000 iterations (tools/evaluate.py digits 1500 --metrics fid --samples 3000
--statistics stored); 8 minutes at the rate of two idle cores of an AMD EPYC with AVX-512.
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
