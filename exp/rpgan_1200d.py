"""RP-GAN on ten Gaussians in 1,200 dimensions: 24 discriminators on 8 random directions each.

./train.py rpgan_1200d && ./sample.py rpgan_1200d out.png

Settings: ours; the paper of RP-GAN has no experiment on points. Published number: none for RP-GAN; VEEGAN has 5.5 of 10
modes (arXiv 1705.07761, table 1).
"""

gan = "RPGAN"
filts = "filts/K24_1200d.npz"
net = "toy"
learning_rate = 1e-4
beta_1 = 0.8
zlen = 128
g_width = 400
d_width = 64
bsz = 100
lfile = "mixture:1200d"
wts_dir = "models/rpgan_1200d"
SAVEFREQ = 1000
MAXITER = 5000
