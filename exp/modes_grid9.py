"""RSGAN with a small gradient penalty and a fast generator on RealnessGAN's 3x3 Gaussians, for tools/modes.py.

tools/modes.py grid9

Settings: ours.
Published: 8 of 9 modes, 85 % within four standard deviations (RealnessGAN with 50 outcomes, read off figure 3 of arXiv
2002.05512).
Measured: 9.0 of 9 modes, 97.8 +- 0.2 % of the samples within four standard deviations of one; the samples of a mode
have 0.45 of the width of the data's (tools/modes.py grid9 --objectives best, mean and standard error of five seeds); 42
seconds at the rate of two idle cores of an AMD EPYC with AVX-512.
"""

gan = "RSGAN"
net = "toy"
penalty = 0.1
learning_rate = 6e-3
d_learning_rate = 2e-3
beta_1 = 0.0
beta_2 = 0.99
decay = 0.0008
ema = 0.999
prior = "uniform"
zlen = 2
g_width = 128
d_width = 64
bsz = 512
lfile = "mixture:grid9"
wts_dir = "models/modes_grid9"
SAVEFREQ = 1000
MAXITER = 5000
