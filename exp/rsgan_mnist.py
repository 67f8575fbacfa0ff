"""RSGAN, the relativistic standard GAN, on MNIST at 64x64.

./train.py rsgan_mnist

Settings: train_RSGAN.sh of github.com/Yagami360/MachineLearning_Exercises_Python_PyTorch (GAN_RGAN_PyTorch): 100 epochs
of 937 batches, Adam 1e-4, initial weights of PyTorch 1.1. Its G step uses the logits that D gave the real images before
its update: --set g_real=stale. The default follows the paper's author: new real images.
Published: none; that program shows pictures only.
Not run here: needs MNIST, which TensorFlow Datasets downloads at the first start.
"""

gan = "RSGAN"
net = "dcgan"
init = "pytorch1.1"
channels = 1
zlen = 100
ngf = 64
ndf = 64
imsz = 64
bsz = 64
lfile = "tfds:mnist:train"
test_lfile = "tfds:mnist:test"
resize = "cover"
resize_filter = "lanczos3"
wts_dir = "models/rsgan_mnist"
SAVEFREQ = 5000
MAXITER = 93700
