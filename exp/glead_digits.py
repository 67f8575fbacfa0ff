"""GLeaD on the embedded digits of scikit-learn at 32x32: on two CPU cores.

./train.py glead_digits

Settings: the paper's, with small nets, features of a quarter of the size, an R1 penalty for small images, and squared
errors for LPIPS, which needs weights of photographs. Published number: none.
Measured: about half an hour on two shared cores; after 2,000 iterations digits can be read, and the mean squared error
of reconstructed held-out images is .046.
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
