"""RP-GAN on 64x64 faces, K = 24 discriminators.

./train.py face24

Settings: the authors' exp/face24.py, on CelebA. data/faces.txt lists your images, one 64x64 PNG or JPEG a line.
Published: 5.8 s an iteration on a Titan X (arXiv 1705.07831, section on training time); no FID.
Not run here: needs CelebA, cropped and aligned, at 64x64.
"""

ksz = 4
zlen = 100
f1 = 1024
df = 128
imsz = 64
bsz = 64
lfile = "data/faces.txt"
crop = False
filts = "filts/K24_dm12.npz"
wts_dir = "models/face24"
SAVEFREQ = 1e3
MAXITER = 1e5
