"""R3GAN on scikit-learn's handwritten digits at 32x32.

./train.py r3gan_digits

Settings: the authors' objective, schedules, Adam and nets (github.com/brownvc/R3GAN), with small nets, the penalty of
their CIFAR-10, no augmentation, and a faster learning rate for a short run.
Published: none.
Not run here: not yet.
"""

gan = "R3GAN"
net = "r3gan"
channels = 1
channel_base = 512
channel_max = 64
blocks = 1
learning_rate = 5e-4
schedule_kimg = 64.0
final_ema_kimg = 2.0
imsz = 32
bsz = 32
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/r3gan_digits"
SAVEFREQ = 500
MAXITER = 2000
