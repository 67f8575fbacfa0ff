"""DCGAN on CelebA at 64x64.

./train.py dcgan_celeba --set lfile=folder_of_celeba_hq_images

Settings: github.com/zh-hike/GANs: 300 epochs of 468 batches of 30,000 faces (the numbering of CelebA-HQ), Adam 2e-4.
The initial weights are the paper's (arXiv 1511.06434); --set init=zoo gives those of that program.
Published: FID 24.86 (its README, later 25.86; the number of samples is not given).
Not run here: needs CelebA-HQ.
"""

gan = "DCGAN"
net = "dcgan"
zlen = 100
ngf = 64
ndf = 64
imsz = 64
bsz = 64
lfile = "data/celeba"
resize = "stretch"
wts_dir = "models/dcgan_celeba"
SAVEFREQ = 5000
MAXITER = 140400
