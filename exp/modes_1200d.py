"""RSGAN on ten Gaussians in 1,200 dimensions, for tools/modes.py.

tools/modes.py 1200d

Settings: ours.
Published: 7.4 of 10 modes (GDPP), 5.5 (VEEGAN, arXiv 1705.07761, table 1).
Measured: 7.8 +- 0.2 of 10 modes, 25.2 +- 3.6 % of the samples within ten standard deviations of one (tools/modes.py
1200d --objectives best, mean and standard error of five seeds); one minute at the rate of two idle cores of an AMD EPYC
with AVX-512. Poor: this rule, the published one, accepts none of the data themselves. By the distance at which these
lie, 5.6 +- 0.4 modes, fewer than the 8.0 of the standard GAN on the same nets.
"""

gan = "RSGAN"
net = "toy"
learning_rate = 5e-4
beta_1 = 0.5
decay = 0.00025
ema = 0.999
zlen = 64
g_width = 256
d_width = 128
bsz = 128
lfile = "mixture:1200d"
wts_dir = "models/modes_1200d"
SAVEFREQ = 1000
MAXITER = 4000
