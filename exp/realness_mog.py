"""RealnessGAN with five outcomes on the 3x3 mixture of Gaussians, seconds on a laptop.

./train.py realness_mog && ./sample.py realness_mog out.png

Settings: run_MixGauss.sh of the authors' code, github.com/kam1107/RealnessGAN: 500 iterations of one step of D and
three of G. Published number: about 4 of 9 modes and 54 % of the samples within four standard deviations of one (read
off figure 3 of arXiv 2002.05512, whose runs were taken when they had converged). Ours, with seeds 0, 1 and 2: after the
500 iterations 4, 3 and 4 modes and 12, 5 and 7 % (tests/gans/test_realness.py prints it); seed 0 after 1,400, converged
to the figure's square outline, 4 modes and 58 %.
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
