"""StyleGAN2 on LSUN Bedroom at 256x256.

tools/dataset.py bedroom_train_lmdb data/lsun_bedroom256.zip --size 256 --transform center-crop
./train.py stylegan2_bedroom256

Settings: the baseline's in github.com/EzioBy/glead: `paper256`, 50 million images, no augmentation.
Published: FID 4.30 (fid50k, on the first 50,000 images and their mirror images, which tools/evaluate.py does not
measure; arXiv 2212.03752, table 1).
Not run here: needs LSUN Bedroom.
"""

gan = "StyleGAN2"
net = "stylegan2"
cfg = "paper256"
imsz = 256
lfile = "data/lsun_bedroom256.zip"
wts_dir = "models/stylegan2_bedroom256"
SAVEFREQ = 3125
MAXITER = 781250
