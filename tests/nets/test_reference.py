"""The nets against the numbers of the PyTorch programs whose layers they have, read as a user would read them."""

import math

import numpy as np
import pytest

from rpgan_tf import checkpoint
from rpgan_tf.errors import UserError
from rpgan_tf.nets import dcgan, patchgan, realness, sagan, toy
from rpgan_tf.nets.base import Net
from rpgan_tf.nets.layers import Attention, Convolution, TransposedConvolution
from tests.conftest import DATA
from tools import import_torch
from tools.import_torch import convert


@pytest.fixture(scope="module")
def zoo():
    with np.load(DATA / "zoo.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def numbers():
    """Those of RealnessGAN."""
    with np.load(DATA / "realness.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def state(reference, prefix):
    return {name[len(prefix) :]: array for name, array in reference.items() if name.startswith(prefix)}


def imported(net, arrays):
    net.set_arrays(convert(arrays, net.get_arrays()))
    return net


def assert_close(received, expected):
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))


class Only(Net):
    """A net of one layer."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer


def test_dcgan_generator_and_its_running_statistics(zoo):
    net = imported(dcgan.Generator(10, 4, 64, channels=1), state(zoo, "G/"))
    assert_close(net(zoo["z"], training=True), zoo["fake"])
    arrays = net.get_arrays()
    for i, module in enumerate(("1", "4", "7", "10"), start=1):
        for ours, theirs in (("moving_mean", "running_mean"), ("moving_variance", "running_var")):
            expected = zoo[f"G_after/layer.{module}.{theirs}"]
            np.testing.assert_allclose(arrays[f"norm{i}/{ours}"], expected, rtol=1e-5, atol=1e-6)
    assert_close(net(zoo["z"]), zoo["fake_eval"])


def test_dcgan_discriminator(zoo):
    net = imported(dcgan.Discriminator(4, 64, channels=1), state(zoo, "D/"))
    assert_close(net(zoo["real"], training=True), zoo["D_real"])
    assert_close(net(zoo["fake"], training=True), zoo["D_fake"])


def test_patchgan_discriminator(zoo):
    net = imported(patchgan.Discriminator(4, 64, channels=1), state(zoo, "P/"))
    assert_close(net(zoo["real"], training=True), zoo["P_real"])


def test_attention(zoo):
    net = imported(Only(Attention(16)), state(zoo, "attn/"))
    assert_close(net.layer(zoo["attn_x"]), zoo["attn_y"])
    assert_close(net.layer.attention_map(zoo["attn_x"]), zoo["attn_map"])


@pytest.mark.parametrize("prefix, kind", [("sn", Convolution), ("snT", TransposedConvolution)])
def test_spectral_normalization_over_three_calls(zoo, prefix, kind):
    net = imported(Only(kind(16, 20, 4, 2, "SAME", spectral=True)), state(zoo, f"{prefix}/"))
    kernel = net.layer.kernel.numpy()
    for i in (1, 2, 3):
        assert_close(net.layer(zoo["attn_x"], training=True), zoo[f"{prefix}_y{i}"])
    after = convert(state(zoo, f"{prefix}_after3/"), net.get_arrays())
    for name, array in net.get_arrays().items():
        np.testing.assert_allclose(array, after[name], rtol=0, atol=1e-5, err_msg=name)
    assert np.array_equal(net.layer.kernel, kernel)
    assert_close(net.layer(zoo["attn_x"]), zoo[f"{prefix}_y3"])


def test_realness_nets(numbers):
    generator = imported(realness.Generator(8, 8, 16), state(numbers, "G/"))
    assert_close(generator(numbers["z"], training=True), numbers["G_out_nhwc"])
    arrays = {name: array for name, array in state(numbers, "D/").items() if not name.startswith("reparam.")}
    discriminator = imported(realness.Discriminator(8, 16, adaptive_reparam=False, num_outcomes=5), arrays)
    assert_close(discriminator(numbers["G_out_nhwc"]), numbers["D_out"])


def test_toy_nets(numbers):
    generator = imported(toy.Generator(8, 16, 2), state(numbers, "toyG/"))
    assert_close(generator(numbers["toy_z"], training=True), numbers["toy_x"])
    discriminator = imported(toy.Discriminator(12, 2, num_outcomes=5), state(numbers, "toyD/"))
    assert_close(discriminator(numbers["toy_x"]), numbers["toy_y"])


def test_arrays_that_do_not_fit_are_named(zoo):
    arrays = state(zoo, "D/")
    without = {name: array for name, array in arrays.items() if name != "layer.6.running_var"}
    headless = {name: array for name, array in arrays.items() if not name.startswith("layer.11")}
    longer = arrays | {"layer.12.weight": arrays["layer.11.weight"]}
    gain = arrays | {"layer.9.gain": arrays["layer.9.bias"]}
    wrong = [
        (8, arrays, r"layer\.0\.weight does not fit conv1/kernel: expected \[8, 1, 4, 4\], received \[4, 1, 4, 4\]"),
        (4, without, r"no array for norm3/moving_variance: expected running_var, received layer\.6\.weight, "),
        (4, headless, r"no array for last/kernel: expected weight or .*, received no more"),
        (4, longer, r"layer\.12\.weight is left over"),
        (4, gain, r"layer\.9\.gain is left over"),
    ]
    for ndf, received, message in wrong:
        with pytest.raises(UserError, match=message):
            imported(dcgan.Discriminator(ndf, 64, channels=1), received)


def test_command_writes_what_sampling_reads(project, zoo):
    """A generator from PyTorch becomes a file from which sample.py draws its images."""
    (project / "exp" / "zoo.py").write_text(
        "gan = 'DCGAN'\nnet = 'dcgan'\nlfile = 'digits'\nwts_dir = 'models/zoo'\n"
        "zlen, ngf, ndf, imsz, channels = 10, 4, 4, 64, 1\n"
    )
    np.savez("G.npz", **state(zoo, "G/"))
    import_torch.main(["zoo", "G.npz", "generator", "7"])
    net = dcgan.Generator(10, 4, 64, channels=1)
    checkpoint.load_npz(net, "models/zoo/iter_7.gmodel.npz")
    assert_close(net(zoo["z"], training=True), zoo["fake"])
    np.savez("D.npz", **state(zoo, "D/"))
    import_torch.main(["zoo", "D.npz", "discriminator"])
    assert checkpoint.saved_iterations("models/zoo", "dmodel") == [0]
    with pytest.raises(UserError, match=r"layer\.3\.weight does not fit conv1/kernel"):
        import_torch.main(["zoo", "D.npz", "discriminator", "2", "--skip", "layer.0", "layer.2"])
    with pytest.raises(UserError, match="iter_7.gmodel.npz' is there already; give another iteration"):
        import_torch.main(["zoo", "G.npz", "generator", "7"])
    import_torch.main(["zoo", "G.npz", "generator", "8", "--set", "ema=0.9"])
    kinds = {kind: checkpoint.saved_iterations("models/zoo", kind) for kind in ("gmodel", "ema")}
    assert kinds == {"gmodel": [7, 8], "ema": [8]}


@pytest.mark.parametrize("role", ["G", "D"])
def test_whole_sagan_in_the_order_of_the_programs(role):
    """They list attention after the last convolution, and a layer's u and v before its kernel."""
    random, state = np.random.default_rng(0), {}

    def convolution(name, shape, rows):
        state[f"{name}.module.weight_u"] = random.normal(size=rows)
        state[f"{name}.module.weight_v"] = random.normal(size=math.prod(shape) // rows)
        state[f"{name}.module.weight_bar"] = random.normal(size=shape)

    def attention(name, channels):
        state[f"{name}.gamma"] = np.array([0.5])
        for part, units in (("q", channels // 8), ("k", channels // 8), ("v", channels)):
            state[f"{name}.{part}_conv.weight"] = random.normal(size=(units, channels, 1, 1))
            state[f"{name}.{part}_conv.bias"] = random.normal(size=units)

    if role == "G":
        net = sagan.Generator(zlen=10, ngf=8, imsz=64, channels=3, spectral="zoo")
        for i, (inputs, channels) in enumerate([(10, 64), (64, 32), (32, 16), (16, 8), (8, 3)], start=1):
            convolution(f"block{i}.conv", (inputs, channels, 4, 4), inputs)
            for name in ("weight", "bias", "running_mean", "running_var") if i < 5 else ():
                state[f"block{i}.norm.{name}"] = random.normal(size=channels)
        attention("attn1", 16)
        attention("attn2", 8)
    else:
        net = sagan.Discriminator(ndf=8, imsz=64, channels=3, spectral="zoo")
        for i, (inputs, channels) in enumerate([(3, 8), (8, 16), (16, 32), (32, 64)], start=1):
            convolution(f"block{i}.conv", (channels, inputs, 4, 4), channels)
        state["block5.weight"], state["block5.bias"] = random.normal(size=(1, 64, 4, 4)), random.normal(size=1)
        attention("attn1", 32)
        attention("attn2", 64)
    arrays = imported(net, state).get_arrays()
    assert arrays["attention16/gamma" if role == "G" else "attention8/gamma"] == 0.5
    assert len([name for name in arrays if name.endswith("kernel")]) == 11
    first = state["block1.conv.module.weight_bar"]
    np.testing.assert_allclose(arrays["conv1/kernel"], first.transpose(2, 3, 1, 0), rtol=1e-6)
