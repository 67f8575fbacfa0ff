"""RealnessGAN with 51 outcomes on CelebA at 256x256.

./train.py realness_celeba256 --set lfile=folder_of_celeba_images

Settings: the authors' script for CelebA (github.com/kam1107/RealnessGAN): Adam 2e-4, one step of each net, feature
resampling, 520,000 iterations.
Published: FID 23.51 (their README and table 2 of arXiv 2002.05512, the best snapshot of the run).
Not run here: needs CelebA.
"""

gan = "RealnessGAN"
net = "realness"
num_outcomes = 51
zlen = 128
ngf = 32
ndf = 32
imsz = 256
bsz = 32
lfile = "data/celeba"
resize = "stretch"
wts_dir = "models/realness_celeba256"
SAVEFREQ = 10000
MAXITER = 520000
