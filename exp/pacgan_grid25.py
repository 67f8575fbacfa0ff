"""PacGAN, the standard GAN whose discriminator sees two samples at once, on a grid of 25 Gaussians.

./train.py pacgan_grid25 && ./sample.py pacgan_grid25 out.png

Settings: PacGAN's optimizer, latents and batches (Lin et al., arXiv 1712.04086: z of two numbers, Adam 1e-4 with beta_1
0.8, batches of 100), a twentieth of its 400,000 iterations, and nets of its shape, with RealnessGAN's biases and
initial weights.
Published: 23.8 of 25 modes, 91.3 % of the samples within three standard deviations of one (PacGAN's table 1, mean of
ten runs).
Measured: 12 of 25 modes, 1.4 % of the samples (poor) after 6,000 of 20,000 iterations within three standard deviations
of one (rpgan_tf.studies.mode_coverage.count_run, seed 0); 3 minutes at the rate of two idle cores of an AMD EPYC with
AVX-512.
"""

gan = "DCGAN"
net = "toy"
pack = 2
learning_rate = 1e-4
beta_1 = 0.8
zlen = 2
g_width = 400
d_width = 200
bsz = 100
lfile = "mixture:grid25"
wts_dir = "models/pacgan_grid25"
SAVEFREQ = 1000
MAXITER = 20000
