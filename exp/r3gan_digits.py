"""R3GAN on scikit-learn's handwritten digits at 32x32.

./train.py r3gan_digits

Settings: the authors' objective, schedules, Adam and nets (github.com/brownvc/R3GAN), with small nets and no
augmentation; penalty and learning rate are ours. With the penalty of their CIFAR-10, 0.05, and half the learning rate,
the FID was 18.9.
Published: none.
Measured: FID 3.7 (tools/evaluate.py r3gan_digits --metrics fid); 16 minutes on two shared cores of an AMD EPYC with
AVX-512. No copies: samples are farther from training images than held-out digits are, by 3.9 +- 0.5 in C_T
(tools/nearest.py r3gan_digits nearest.png).
"""

gan = "R3GAN"
net = "r3gan"
channels = 1
channel_base = 512
channel_max = 64
blocks = 1
penalty = 1.0
final_penalty = 0.1
learning_rate = 1e-3
final_learning_rate = 1e-4
schedule_kimg = 64.0
final_ema_kimg = 2.0
imsz = 32
bsz = 32
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/r3gan_digits"
SAVEFREQ = 500
MAXITER = 2000
