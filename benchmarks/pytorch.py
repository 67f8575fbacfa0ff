"""Programs in plain PyTorch with the arithmetic of this library's GANs, for `benchmarks/against_pytorch.py`.

They are written from the papers and start from this library's weights. A program is called with real images, [B, C, H,
W] for each step of D, and the latents of all steps; it does one iteration, and returns the losses of D and of G.
`channels_last` and `bfloat16` change how a program computes.
"""

import torch
from torch.nn import functional


def tensors(net):
    """Return the trained arrays of a net; [k, k, a, b] becomes [b, a, k, k], and [a, b] [b, a], as PyTorch has it."""
    found = []
    for name, array in net.get_arrays().items():
        tensor = torch.from_numpy(array.copy()) if array.ndim else torch.tensor(float(array))
        if tensor.ndim == 4:
            tensor = tensor.permute(3, 2, 0, 1).contiguous()
        if tensor.ndim == 2:
            tensor = tensor.T.contiguous()
        if not name.endswith(("moving_mean", "moving_variance", "/u", "/v", "counter")):
            found.append(tensor.requires_grad_())
    return found


def adam(weights, gan, rate=None):
    """Return PyTorch's fastest Adam with the settings of a GAN."""
    return torch.optim.Adam(weights, lr=rate or gan.learning_rate, betas=(gan.beta_1, gan.beta_2), eps=1e-8, fused=True)


def step(optimizer, weights, objective):
    """Do a step of the optimizer on some weights."""
    for weight, gradient in zip(weights, torch.autograd.grad(objective, weights)):
        same = gradient.stride() == weight.stride()  # the fused Adam assumes it
        weight.grad = gradient if same else torch.empty_like(weight).copy_(gradient)
    optimizer.step()


def channels_last(program):
    """Lay the kernels of a new program out with their channels last; what it computes then is laid out like them."""
    for weight in program.g_weights + program.d_weights:
        if weight.ndim >= 4:
            weight.data = weight.data.movedim(-3, -1).contiguous().movedim(-1, -3)
    return program


def bfloat16(program):
    """Let a program compute its losses under autocast to bfloat16; weights and optimizers stay float32."""
    for name in program.products:  # an autocast of its own for each: they call each other, and one cannot be nested
        setattr(program, name, torch.autocast("cpu", torch.bfloat16)(getattr(program, name)))
    return program


class RPGAN:
    """RP-GAN as a "loop" over the discriminators, with "grouped" convolutions or "vmap"; also "compiled loop" etc."""

    products = "generate", "losses_of_d", "loss_of_g"  # what computes convolutions

    def __init__(self, gan, form):
        arrays, bank = gan.discriminator.get_arrays(), gan.discriminator.projections
        self.g_weights = [torch.from_numpy(array.copy()) for array in gan.generator.get_arrays().values()]
        self.g_weights = [w.permute(3, 2, 0, 1).contiguous() if w.ndim == 4 else w for w in self.g_weights]
        self.g_weights[0] = self.g_weights[0][..., 0, 0].T.contiguous()  # [zlen, f1 * 16]
        self.g_weights = [weight.requires_grad_() for weight in self.g_weights]
        self.num = len(bank.kernels)
        layers = len(arrays) // 2 // self.num
        stacked = []
        for layer in range(layers):
            kernels = [torch.from_numpy(arrays[f"c{k}_{layer}_w"]).permute(3, 2, 0, 1) for k in range(self.num)]
            biases = [torch.from_numpy(arrays[f"c{k}_{layer}_b"]) for k in range(self.num)]
            stacked += [torch.stack(kernels), torch.stack(biases)]
        compiled, form = form.startswith("compiled "), form.removeprefix("compiled ")
        if form == "loop":
            self.d_weights = [each.clone().requires_grad_() for weight in stacked for each in weight]
        else:
            self.d_weights = [weight.clone().requires_grad_() for weight in stacked]
        # [K * numf, C, k, k]: one convolution for all projections
        self.filters = torch.from_numpy(bank.kernels).permute(0, 4, 3, 1, 2).flatten(0, 1).contiguous()
        self.stride, self.padding = bank.stride, bank.padding
        self.judge = getattr(self, form)
        if compiled:
            self.losses_of_d = torch.compile(self.losses_of_d, dynamic=False)
            self.loss_of_g = torch.compile(self.loss_of_g, dynamic=False)
        self.optimizers = adam(self.g_weights, gan), adam(self.d_weights, gan)

    def generate(self, z):
        w = self.g_weights
        x = (z @ w[0]).reshape(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        for i in range(2, len(w), 2):
            x = functional.relu(functional.batch_norm(x, None, None, None, w[i - 1], training=True, eps=1e-3))
            x = functional.conv_transpose2d(x, w[i], stride=2, padding=1)
        return torch.tanh(x + w[-1][:, None, None])

    def project(self, images):
        """Return [B, K * numf, H, W]."""
        return functional.conv2d(images, self.filters, stride=self.stride, padding=self.padding)

    def loop(self, seen):
        logits = []
        for k, x in enumerate(seen.chunk(self.num, dim=1)):
            logits.append(single(self.d_weights[k :: self.num], x))
        return torch.stack(logits)

    def grouped(self, seen):
        x, w = seen, self.d_weights
        for i in range(0, len(w), 2):
            last = i == len(w) - 2
            x = functional.conv2d(
                x, w[i].flatten(0, 1), w[i + 1].flatten(), 1 if last else 2, 0 if last else 1, 1, self.num
            )
            x = x if last else functional.leaky_relu(x, 0.2)
        return x[:, :, 0, 0].T

    def vmap(self, seen):
        seen = torch.stack(seen.chunk(self.num, dim=1))
        return torch.func.vmap(single)(self.d_weights, seen)

    def losses_of_d(self, real, fake):
        logits = self.judge(self.project(torch.cat([real, fake]))).float()
        real_logits, fake_logits = logits.chunk(2, dim=1)
        return (functional.softplus(-real_logits).mean(1) + functional.softplus(fake_logits).mean(1)) / 2

    def loss_of_g(self, z):
        return functional.softplus(-self.judge(self.project(self.generate(z))).float()).mean(1)

    def __call__(self, real, z_g, z_d):
        g_loss = self.loss_of_g(z_g)
        step(self.optimizers[0], self.g_weights, g_loss.mean())
        with torch.no_grad():
            fake = self.generate(z_d)
        d_loss = self.losses_of_d(real, fake)
        step(self.optimizers[1], self.d_weights, d_loss.sum())
        return d_loss.detach().numpy(), g_loss.detach().numpy()


def single(weights, x):
    """Return the logits [B] of one discriminator for what it sees."""
    for i in range(0, len(weights), 2):
        last = i == len(weights) - 2
        x = functional.conv2d(x, weights[i], weights[i + 1], 1 if last else 2, 0 if last else 1)
        x = x if last else functional.leaky_relu(x, 0.2)
    return x[:, 0, 0, 0]


class DCGAN:
    """DCGAN's nets and losses; the base of the others."""

    products = "generate", "judge"
    slope = 0.2

    def __init__(self, gan):
        self.gan = gan
        self.g_weights, self.d_weights = tensors(gan.generator), tensors(gan.discriminator)
        self.optimizers = adam(self.g_weights, gan), adam(self.d_weights, gan, gan.d_learning_rate)

    def generate(self, z):
        x, (*layers, last) = z[:, :, None, None], self.g_weights
        for i in range(0, len(layers), 3):
            kernel, scale, shift = layers[i : i + 3]
            x = functional.conv_transpose2d(x, kernel, stride=2 if i else 1, padding=1 if i else 0)
            x = functional.relu(functional.batch_norm(x, None, None, scale, shift, training=True, eps=1e-5))
        return torch.tanh(functional.conv_transpose2d(x, last, stride=2, padding=1))

    def judge(self, x):
        first, *layers, last = self.d_weights
        x = functional.leaky_relu(functional.conv2d(x, first, stride=2, padding=1), self.slope)
        for kernel, scale, shift in zip(layers[::3], layers[1::3], layers[2::3]):
            x = functional.conv2d(x, kernel, stride=2, padding=1)
            x = functional.leaky_relu(self.normalize(x, scale, shift), self.slope)
        return functional.conv2d(x, last)[:, 0, 0, 0].float()

    def normalize(self, x, scale, shift):
        return functional.batch_norm(x, None, None, scale, shift, training=True, eps=1e-5)

    def loss_of_d(self, real, fake, u):
        del u
        return functional.softplus(-self.judge(real)).mean() + functional.softplus(self.judge(fake)).mean()

    def loss_of_g(self, logits):
        return functional.softplus(-logits).mean()

    def __call__(self, real, z_g, z_d, u):
        for images, z, part in zip(real, z_d, u):
            with torch.no_grad():
                fake = self.generate(z)
            d_loss = self.loss_of_d(images, fake, part)
            step(self.optimizers[1], self.d_weights, d_loss)
        g_loss = self.loss_of_g(self.judge(self.generate(z_g)))
        step(self.optimizers[0], self.g_weights, g_loss)
        return d_loss.item(), g_loss.item()


class WGANGP(DCGAN):
    """WGAN with a gradient penalty, and layer normalization in the critic."""

    def normalize(self, x, scale, shift):
        return functional.group_norm(x, 1, scale, shift)

    def loss_of_d(self, real, fake, u):
        mixed = (u * real + (1 - u) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(self.judge(mixed).sum(), mixed, create_graph=True)
        penalty = ((gradient.square().sum((1, 2, 3)).clamp_min(1e-30).sqrt() - 1) ** 2).mean()
        return self.judge(fake).mean() - self.judge(real).mean() + self.gan.penalty * penalty

    def loss_of_g(self, logits):
        return -logits.mean()


class SAGAN(DCGAN):
    """SAGAN: kernels are spectrally normalized, by a power iteration in each call, and both nets attend."""

    slope = 0.1

    def __init__(self, gan):
        super().__init__(gan)
        arrays = [net.get_arrays() for net in (gan.generator, gan.discriminator)]
        vectors = [torch.from_numpy(each[name].copy()) for each in arrays for name in each if name.endswith("/u")]
        kernels = [weight for weight in self.g_weights + self.d_weights if weight.ndim == 4]
        self.vectors = {id(kernel): u for kernel, u in zip(kernels, vectors, strict=True)}

    def normalized(self, kernel):
        """Return the kernel over its largest singular value; its vector u moves."""
        matrix = kernel.flatten(1)  # rows of the last axis of this library's kernels
        with torch.no_grad():
            v = functional.normalize(matrix.T @ self.vectors[id(kernel)], dim=0)
            u = functional.normalize(matrix @ v, dim=0)
        self.vectors[id(kernel)] = u
        return kernel / (u @ (matrix @ v))

    def attend(self, x, gamma, *weights):
        query, key, value = (
            functional.conv2d(x, self.normalized(kernel), bias).flatten(2)
            for kernel, bias in zip(weights[::2], weights[1::2])
        )
        attended = value @ functional.softmax(query.transpose(1, 2) @ key, dim=-1).transpose(1, 2)
        return gamma * attended.reshape(x.shape) + x

    def generate(self, z):
        weights, attentions = self.split(self.g_weights, self.gan.generator)
        x, (*layers, last) = z[:, :, None, None], weights
        for i in range(0, len(layers), 3):
            kernel, scale, shift = layers[i : i + 3]
            x = functional.conv_transpose2d(x, self.normalized(kernel), stride=2 if i else 1, padding=1 if i else 0)
            x = functional.relu(functional.batch_norm(x, None, None, scale, shift, training=True, eps=1e-5))
            x = self.attend(x, *attentions[x.shape[2]]) if x.shape[2] in attentions else x
        return torch.tanh(functional.conv_transpose2d(x, self.normalized(last), stride=2, padding=1))

    def judge(self, x):
        (*kernels, last, bias), attentions = self.split(self.d_weights, self.gan.discriminator)
        for kernel in kernels:
            x = functional.leaky_relu(functional.conv2d(x, self.normalized(kernel), stride=2, padding=1), self.slope)
            x = self.attend(x, *attentions[x.shape[2]]) if x.shape[2] in attentions else x
        return functional.conv2d(x, self.normalized(last), bias)[:, 0, 0, 0]

    def split(self, weights, net):
        """Return the weights of the convolutions, and {size: those of the attention there}, which come last."""
        sizes = list(net.attentions)
        first = len(weights) - 7 * len(sizes)
        return weights[:first], {size: weights[first + 7 * i : first + 7 * i + 7] for i, size in enumerate(sizes)}

    def loss_of_d(self, real, fake, u):
        del u
        return functional.relu(1 - self.judge(real)).mean() + functional.relu(1 + self.judge(fake)).mean()

    def loss_of_g(self, logits):
        return -logits.mean()


class RealnessGAN(DCGAN):
    """RealnessGAN with objective 2: a spectrally normalized D draws the logits of A outcomes."""

    normalized = SAGAN.normalized

    def __init__(self, gan):
        super().__init__(gan)
        arrays = gan.discriminator.get_arrays()
        vectors = [torch.from_numpy(arrays[name].copy()) for name in arrays if name.endswith("/u")]
        self.vectors = {id(kernel): u for kernel, u in zip(self.d_weights, vectors, strict=True)}

    def judge(self, x, noise):
        *kernels, head = self.d_weights
        for kernel in kernels:
            x = functional.leaky_relu(functional.conv2d(x, self.normalized(kernel), stride=2, padding=1), self.slope)
        mean, log_variance = functional.linear(x.flatten(1), self.normalized(head)).chunk(2, dim=1)
        return functional.softmax(mean + (log_variance / 2).exp() * noise, dim=1)

    def cross_entropy(self, anchor, p, skew=0.0):
        """Return - E sum_A anchor log p, with the anchor's mass moved along the support and split between outcomes."""
        support = torch.linspace(self.gan.negative_skew, self.gan.positive_skew, p.shape[1])
        moved = (support + skew).clamp(support[0], support[-1])
        matrix = (1 - (moved[:, None] - support).abs() / (support[1] - support[0])).clamp_min(0)
        return -(anchor @ matrix * torch.log(p + 1e-16)).sum(1).mean()

    def __call__(self, real, z_g, z_d, u, anchors, noise):
        """Do an iteration; `anchors` are A_0 and A_1, [1, A] each, and `noise` [B, A] is of the four calls of D."""
        del u
        a_0, a_1 = anchors
        with torch.no_grad():
            fake = self.generate(z_d[0])
        d_loss = self.cross_entropy(a_1, self.judge(real[0], noise[0]), self.gan.positive_skew)
        d_loss = d_loss + self.cross_entropy(a_0, self.judge(fake, noise[1]), self.gan.negative_skew)
        step(self.optimizers[1], self.d_weights, d_loss)
        with torch.no_grad():
            p_real = self.judge(real[1], noise[2])
        p_fake = self.judge(self.generate(z_g), noise[3])
        g_loss = self.cross_entropy(p_real, p_fake) - self.cross_entropy(a_0, p_fake, self.gan.negative_skew)
        step(self.optimizers[0], self.g_weights, g_loss)
        return d_loss.item(), g_loss.item()


class R3GAN(DCGAN):
    """R3GAN: pairs of real and generated images, R1 and R2 in every step, residual blocks of grouped convolutions."""

    def __init__(self, gan):
        self.gan = gan
        self.g, self.d = (dict(zip(net.get_arrays(), tensors(net))) for net in (gan.generator, gan.discriminator))
        for basis in (self.g["basis"], self.d["basis/kernel"]):
            basis.data = basis.data.permute(2, 0, 1).contiguous()  # [C, 4, 4]
        self.g_weights, self.d_weights = list(self.g.values()), list(self.d.values())
        self.optimizers = adam(self.g_weights, gan), adam(self.d_weights, gan)
        self.sizes = [4 << i for i in range(gan.options.imsz.bit_length() - 2)]
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.filter = (taps[:, None] * taps)[None, None]

    def resample(self, x, by, gain=1.0):
        """Double or halve images with the filter [1, 3, 3, 1], channel by channel."""
        kernel = gain * self.filter.expand(x.shape[1], 1, 4, 4)
        return by(x, kernel, stride=2, padding=1, groups=x.shape[1])

    def blocks(self, w, x, size):
        for i in range(1, self.gan.options.blocks + 1):
            name = f"b{size}_{i}"
            y = functional.leaky_relu(functional.conv2d(x, w[f"{name}/conv1/kernel"], w[f"{name}/bias1"]), self.slope)
            kernel = w[f"{name}/conv2/kernel"]
            groups = y.shape[1] // kernel.shape[1]
            y = functional.conv2d(y, kernel, w[f"{name}/bias2"], padding=1, groups=groups)
            x = x + functional.conv2d(functional.leaky_relu(y, self.slope), w[f"{name}/conv3/kernel"])
        return x

    def generate(self, z):
        w = self.g
        x = w["basis"] * functional.linear(z, w["scale/kernel"])[:, :, None, None]
        for size in self.sizes:
            if size > 4:
                x = functional.conv2d(x, w[f"up{size}/kernel"]) if f"up{size}/kernel" in w else x
                x = self.resample(x, functional.conv_transpose2d, gain=4.0)
            x = self.blocks(w, x, size)
        return functional.conv2d(x, w["last/kernel"])

    def judge(self, x):
        w = self.d
        x = functional.conv2d(x, w["first/kernel"])
        for size in reversed(self.sizes):
            x = self.blocks(w, x, size)
            if size > 4:
                x = self.resample(x, functional.conv2d)
                x = functional.conv2d(x, w[f"down{size}/kernel"]) if f"down{size}/kernel" in w else x
        return functional.linear((x * w["basis/kernel"]).sum((2, 3)), w["last/kernel"])[:, 0]

    def __call__(self, real, z_g, z_d, u):
        """Do an iteration; `real` are the images of D's step and those of G's."""
        del u
        with torch.no_grad():
            fake = self.generate(z_d[0])
        images = [each.detach().requires_grad_() for each in (real[0], fake)]
        logits = [self.judge(each) for each in images]
        gradients = [torch.autograd.grad(f.sum(), x, create_graph=True)[0] for f, x in zip(logits, images)]
        penalty = sum(gradient.square().sum((1, 2, 3)).mean() for gradient in gradients)
        d_loss = functional.softplus(logits[1] - logits[0]).mean() + self.gan.penalty / 2 * penalty
        step(self.optimizers[1], self.d_weights, d_loss)
        with torch.no_grad():
            real_logits = self.judge(real[1])
        g_loss = functional.softplus(real_logits - self.judge(self.generate(z_g))).mean()
        step(self.optimizers[0], self.g_weights, g_loss)
        return d_loss.item(), g_loss.item()
