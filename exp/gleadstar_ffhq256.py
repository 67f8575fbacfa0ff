"""GLeaD with GGDR's term for generated images (the paper's Ours*) on FFHQ at 256x256.

tools/dataset.py ffhq_1024 data/ffhq256.zip --size 256 --resize_filter box
./train.py gleadstar_ffhq256

Settings: the authors' (github.com/EzioBy/glead): `paper256`, 25 million images, mirrored, no augmentation.
Published: FID 2.90 (fid50k_full; arXiv 2212.03752, table 1).
Not run here: needs FFHQ, and the weights of LPIPS (tools/convert_lpips.py).
"""

gan = "GLeaD"
net = "glead"
cfg = "paper256"
res_d = 64
res_g = 64
fake_target = "features"
lpips_weights = "data/lpips_alex.npz"  # of tools/convert_lpips.py
imsz = 256
lfile = "data/ffhq256.zip"
mirror = True
wts_dir = "models/gleadstar_ffhq256"
SAVEFREQ = 3125
MAXITER = 390625
