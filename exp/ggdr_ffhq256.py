"""GGDR on FFHQ at 256x256.

tools/dataset.py ffhq_1024 data/ffhq256.zip --size 256 --resize_filter box
./train.py ggdr_ffhq256

Settings: the baseline's in github.com/EzioBy/glead: `paper256`, 25 million images, mirrored, no augmentation.
Published: FID 3.25 (fid50k_full; arXiv 2212.03752, table 1).
Not run here: needs FFHQ.
"""

gan = "GGDR"
net = "glead"
cfg = "paper256"
heads = False
res_d = 64
res_g = 64
imsz = 256
lfile = "data/ffhq256.zip"
mirror = True
wts_dir = "models/ggdr_ffhq256"
SAVEFREQ = 3125
MAXITER = 390625
