"""StyleGAN2 on scikit-learn's handwritten digits at 32x32.

./train.py stylegan2_digits

Settings: the paper's, with small nets and an R1 penalty for small images.
Published: none.
Measured: FID 24.2 (tools/evaluate.py stylegan2_digits --metrics fid); 3.4 minutes on two cores of an AMD EPYC with
AVX-512.
"""

gan = "StyleGAN2"
net = "stylegan2"
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
wts_dir = "models/stylegan2_digits"
SAVEFREQ = 500
MAXITER = 3000
