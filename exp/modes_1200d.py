"""RSGAN on ten Gaussians in 1,200 dimensions, for tools/modes.py.

tools/modes.py 1200d

Settings: ours. Published number: 7.4 of 10 modes (GDPP), 5.5 (VEEGAN, arXiv 1705.07761, table 1). Ours, five seeds:
docs/results.md.
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
