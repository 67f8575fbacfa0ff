"""R3GAN on FFHQ at 256x256.

./train.py r3gan_ffhq256

Settings: the authors' preset FFHQ-256 (github.com/brownvc/R3GAN), mirrored, in float32. The length is that of
CIFAR-10's run, 250 million images; theirs goes on until it is stopped.
Published: FID 2.75 (arXiv 2501.05441, as three lists of results have it).
Not run here: needs FFHQ.
"""

gan = "R3GAN"
net = "r3gan"
penalty = 150.0
final_penalty = 15.0
final_ema_kimg = 500.0
aug = "fixed"
aug_pipe = "r3gan"
final_aug_p = 0.3
imsz = 256
bsz = 256
lfile = "data/ffhq256.zip"
mirror = True
wts_dir = "models/r3gan_ffhq256"
SAVEFREQ = 39062
MAXITER = 976562
