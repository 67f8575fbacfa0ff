"""The standard GAN on a ring of eight Gaussians.

./train.py gan_ring8 && ./sample.py gan_ring8 out.png

Settings: PacGAN's optimizer, latents and batches (Lin et al., arXiv 1712.04086: z of two numbers, Adam 1e-4 with beta_1
0.8, batches of 100), a twentieth of its 400,000 iterations, and nets of its shape, with RealnessGAN's biases and
initial weights.
Published: 6.3 of 8 modes, 98.2 % of the samples within three standard deviations of one (PacGAN's table 1, mean of ten
runs).
Measured: 7 of 8 modes, 87.1 % of the samples within three standard deviations of one
(rpgan_tf.studies.mode_coverage.count_run, seed 0); 3 minutes at the rate of two idle cores of an AMD EPYC with AVX-512.
"""

gan = "DCGAN"
net = "toy"
learning_rate = 1e-4
beta_1 = 0.8
zlen = 2
g_width = 400
d_width = 200
bsz = 100
lfile = "mixture:ring8"
wts_dir = "models/gan_ring8"
SAVEFREQ = 1000
MAXITER = 20000
