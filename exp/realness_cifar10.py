"""RealnessGAN with three outcomes on CIFAR-10.

./train.py realness_cifar10

Settings: the authors' (github.com/kam1107/RealnessGAN, issue 7): three outcomes, three steps of G, no feature
resampling, 520,000 iterations; the rest is as in their script for CelebA.
Published: FID 34.59 (table 3 of arXiv 2002.05512, objective 2; 36.73 with --set objective=1, 36.21 with objective=3).
Not run here: needs CIFAR-10, which TensorFlow Datasets downloads at the first start.
"""

gan = "RealnessGAN"
net = "realness"
num_outcomes = 3
adaptive_reparam = False
g_steps = 3
zlen = 128
ngf = 32
ndf = 32
imsz = 32
bsz = 32
lfile = "tfds:cifar10:train"
test_lfile = "tfds:cifar10:test"
wts_dir = "models/realness_cifar10"
SAVEFREQ = 10000
MAXITER = 520000
