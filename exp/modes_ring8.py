"""The standard GAN with a decaying learning rate and a moving average of G on the ring, for tools/modes.py.

tools/modes.py ring8

Settings: ours. Published numbers: 7.9 of 8 modes with 95.6 % of the samples within three standard deviations (PacGAN2),
98.2 % with 6.3 modes (its GAN; Lin et al., arXiv 1712.04086, table 1). Ours, five seeds: docs/results.md.
"""

gan = "DCGAN"
net = "toy"
learning_rate = 1e-3
decay = 0.0004
ema = 0.999
zlen = 2
g_width = 128
d_width = 64
bsz = 512
lfile = "mixture:ring8"
wts_dir = "models/modes_ring8"
SAVEFREQ = 1000
MAXITER = 8000
