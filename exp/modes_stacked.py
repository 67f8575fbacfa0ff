"""RP-GAN on stacked digits, three of the embedded digits as red, green and blue: the best found for this benchmark.

tools/modes.py stacked

Settings: ours. Published numbers are of stacked MNIST: 1,000 modes and a divergence of 0.06 with PacDCGAN (Lin et al.,
arXiv 1712.04086, table 2). Ours, five seeds: docs/results.md.
"""

gan = "RPGAN"
net = "rpgan"
filts = "filts/K12_dm12.npz"
zlen = 64
f1 = 64
df = 16
imsz = 16
bsz = 64
ema = 0.99
lfile = "digits:stacked"
wts_dir = "models/modes_stacked"
SAVEFREQ = 500
MAXITER = 4000
