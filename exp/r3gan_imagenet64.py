"""R3GAN on ImageNet at 64x64.

./train.py r3gan_imagenet64

Settings: the authors' preset ImageNet-64 (github.com/brownvc/R3GAN), with labels, mirrored, in float32. A billion
images.
Published: FID 2.09 (arXiv 2501.05441, with labels, as one list of results has it).
Not run here: needs ImageNet, with a subfolder for each class.
"""

gan = "R3GAN"
net = "r3gan"
num_classes = 1000
penalty = 1.0
final_penalty = 0.1
final_ema_kimg = 50000.0
schedule_kimg = 200000.0
channel_base = 98304
channel_max = 1536
group_width = 32
aug = "fixed"
aug_pipe = "r3gan"
final_aug_p = 0.4
imsz = 64
bsz = 4096
lfile = "data/imagenet64.zip"
mirror = True
wts_dir = "models/r3gan_imagenet64"
SAVEFREQ = 2441
MAXITER = 244140
