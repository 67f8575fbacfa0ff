"""RaLSGAN, the relativistic average least-squares GAN, on CelebA at 64x64.

./train.py ralsgan_celeba --set lfile=folder_of_celeba_images

Settings: those of ralsgan_mnist with --dataset celebA of github.com/Yagami360/MachineLearning_Exercises_Python_PyTorch:
shorter side to 64, centre, 100 epochs of 3,165 batches of the 202,599 images. That program offers CelebA but stops with
an error on it.
Published: none; the paper (arXiv 1807.00734) has FID 11.97 on cats at 64x64 (README of
github.com/AlexiaJM/RelativisticGAN).
Not run here: needs CelebA.
"""

gan = "RaLSGAN"
net = "dcgan"
init = "pytorch1.1"
zlen = 100
ngf = 64
ndf = 64
imsz = 64
bsz = 64
lfile = "data/celeba"
resize = "cover"
resize_filter = "lanczos3"
wts_dir = "models/ralsgan_celeba"
SAVEFREQ = 5000
MAXITER = 316500
