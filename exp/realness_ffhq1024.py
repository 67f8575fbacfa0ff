"""RealnessGAN on FFHQ at 1024x1024.

./train.py realness_ffhq1024 --set lfile=folder_of_ffhq_images

Settings: ours, since the authors (github.com/kam1107/RealnessGAN) give none: those for CelebA at 256x256 with half the
width, which makes at 4x4 as many channels as 64 would at 256x256, and the batch of 32 in four parts.
Published: FID 17.18 (their README, the best snapshot of the run).
Not run here: needs FFHQ.
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
