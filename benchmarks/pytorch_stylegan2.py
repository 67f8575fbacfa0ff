"""StyleGAN2 and GLeaD in plain PyTorch, with the arithmetic of this library, for `benchmarks/stylegan2.py`.

Written from the papers (arXiv 1912.04958, 2006.06676 and 2212.03752), in the forms that are fast on a CPU. The programs
start from this library's weights and take what it draws; a phase does one step and returns its losses. Without labels,
augmentation, style mixing and half precision; D is residual, and GLeaD compares images by their mean squared error.
"""

import math

import torch
from torch.nn import functional

from rpgan_tf.randomness import D_STEP, G_STEP, PATHS, RECONSTRUCTION

GAIN = math.sqrt(2)  # of LeakyReLU; a factor in front of it is one behind it
LARGEST = 1e5  # gradients that are not finite become 0 or this
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
FILTER = torch.outer(TAPS, TAPS) / 64


def trained(net):
    """Return {name: weight} of a net; [k, k, a, b] becomes [b, a, k, k], and [h, w, c] [c, h, w], as PyTorch has it."""
    arrays, orders = net.get_arrays(), {4: (3, 2, 0, 1), 3: (2, 0, 1)}
    found = {}
    for name in (weight.path.removeprefix(f"{net.name}/") for weight in net.trainable_variables):
        array = arrays[name]
        found[name] = torch.tensor(array.transpose(orders.get(array.ndim, range(array.ndim))).copy()).requires_grad_()
    return found


class StyleGAN2:
    """StyleGAN2's phases.

    Args:
        gan: of this library, whose weights and settings are taken.
        noise: {role: {name of a layer of G: N(0, 1), [B, 1, size, size]}}.
        form: words: "grouped" convolutions with the kernels of each image, instead of "scaled" activations (1912.04958,
            section 2.2); "channels_last"; "compiled", which holds for the losses without a second derivative, since
            torch.compile has none.
    """

    def __init__(self, gan, noise, form="scaled"):
        words = form.split()
        self.gan, self.noise, self.grouped = gan, noise, "grouped" in words
        self.layout = torch.channels_last if "channels_last" in words else torch.contiguous_format
        self.g_weights, self.d_weights = trained(gan.generator), trained(gan.discriminator)
        self.optimizers = self.adam(self.g_weights, gan.g_interval), self.adam(self.d_weights, gan.d_interval)
        self.w_average = torch.zeros(gan.options.w_dim)
        self.path_length = torch.zeros(())
        if "compiled" in words:
            self.loss_of_g = torch.compile(self.loss_of_g, dynamic=False)
            self.losses_of_d = torch.compile(self.losses_of_d, dynamic=False)

    def adam(self, weights, interval):
        """Return PyTorch's fastest Adam, corrected for the steps on a regularizer (1912.04958, appendix B)."""
        gan, c = self.gan, interval / (interval + 1)
        betas = gan.beta_1**c, gan.beta_2**c
        return torch.optim.Adam(weights.values(), lr=c * gan.learning_rate, betas=betas, eps=1e-8, fused=True)

    # The phases:
    def g_step(self, z):
        loss = self.loss_of_g(z)
        self.update(0, self.g_weights, loss)
        return [loss.item()]

    def path_step(self, z, directions):
        """Do a step on the lengths |J^T y| of G's paths, with y = `directions` / sqrt(H W)."""
        codes = self.codes(z)
        images = self.synthesize(codes.unbind(1), self.noise[PATHS])
        product = (images * directions).sum() / math.sqrt(images[0, 0].numel())
        (gradient,) = torch.autograd.grad(product, codes, create_graph=True)
        lengths = gradient.square().sum(2).mean(1).sqrt()
        mean = torch.lerp(self.path_length, lengths.mean(), self.gan.pl_decay)
        self.update(0, self.g_weights, self.gan.pl_weight * self.gan.g_interval * (lengths - mean).square().mean())
        self.path_length = mean.detach()
        return [mean.item()]

    def d_step(self, real, z):
        with torch.no_grad():
            fake = self.synthesize(self.codes(z).unbind(1), self.noise[D_STEP])
        losses = self.losses_of_d(real.contiguous(memory_format=self.layout), fake)
        self.update(1, self.d_weights, sum(losses))
        return [loss.item() for loss in losses]

    def r1_step(self, real):
        real = real.contiguous(memory_format=self.layout).detach().requires_grad_()
        of_real = self.features(real)
        (gradient,) = torch.autograd.grad(self.judge(of_real).sum(), real, create_graph=True)
        penalty = gradient.square().sum((1, 2, 3)).mean()
        objective = self.gan.r1_gamma / 2 * penalty + self.r1_term(real.detach(), of_real)
        self.update(1, self.d_weights, self.gan.d_interval * objective)
        return [penalty.item()]

    def update(self, index, weights, objective):
        """Do a step of an optimizer on finite gradients; that of a weight without a part in the objective is 0."""
        weights = weights.values()
        for weight, gradient in zip(weights, torch.autograd.grad(objective, weights, materialize_grads=True)):
            # The fused Adam assumes that gradients lie as weights do.
            weight.grad = torch.nan_to_num(gradient, 0.0, LARGEST, -LARGEST).contiguous()
        self.optimizers[index].step()

    # The losses:
    def loss_of_g(self, z):
        fake = self.synthesize(self.codes(z).unbind(1), self.noise[G_STEP])
        return functional.softplus(-self.judge(self.features(fake))).mean()

    def losses_of_d(self, real, fake):
        """Return D's loss and the terms that are added to it."""
        of_real, of_fake = self.features(real), self.features(fake)
        loss = functional.softplus(-self.judge(of_real)).mean() + functional.softplus(self.judge(of_fake)).mean()
        return [loss, *self.terms(real, of_real, fake, of_fake)]

    def terms(self, real, of_real, fake, of_fake):
        return []

    def r1_term(self, real, of_real):
        return 0.0

    # G:
    def codes(self, z):
        """Map latents [B, zlen] to codes [B, num_codes, w_dim]."""
        w = normalized(z)
        for i in range(self.gan.options.map_layers):
            w = functional.leaky_relu(dense(self.g_weights, f"mapping/fc{i}", w, rate=0.01, gain=GAIN), 0.2)
        self.w_average.lerp_(w.detach().mean(0), 0.005)
        return w[:, None].repeat(1, self.gan.generator.num_codes, 1)

    def synthesize(self, codes, noise, x=None, image=None):
        """Make images of a list of codes, or go on from the features and the image of a block."""
        i = 0
        for size in self.gan.generator.blocks:
            if x is not None and size <= x.shape[2]:
                continue
            name = f"synthesis/b{size}"
            if x is None:
                x = self.g_weights[f"{name}/const"].expand(len(codes[0]), -1, -1, -1)
                x = x.contiguous(memory_format=self.layout)
            else:
                x = self.layer(f"{name}/conv0", x, codes[i], noise, up=True)
                image = upsample(image)
                i += 1
            x = self.layer(f"{name}/conv1", x, codes[i], noise)
            i += 1
            rgb = self.to_rgb(f"{name}/torgb", x, codes[i])
            image = rgb if image is None else image + rgb
        return image

    def layer(self, name, x, w, noise, up=False):
        kernel, styles = self.g_weights[f"{name}/kernel"], dense(self.g_weights, f"{name}/affine", w)
        squares = kernel.square().sum((2, 3))
        demodulation = GAIN * torch.rsqrt(styles.square() @ (squares if up else squares.T) + 1e-8)
        x = self.modulated(x, kernel, styles, demodulation, up)
        added = (GAIN * self.g_weights[f"{name}/noise_strength"]) * noise[name]
        return functional.leaky_relu(x + added + (GAIN * self.g_weights[f"{name}/bias"])[:, None, None], 0.2)

    def to_rgb(self, name, x, w):
        styles = dense(self.g_weights, f"{name}/affine", w, gain=1 / math.sqrt(x.shape[1]))
        x = self.modulated(x, self.g_weights[f"{name}/kernel"], styles)
        return x + self.g_weights[f"{name}/bias"][:, None, None]

    def modulated(self, x, kernel, styles, demodulation=None, up=False):
        """Convolve x with a kernel [out, in, k, k], times styles [B, in] and demodulation [B, out].

        With `up`, the kernel is [in, out, k, k] and the size doubles.
        """
        batch_size = 1
        if self.grouped:
            inputs, outputs = (1, 2) if up else (2, 1)
            batch_size, kernel = len(x), kernel * along(styles, inputs, 5)
            if demodulation is not None:
                kernel = kernel * along(demodulation, outputs, 5)
            x, kernel, demodulation = x.reshape(1, -1, *x.shape[2:]), kernel.flatten(0, 1), None
        else:
            x = x * along(styles, 1, 4)
        if up:
            x = blur(functional.conv_transpose2d(x, kernel, stride=2, groups=batch_size), 1, gain=4)
        else:
            x = functional.conv2d(x, kernel, padding=kernel.shape[-1] // 2, groups=batch_size)
        if self.grouped:
            x = x.reshape(batch_size, -1, *x.shape[2:])
        return x if demodulation is None else x * along(demodulation, 1, 4)

    # D:
    def features(self, images):
        """Return {size: output of the block that makes it}."""
        x = self.convolution(f"b{images.shape[2]}/fromrgb", images)
        found = {}
        while (size := x.shape[2]) > 4:
            skip = self.convolution(f"b{size}/skip", blur(x, 1, 2), gain=math.sqrt(0.5), bias=False, activate=False)
            x = self.convolution(f"b{size}/conv0", x)
            x = skip + self.convolution(f"b{size}/conv1", blur(x, 2), gain=math.sqrt(0.5), stride=2, padding=0)
            found[size // 2] = x
        return found

    def judge(self, features):
        """Return logits [B]."""
        x = features[4]
        x = torch.cat([x, minibatch_deviation(x, self.gan.discriminator.mbstd_group)], dim=1)
        x = self.convolution("b4/conv", x).permute(0, 2, 3, 1).flatten(1)
        x = functional.leaky_relu(dense(self.d_weights, "b4/fc", x, gain=GAIN), 0.2)
        return dense(self.d_weights, "b4/out", x)[:, 0]

    def convolution(self, name, x, gain=1.0, stride=1, padding=None, bias=True, activate=True):
        kernel = self.d_weights[f"{name}/kernel"]
        gain = GAIN * gain if activate else gain
        added = gain * self.d_weights[f"{name}/bias"] if bias else None
        padding = kernel.shape[-1] // 2 if padding is None else padding
        x = functional.conv2d(x, kernel * (gain / math.sqrt(kernel[0].numel())), added, stride, padding)
        return functional.leaky_relu(x, 0.2) if activate else x


def dense(weights, name, x, rate=1.0, gain=1.0):
    """Map [B, in] to [B, out] with equalized learning rate (arXiv 1710.10196, section 4.1)."""
    kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
    return torch.addmm(bias, x, kernel, beta=gain * rate, alpha=gain * rate / math.sqrt(len(kernel)))


def along(vectors, axis, rank):
    """Return vectors [B, n] as an array of this rank, with n at `axis`."""
    return vectors.reshape([len(vectors)] + [-1 if i == axis else 1 for i in range(1, rank)])


def normalized(z):
    """Divide vectors by the root of their mean square."""
    return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)


def blur(x, padding, stride=1, gain=1):
    """Filter images, padded with zeros, and keep every `stride`-th pixel."""
    return functional.conv2d(x, (gain * FILTER).expand(x.shape[1], 1, 4, 4), None, stride, padding, groups=x.shape[1])


def upsample(x):
    """Double the size of images."""
    kernel = (4 * FILTER).expand(x.shape[1], 1, 4, 4)
    return functional.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


def minibatch_deviation(x, group):
    """Return the standard deviation in groups of images that stand apart: [B, C, H, W] -> [B, 1, H, W]."""
    group = min(group, len(x))
    variance = x.reshape(group, -1, *x.shape[1:]).var(0, correction=0)
    deviation = (variance + 1e-8).sqrt().mean((1, 2, 3)).repeat(group)
    return deviation[:, None, None, None].expand(-1, 1, *x.shape[2:])


class GLeaD(StyleGAN2):
    """GLeaD's phases: D has a linear decoder with heads, from whose outputs G reconstructs the image."""

    def terms(self, real, of_real, fake, of_fake):
        real_term = self.term(real, of_real, self.gan.real_weight, RECONSTRUCTION)
        return [real_term, self.term(fake, of_fake, self.gan.fake_comparison[-1], RECONSTRUCTION + 1)]

    def r1_term(self, real, of_real):
        return self.term(real, of_real, self.gan.real_weight, RECONSTRUCTION + 2)

    def term(self, images, features, weight, role):
        """Return the weighted distance of images from those that G makes of D's decoder."""
        y = features[4]
        while (size := 2 * y.shape[2]) <= self.gan.discriminator.res_g:
            y = y if size == 8 else torch.cat([y, features[size // 2]], dim=1)
            y = upsample(self.convolution(f"b{size}_dec", y, bias=False, activate=False))
            y = y + self.d_weights[f"b{size}_dec/bias"][:, None, None]
        of_g, image, w = (
            self.convolution(name, y, activate=False) for name in ("feat_proj1", "img_proj", "feat_proj2")
        )
        codes = [w.mean((2, 3))] * self.gan.generator.num_codes
        return weight * functional.mse_loss(self.synthesize(codes, self.noise[role], of_g, image), images)
