"""SAGAN with the ten classes of CIFAR-10.

./train.py sagan_cifar10

Settings: the paper's objective, learning rates and use of labels (arXiv 1805.08318), on the plain layers of
nets/sagan.py; sizes, the moving average and the number of iterations are ours.
Published: none on CIFAR-10; FID 18.65 on ImageNet at 128x128, with residual nets.
Not run here: needs CIFAR-10, which TensorFlow Datasets downloads at the first start.
"""

gan = "SAGAN"
net = "sagan"
num_classes = 10
zlen = 128
ngf = 64
ndf = 64
imsz = 32
bsz = 64
ema = 0.999
mirror = True
lfile = "tfds:cifar10:train"
test_lfile = "tfds:cifar10:test"
wts_dir = "models/sagan_cifar10"
SAVEFREQ = 10000
MAXITER = 100000
