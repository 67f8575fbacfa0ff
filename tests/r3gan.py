"""The numbers of R3GAN's program, its names for weights, and a discriminator of plain layers."""

import ast
import re

import numpy as np
import tensorflow as tf

from rpgan_tf.nets import base, r3gan
from rpgan_tf.nets.layers import BatchNormalization, Convolution
from tests.conftest import DATA

with np.load(DATA / "r3gan.npz", allow_pickle=False) as file:
    NUMBERS = {name: file[name] for name in file.files}
CONFIG = dict(line.split("=", 1) for line in NUMBERS["config"] if re.match(r"\w+=", line))
CONFIG = {name: ast.literal_eval(text) for name, text in CONFIG.items()}
STAGES = list(map(r3gan.Stage, CONFIG["widths"], CONFIG["cardinality"], CONFIG["blocks"]))
LAYOUTS = {2: (1, 0), 4: (2, 3, 1, 0)}  # of PyTorch's kernels


def of(prefix):
    """Return {name without the prefix: array}."""
    return {name.removeprefix(prefix): array for name, array in NUMBERS.items() if name.startswith(prefix)}


def nets(prefix="", num_classes=0):
    """Return G and D with their weights."""
    generator = r3gan.Generator(STAGES, CONFIG["zlen"], 3, num_classes, CONFIG["zlen"], name="generator")
    discriminator = r3gan.Discriminator(STAGES, 3, num_classes, name="discriminator")
    for net, letter in ((generator, "G"), (discriminator, "D")):
        net.set_arrays(converted(of(f"{prefix}{letter}/"), letter))
    return generator, discriminator


def converted(arrays, letter):
    """Return the arrays of G or D under our names, in our layouts."""
    return {our_name(name, letter): in_our_layout(name, array) for name, array in arrays.items()}


def our_name(name, letter):
    fixed = {"AggregationLayer": "last", "ExtractionLayer": "first", "EmbeddingLayer": "embed"}
    if name.partition(".")[0] in fixed:
        return f"{fixed[name.partition('.')[0]]}/kernel"
    stage, layer, rest = re.fullmatch(r"MainLayers\.(\d)\.Layers\.(\d)\.(.*)", name).groups()
    size = 4 << int(stage) if letter == "G" else CONFIG["size"] >> int(stage)
    if found := re.match(r"(LinearLayer|NonLinearity)(\d)", rest):
        block = f"b{size}_{int(layer) + (letter == 'D')}"
        return f"{block}/conv{found[2]}/kernel" if found[1] == "LinearLayer" else f"{block}/bias{found[2]}"
    if rest == "LinearLayer.Layer.weight":
        return f"{'up' if letter == 'G' else 'down'}{size}/kernel"
    if rest == "LinearLayer.weight":
        return "scale/kernel" if letter == "G" else "last/kernel"
    return "basis" if letter == "G" else "basis/kernel"


def in_our_layout(name, array):
    if name.endswith("Basis.weight"):
        return array[:, 0].transpose(1, 2, 0)
    return array.transpose(1, 2, 0) if name.endswith("Basis") else array.transpose(LAYOUTS.get(array.ndim, (0,)))


def names(net):
    """Return the names of the trained weights."""
    return [weight.path.removeprefix(f"{net.name}/") for weight in net.trainable_variables]


def assert_gradients(received, net, expected):
    """Compare the gradients of a net's weights, to 1e-4 of the largest entry of each."""
    assert sorted(names(net)) == sorted(expected)
    for name, gradient in zip(names(net), received):
        assert_close(gradient, expected[name], 1e-4, name)


def assert_close(received, expected, tolerance=1e-5, name=""):
    """Compare to a tolerance of max(1, largest entry), or for gradients, 1e-4 of the largest."""
    size = np.abs(expected).max()
    bound = tolerance * (size if tolerance == 1e-4 else max(1, size))
    np.testing.assert_allclose(received, expected, rtol=0, atol=max(bound, 1e-7), err_msg=name)


class Plain(base.Discriminator):
    """Two convolutions of stride 2 and one over the whole map, with a bias or batch normalization in the second."""

    def __init__(self, normalized, **kwargs):
        super().__init__(**kwargs)
        self.conv0 = Convolution(3, 4, 4, 2, "SAME", bias=True, name="conv0")
        self.conv1 = Convolution(4, 8, 4, 2, "SAME", bias=not normalized, name="conv1")
        self.bn1 = BatchNormalization(8, name="bn1") if normalized else None
        self.out = Convolution(8, 1, 4, bias=True, name="out")

    def judge(self, seen, labels=None, training=False):
        x = self.conv1(tf.nn.leaky_relu(self.conv0(seen), 0.2))
        x = x if self.bn1 is None else self.bn1(x, training=training)
        return self.flat(self.out(tf.nn.leaky_relu(x, 0.2)))


def plain(prefix, normalized):
    """Return the plain discriminator with its weights, and {our name: gradient of D's loss}."""
    names = {"conv0.weight": "conv0/kernel", "conv1.weight": "conv1/kernel", "out.weight": "out/kernel"}
    names |= {"conv0.bias": "conv0/bias", "conv1.bias": "conv1/bias", "out.bias": "out/bias"}
    names |= {"bn1.weight": "bn1/gamma", "bn1.bias": "bn1/beta"}
    net = Plain(normalized, name="discriminator")
    weights, gradients = (
        {names[name]: in_our_layout(name, array) for name, array in of(f"{prefix}/{kind}/").items()}
        for kind in ("D", "d_grad")
    )
    net.set_arrays(net.get_arrays() | weights)
    return net, gradients
