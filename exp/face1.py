"""The single discriminator on 64x64 faces, to compare RP-GAN with.

./train.py face1

Settings: the authors' exp/face1.py, which they train with baseline_train.py. df is half of RP-GAN's, since the
discriminator sees the whole image and has one layer more. data/faces.txt lists your images, one 64x64 PNG or JPEG a
line.
Published: 0.6 s an iteration on a Titan X (arXiv 1705.07831, section on training time); no FID.
Not run here: needs CelebA, cropped and aligned, at 64x64.
"""

gan = "Baseline"
ksz = 4
zlen = 100
f1 = 1024
df = 64
imsz = 64
bsz = 64
lfile = "data/faces.txt"
crop = False
wts_dir = "models/face1"
SAVEFREQ = 1e3
MAXITER = 1e5
