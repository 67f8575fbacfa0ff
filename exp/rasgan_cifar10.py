"""RaSGAN, the relativistic average standard GAN, on CIFAR-10 at 64x64.

./train.py rasgan_cifar10

Settings: those of rasgan_mnist with --dataset cifar-10 of
github.com/Yagami360/MachineLearning_Exercises_Python_PyTorch: 100 epochs of 781 batches.
Published: none for these nets; with a spectrally normalized standard CNN at 32x32, Adam 2e-4, batches of 32 and 100,000
iterations the paper (arXiv 1807.00734) has FID 31.98, quoted second-hand.
Not run here: needs CIFAR-10, which TensorFlow Datasets downloads at the first start.
"""

gan = "RaSGAN"
net = "dcgan"
init = "pytorch1.1"
zlen = 100
ngf = 64
ndf = 64
imsz = 64
bsz = 64
lfile = "tfds:cifar10:train"
test_lfile = "tfds:cifar10:test"
resize = "cover"
resize_filter = "lanczos3"
wts_dir = "models/rasgan_cifar10"
SAVEFREQ = 5000
MAXITER = 78100
