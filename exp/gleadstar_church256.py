"""GLeaD with GGDR's term for generated images (the paper's Ours*) on LSUN Church at 256x256.

tools/dataset.py church_outdoor_train_lmdb data/lsun_church256.zip --size 256 --transform center-crop
./train.py gleadstar_church256

Settings: the authors' (github.com/EzioBy/glead): `paper256`, 50 million images, no augmentation.
Published: FID 2.15 (fid50k_full; arXiv 2212.03752, table 1).
Not run here: needs LSUN Church, and the weights of LPIPS (tools/convert_lpips.py).
"""

gan = "GLeaD"
net = "glead"
cfg = "paper256"
res_d = 64
res_g = 32
fake_target = "features"
lpips_weights = "data/lpips_alex.npz"  # of tools/convert_lpips.py
imsz = 256
lfile = "data/lsun_church256.zip"
wts_dir = "models/gleadstar_church256"
SAVEFREQ = 3125
MAXITER = 781250
