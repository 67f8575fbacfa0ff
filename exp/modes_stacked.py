"""RSGAN with a gradient penalty on stacked digits, three digits as red, green and blue, for tools/modes.py.

tools/modes.py stacked

Settings: ours.
Published: 1,000 modes and a divergence of 0.06 on stacked MNIST (PacDCGAN; Lin et al., arXiv 1712.04086, table 2).
Measured: 990.6 +- 2.0 of 1,000 modes, a divergence of 0.405 +- 0.026; the data themselves have 0.019 (tools/modes.py
stacked --objectives best, mean and standard error of five seeds); one minute at the rate of two idle cores of an AMD
EPYC with AVX-512.
"""

gan = "RSGAN"
net = "dcgan"
d_norm = "none"
penalty = 1.0
learning_rate = 8e-4
beta_1 = 0.0
beta_2 = 0.99
decay = 0.001
ema = 0.99
zlen = 64
ngf = 64
ndf = 32
imsz = 16
bsz = 64
lfile = "digits:stacked"
wts_dir = "models/modes_stacked"
SAVEFREQ = 2000
MAXITER = 2000
