"""RP-GAN on 128x128 crops of dogs (ImageNet), K = 12 discriminators.

./train.py dog12

Settings: the authors' exp/dog12.py. data/dogs.txt lists your images, one PNG or JPEG of any size a line.
Published: pictures only (arXiv 1705.07831, figure 5).
Not run here: needs the dogs of ImageNet.
"""

ksz = 4
zlen = 200
f1 = 2048
df = 64
imsz = 128
bsz = 64
lfile = "data/dogs.txt"
crop = True
filts = "filts/K12_dm12.npz"
wts_dir = "models/dog12"
SAVEFREQ = 1e3
MAXITER = 1e5
