"""WGAN-GP on CelebA at 64x64.

./train.py wgangp_celeba --set lfile=folder_of_celeba_images

Settings: algorithm 1 of the paper (arXiv 1704.00028): penalty 10, five critic steps, Adam 1e-4 with betas 0 and 0.9.
Batch size and iterations are ours. The nets are DCGAN's, with layer normalization in the critic, as its section 4
advises.
Published: no number for these nets and images could be confirmed.
Not run here: needs CelebA.
"""

gan = "WGANGP"
net = "dcgan"
d_norm = "layer"
zlen = 100
ngf = 64
ndf = 64
imsz = 64
bsz = 64
lfile = "data/celeba"
resize = "cover"
wts_dir = "models/wgangp_celeba"
SAVEFREQ = 5000
MAXITER = 200000
