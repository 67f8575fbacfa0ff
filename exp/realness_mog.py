"""RealnessGAN with five outcomes on the 3x3 mixture of Gaussians.

./train.py realness_mog && ./sample.py realness_mog out.png

Settings: run_MixGauss.sh of the authors' code, github.com/kam1107/RealnessGAN: 500 iterations of one step of D and
three of G.
Published: about 4 of 9 modes and 54 % of the samples within four standard deviations of one (read off figure 3 of arXiv
2002.05512, whose runs had converged).
Measured: 5 of 9 modes, 14.8 % of the samples within four standard deviations of one
(rpgan_tf.studies.mode_coverage.count_run, seed 0); 12 seconds at the rate of two idle cores of an AMD EPYC with
AVX-512. Poor: 500 iterations are too few. An earlier run of this seed had converged after 1,400 iterations to the
square outline of the figure, with 4 modes and 58 %.
"""

gan = "RealnessGAN"
net = "toy"
num_outcomes = 5
g_steps = 3
learning_rate = 1e-4
beta_1 = 0.8
zlen = 128
g_width = 400
d_width = 200
bsz = 100
lfile = "mixture:grid9"
wts_dir = "models/realness_mog"
SAVEFREQ = 50
MAXITER = 500
