"""R3GAN on CIFAR-10.

./train.py r3gan_cifar10

Settings: the authors' preset CIFAR10 (github.com/brownvc/R3GAN), with labels, mirrored, in float32. 250 million images.
Published: FID 1.96 (arXiv 2501.05441, with labels, as two lists of results have it).
Not run here: needs CIFAR-10, which TensorFlow Datasets downloads at the first start.
"""

gan = "R3GAN"
net = "r3gan"
num_classes = 10
aug = "fixed"
aug_pipe = "r3gan"
final_aug_p = 0.55
imsz = 32
bsz = 512
lfile = "tfds:cifar10:train"
mirror = True
wts_dir = "models/r3gan_cifar10"
SAVEFREQ = 19531
MAXITER = 488281
