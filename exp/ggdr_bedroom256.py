"""GGDR on LSUN Bedroom at 256x256.

tools/dataset.py bedroom_train_lmdb data/lsun_bedroom256.zip --size 256 --transform center-crop
./train.py ggdr_bedroom256

Settings: the baseline's in github.com/EzioBy/glead: `paper256`, 50 million images, no augmentation.
Published: FID 3.71 (fid50k, on the first 50,000 images and their mirror images, which tools/evaluate.py does not
measure; arXiv 2212.03752, table 1).
Not run here: needs LSUN Bedroom.
"""

gan = "GGDR"
net = "glead"
cfg = "paper256"
heads = False
res_d = 64
res_g = 64
imsz = 256
lfile = "data/lsun_bedroom256.zip"
wts_dir = "models/ggdr_bedroom256"
SAVEFREQ = 3125
MAXITER = 781250
