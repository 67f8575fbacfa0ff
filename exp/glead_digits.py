"""GLeaD on scikit-learn's handwritten digits at 32x32.

./train.py glead_digits

Settings: the paper's, with small nets, features at a quarter of the image size, an R1 penalty for small images, and
squared errors in place of LPIPS, whose weights were trained on photographs.
Published: none.
Measured: FID 6.5 (tools/evaluate.py glead_digits --metrics fid); 5.4 minutes on two cores of an AMD EPYC with
AVX-512. Mean squared error of reconstructed held-out images after 2,000 iterations: 0.046 (tools/reconstruct.py).
"""

gan = "GLeaD"
net = "glead"
res_d = 8
res_g = 8
real_loss = "mse"
fake_loss = "mse"
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
wts_dir = "models/glead_digits"
SAVEFREQ = 500
MAXITER = 3000
