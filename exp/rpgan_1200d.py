"""RP-GAN on ten Gaussians in 1,200 dimensions: 24 discriminators, each on 8 random directions.

./train.py rpgan_1200d && ./sample.py rpgan_1200d out.png

Settings: ours; the paper of RP-GAN has no experiment on points.
Published: none for RP-GAN; VEEGAN reaches 5.5 of 10 modes (arXiv 1705.07761, table 1).
Measured: no mode by the published rule of ten standard deviations, which accepts no sample of a perfect model either; 2
of 10 modes and 47.5 % of the samples by the shell rule of tools/modes.py (rpgan_tf.studies.mode_coverage.count_run,
seed 0); 2 minutes at the rate of two idle cores of an AMD EPYC with AVX-512. Poor.
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
