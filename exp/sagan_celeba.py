"""SAGAN, with self-attention and spectral normalization, on CelebA at 64x64.

./train.py sagan_celeba --set lfile=folder_of_celeba_hq_images

Settings: github.com/zh-hike/GANs: 300 epochs of 468 batches of 30,000 faces, Adam 1e-4 for G and 4e-4 for D, betas 0
and 0.9. Loss and spectral normalization are the paper's (arXiv 1805.08318); that program's are --set criterion=bce
spectral=zoo. Published number: FID 25.63 (its README, by cross entropy, on how many samples is not said); the paper's
own, ImageNet at 128x128 with other nets, is FID 18.65.
"""

gan = "SAGAN"
net = "sagan"
zlen = 100
ngf = 64
ndf = 64
imsz = 64
bsz = 64
lfile = "data/celeba"
resize = "stretch"
wts_dir = "models/sagan_celeba"
SAVEFREQ = 5000
MAXITER = 140400
