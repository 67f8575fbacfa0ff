"""StyleGAN2 on LSUN Church at 256x256.

tools/dataset.py church_outdoor_train_lmdb data/lsun_church256.zip --size 256 --transform center-crop
./train.py stylegan2_church256

Settings: the baseline's in github.com/EzioBy/glead: `paper256`, 50 million images, no augmentation.
Published: FID 4.04 (fid50k_full; arXiv 2212.03752, table 1).
Not run here: needs LSUN Church.
"""

gan = "StyleGAN2"
net = "stylegan2"
cfg = "paper256"
imsz = 256
lfile = "data/lsun_church256.zip"
wts_dir = "models/stylegan2_church256"
SAVEFREQ = 3125
MAXITER = 781250
