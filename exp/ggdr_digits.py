"""GGDR on scikit-learn's handwritten digits at 32x32.

./train.py ggdr_digits

Settings: the paper's, with small nets, features at a quarter of the image size and an R1 penalty for small images.
Published: none.
Measured: FID 11.1 (tools/evaluate.py ggdr_digits --metrics fid); 3.7 minutes on two cores of an AMD EPYC with AVX-512.
"""

gan = "GGDR"
net = "glead"
heads = False
res_d = 8
res_g = 8
channels = 1
zlen = 64
w_dim = 64
map_layers = 2
channel_base = 512
channel_max = 32
r1_gamma = 0.01
ema = 0.99
imsz = 32
bsz = 32
lfile = "digits:train"
test_lfile = "digits:test"
wts_dir = "models/ggdr_digits"
SAVEFREQ = 500
MAXITER = 3000
