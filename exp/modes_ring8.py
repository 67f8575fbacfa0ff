"""RSGAN with a small gradient penalty and a fast generator on a ring of eight Gaussians, for tools/modes.py.

tools/modes.py ring8

Settings: ours.
Published: 7.9 of 8 modes with 95.6 % of the samples within three standard deviations (PacGAN2), 98.2 % with 6.3 modes
(its GAN; Lin et al., arXiv 1712.04086, table 1).
Measured: 8.0 of 8 modes, 98.5 +- 0.3 % of the samples within three standard deviations of one; the samples of a mode
have 0.28 of the width of the data's (tools/modes.py ring8 --objectives best, mean and standard error of five seeds); 2
minutes at the rate of two idle cores of an AMD EPYC with AVX-512.
"""

gan = "RSGAN"
net = "toy"
penalty = 0.1
learning_rate = 6e-3
d_learning_rate = 2e-3
beta_1 = 0.0
beta_2 = 0.99
decay = 0.00025
ema = 0.999
prior = "uniform"
zlen = 2
g_width = 128
d_width = 64
bsz = 512
lfile = "mixture:ring8"
wts_dir = "models/modes_ring8"
SAVEFREQ = 2000
MAXITER = 18000
