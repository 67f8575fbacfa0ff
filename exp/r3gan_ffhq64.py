"""R3GAN on FFHQ at 64x64.

./train.py r3gan_ffhq64

Settings: the authors' preset FFHQ-64 (github.com/brownvc/R3GAN), mirrored, in float32. The length is that of CIFAR-10's
run, 250 million images; theirs goes on until it is stopped.
Published: FID 1.95 (arXiv 2501.05441, as one list of results has it).
Not run here: needs FFHQ.
"""

gan = "R3GAN"
net = "r3gan"
penalty = 2.0
final_penalty = 0.2
final_ema_kimg = 500.0
aug = "fixed"
aug_pipe = "r3gan"
final_aug_p = 0.3
imsz = 64
bsz = 256
lfile = "data/ffhq64.zip"
mirror = True
wts_dir = "models/r3gan_ffhq64"
SAVEFREQ = 39062
MAXITER = 976562
