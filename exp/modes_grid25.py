"""RSGAN with a small gradient penalty and a fast generator on a grid of 25 Gaussians, for tools/modes.py.

tools/modes.py grid25

Settings: ours.
Published: 24.8 of 25 modes with 93.6 % of the samples within three standard deviations (PacGAN4), 95.7 % with 24.1
modes (ALI; Lin et al., arXiv 1712.04086, table 1).
Measured: 25.0 of 25 modes, 96.5 +- 0.6 % of the samples within three standard deviations of one; the samples of a mode
have 0.36 of the width of the data's (tools/modes.py grid25 --objectives best, mean and standard error of five seeds); 3
minutes at the rate of two idle cores of an AMD EPYC with AVX-512.
"""

gan = "RSGAN"
net = "toy"
penalty = 0.1
learning_rate = 6e-3
d_learning_rate = 2e-3
beta_1 = 0.0
beta_2 = 0.99
decay = 0.0002
ema = 0.999
prior = "uniform"
zlen = 2
g_width = 128
d_width = 64
bsz = 512
lfile = "mixture:grid25"
wts_dir = "models/modes_grid25"
SAVEFREQ = 2000
MAXITER = 18000
