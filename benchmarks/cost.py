"""Count the cost of an iteration: operations, bytes, and traffic between devices.

Operations are two for each multiplication and addition of convolutions and matrix products, nothing else. Bytes are the
least traffic to memory without a cache: for any GAN, inputs and outputs of convolutions and products (`of_graph`); for
RP-GAN, counted from its sizes, also the traffic of this implementation (`Work.bytes`). A step takes at least the time
of its operations at the peak rate, and that of its bytes at the memory's; `Machine.seconds` returns the larger.
"""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Work:
    """An iteration with K discriminators on projections of 8x8 filters with stride 2, one channel each."""

    num_discriminators: int
    bsz: int
    df: int
    imsz: int
    f1: int
    zlen: int = 100

    @property
    def layers(self):
        """(output pixels, rows of the kernel, filters) of a discriminator's convolutions."""
        size, channels, filters, found = self.imsz // 2, 1, self.df, []
        while size > 2:
            size //= 2
            found.append((size**2, 16 * channels, filters))
            channels, filters = filters, 2 * filters
        return [*found, (1, 4 * channels, 1)]

    @property
    def discriminators(self):
        """FLOP: forward, weight and input gradients on 2 bsz images; forward and input gradients on bsz."""
        each = [pixels * rows * filters for pixels, rows, filters in self.layers]
        projection = (self.imsz // 2) ** 2 * 8 * 8 * 3
        own = 2 * (3 * sum(each) - each[0] + projection)  # the first layer has no input to pass a gradient to
        for_generator = 2 * (sum(each) + projection)
        return 2 * self.num_discriminators * self.bsz * (own + for_generator)

    @property
    def generator(self):
        """FLOP: forward twice, weight and input gradients once."""
        first = self.zlen * self.f1 * 16
        layers, channels = [], self.f1
        for layer in range(int(math.log2(self.imsz // 4))):
            filters = 3 if 8 << layer == self.imsz else channels // 2
            layers.append((4 << layer) ** 2 * 16 * channels * filters)
            channels = filters
        return 2 * self.bsz * (3 * first + 4 * sum(layers))

    @property
    def iteration(self):
        """FLOP of both nets."""
        return self.discriminators + self.generator

    @property
    def weights(self):
        """Number of weights of the K discriminators."""
        return self.num_discriminators * sum((rows + 1) * filters for _, rows, filters in self.layers)

    @property
    def bytes(self):
        """Bytes of the discriminators: weights, Adam's moments, and unfolded patches.

        Weights are read five times (forward and input gradient of both steps, and by Adam), their gradients written and
        read, both moments read and written, the weights written: 12 numbers each. The input of each layer is unfolded:
        its patches are written and read, and so is their gradient; in D's step, the gradient of the weights reads them
        again. Each layer's output is written and read, and so is its gradient.
        """
        images = 3 * self.bsz  # two batches for D, one for G
        patches = sum(pixels * rows for pixels, rows, _ in self.layers)
        outputs = sum(pixels * filters for pixels, _, filters in self.layers)
        moved = images * 4 * (patches + outputs) + 2 * self.bsz * patches
        return 4 * (12 * self.weights + self.num_discriminators * moved)


def of_iteration(gan, real):
    """Return (FLOP, bytes) of convolutions and products in an iteration of D's and G's steps, each on `real`."""
    import tensorflow as tf

    z = tf.zeros([real.shape[0], gan.generator.zlen])
    steps = {gan.d_step: gan.d_steps, gan.g_step: gan.g_steps}
    found = [0, 0]
    for step, number in steps.items():
        graph = tf.function(step, autograph=False).get_concrete_function(real, z).graph
        found = [total + number * gan.accumulation * each for total, each in zip(found, of_graph(graph))]
    return found


def of_graph(graph):
    """Return (FLOP, bytes) of the convolutions and products of a function's graph; the body of a loop counts once."""
    from rpgan_tf.training import memory

    flops = moved = 0
    for _, op in memory.needed(graph):
        shapes = [tensor.shape for tensor in op.inputs]
        if op.type in ("MatMul", "BatchMatMulV2"):
            inner = shapes[0][-2 if op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x") else -1]
            out = op.outputs[0].shape
        elif op.type == "Conv2DBackpropFilter":
            inner, out = op.outputs[0].shape[:3].num_elements(), shapes[2]
        elif op.type.startswith("Conv2D"):
            inner, out = shapes[1][:3].num_elements(), op.outputs[0].shape if op.type == "Conv2D" else shapes[2]
        else:
            for inside in memory.functions_of(op):
                more = of_graph(inside)
                flops, moved = flops + more[0], moved + more[1]
            continue
        flops += 2 * inner * out.num_elements()
        moved += sum(memory.bytes_of(tensor) for tensor in [*op.inputs, *op.outputs])
    return flops, moved


@dataclasses.dataclass(frozen=True)
class Machine:
    """Peak rates: FLOP/s of matrix products, bytes/s of memory, bytes/s that each device sends to others."""

    flops: float
    memory: float
    link: float = math.inf

    def seconds(self, flops, moved):
        """Return the larger of both times."""
        return max(flops / self.flops, moved / self.memory)


# NVIDIA, "H100 Tensor Core GPU" data sheet, SXM5, dense: TF32, TensorFlow's default for float32; HBM3; NVLink, whose
# 900 GB/s are the sum of both ways.
H100 = Machine(flops=494.5e12, memory=3.35e12, link=450e9)


def share(work, count, divide):
    """Return (FLOP, bytes, bytes sent) of each of `count` devices that `divide` "batch" or "discriminators".

    With the batch divided, each device has all discriminators, and the gradients of their weights are added: a ring
    sends 2 (n - 1) / n of them. With the discriminators divided, each has K / n of them for the whole batch; real and
    fake images are gathered, and the gradients of G's images added. G's own gradients are added in both.
    """
    if divide == "batch":
        own = dataclasses.replace(work, bsz=work.bsz // count)
        sent = 4 * work.weights
    else:
        own = dataclasses.replace(work, num_discriminators=work.num_discriminators // count)
        sent = 4 * 4 * work.bsz * work.imsz**2 * 3  # real and fake images, those of G, and their gradient
    generator = dataclasses.replace(work, bsz=work.bsz // count).generator
    return own.discriminators + generator, own.bytes, 2 * (count - 1) / count * sent


def divided(work, count, machine, divide):
    """Return the seconds of an iteration on `count` devices, without overlap of traffic and arithmetic."""
    flops, moved, sent = share(work, count, divide)
    return machine.seconds(flops, moved) + sent / machine.link
