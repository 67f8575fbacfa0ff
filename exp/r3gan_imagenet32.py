"""R3GAN on ImageNet at 32x32.

./train.py r3gan_imagenet32

Settings: the authors' preset ImageNet-32 (github.com/brownvc/R3GAN), with labels, mirrored, in float32. A billion
images.
Published: FID 1.27 (arXiv 2501.05441, with labels, as two lists of results have it).
Not run here: needs ImageNet, with a subfolder for each class.
"""

gan = "R3GAN"
net = "r3gan"
num_classes = 1000
penalty = 0.5
final_penalty = 0.05
final_ema_kimg = 50000.0
schedule_kimg = 200000.0
channel_base = 98304
channel_max = 1536
group_width = 32
aug = "fixed"
aug_pipe = "r3gan"
final_aug_p = 0.5
imsz = 32
bsz = 4096
lfile = "data/imagenet32.zip"
mirror = True
wts_dir = "models/r3gan_imagenet32"
SAVEFREQ = 2441
MAXITER = 244140
