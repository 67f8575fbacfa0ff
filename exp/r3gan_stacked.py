"""R3GAN on stacked digits: three digits as red, green and blue, 1,000 modes.

./train.py r3gan_stacked

Settings: the authors' objective, schedules, Adam and nets (github.com/brownvc/R3GAN), with small nets; penalty and
learning rate are ours, as theirs for this benchmark are not in their program.
Published: 1,000 of 1,000 modes on stacked MNIST (arXiv 2501.05441).
Measured: 983 of 1,000 modes, a divergence of 0.444 (rpgan_tf.studies.mode_coverage.count_run), one seed; 8 minutes on
two shared cores of an AMD EPYC with AVX-512.
"""

gan = "R3GAN"
net = "r3gan"
penalty = 1.0
final_penalty = 0.1
learning_rate = 1e-3
final_learning_rate = 1e-4
schedule_kimg = 64.0
final_ema_kimg = 5.0
channel_base = 512
channel_max = 64
blocks = 1
imsz = 16
bsz = 32
lfile = "digits:stacked"
wts_dir = "models/r3gan_stacked"
SAVEFREQ = 1000
MAXITER = 2000
