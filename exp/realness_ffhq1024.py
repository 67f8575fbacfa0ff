"""RealnessGAN on FFHQ at 1024x1024.

./train.py realness_ffhq1024 --set lfile=folder_of_ffhq_images

The authors (github.com/kam1107/RealnessGAN) give no settings for it: these are those for CelebA at 256x256 with half
the width, which at this size makes as many channels at 4x4 as 64 there would, and the batch of 32 in four parts.
Published number: FID 17.18 (their README, the best of the run's snapshots).
"""

gan = "RealnessGAN"
net = "realness"
num_outcomes = 51
accumulation = 4
zlen = 128
ngf = 16
ndf = 16
imsz = 1024
bsz = 8
lfile = "data/ffhq"
resize = "stretch"
wts_dir = "models/realness_ffhq1024"
SAVEFREQ = 10000
MAXITER = 520000
