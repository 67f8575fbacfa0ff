"""WGAN-GP on CelebA at 64x64.

./train.py wgangp_celeba --set lfile=folder_of_celeba_images

Settings: the paper's (arXiv 1704.00028) algorithm 1: penalty 10, five critic steps, Adam 1e-4 with betas 0 and 0.9,
batch size and iterations are ours; DCGAN's nets, with layer normalization in the critic, as its section 4 advises.
Published number: none for these nets and images that could be confirmed.
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
