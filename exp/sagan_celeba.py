"""SAGAN, with self-attention and spectral normalization, on CelebA at 64x64.

./train.py sagan_celeba --set lfile=folder_of_celeba_hq_images

Settings: github.com/zh-hike/GANs: 300 epochs of 468 batches of 30,000 faces, Adam 1e-4 for G and 4e-4 for D, betas 0
and 0.9. Loss and spectral normalization are the paper's (arXiv 1805.08318); --set criterion=bce spectral=zoo gives
those of that program.
Published: FID 25.63 (its README, with cross entropy; the number of samples is not given). The paper's own experiment,
ImageNet at 128x128 with other nets, has FID 18.65.
Not run here: needs CelebA-HQ.
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
