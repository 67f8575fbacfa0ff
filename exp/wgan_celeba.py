"""WGAN with weight clipping on CelebA at 64x64.

./train.py wgan_celeba --set lfile=folder_of_celeba_images

Settings: algorithm 1 of the paper (arXiv 1701.07875): RMSprop 5e-5 for both nets, clipping at 0.01, five critic steps,
100 in the warm-up; as many iterations as dcgan_celeba. github.com/zh-hike/GANs has one critic step, no warm-up and a
sigmoid in the critic: --set d_steps=1 warmup_iterations=0 warmup_every=0 sigmoid=True init=pytorch.
Published: FID 18.55 (README of github.com/zh-hike/GANs, for that program; the number of samples is not given).
Not run here: needs CelebA.
"""

gan = "WGAN"
net = "dcgan"
zlen = 100
ngf = 64
ndf = 64
imsz = 64
bsz = 64
lfile = "data/celeba"
resize = "cover"
wts_dir = "models/wgan_celeba"
SAVEFREQ = 5000
MAXITER = 140400
