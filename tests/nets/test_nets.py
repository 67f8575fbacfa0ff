"""The contract of every family of nets, and the sizes of the published models."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, projections
from rpgan_tf.errors import UserError
from rpgan_tf.nets import dcgan, patchgan, realness, rpgan, sagan, toy

DCGAN, TOY = {"ngf": 8, "ndf": 8}, {"lfile": "mixture:ring8", "g_width": 9, "d_width": 7}
RPGAN = {"imsz": 16, "ksz": 4, "f1": 8, "df": 4}
FAMILIES = {  # module, options, number of projections
    "dcgan": (dcgan, DCGAN, 0),
    "dcgan-layer": (dcgan, DCGAN | {"d_norm": "layer"}, 0),
    "dcgan-none": (dcgan, DCGAN | {"d_norm": "none"}, 0),
    "dcgan-spectral": (dcgan, DCGAN | {"d_norm": "spectral", "init": "pytorch"}, 0),
    "patchgan": (patchgan, DCGAN | {"init": "pytorch1.1"}, 0),
    "sagan": (sagan, DCGAN, 0),
    "sagan-zoo": (sagan, DCGAN | {"spectral": "zoo"}, 0),
    "realness": (realness, DCGAN, 0),
    "realness-plain": (realness, DCGAN | {"adaptive_reparam": False}, 0),
    "rpgan": (rpgan, RPGAN, 0),
    "rpgan-bank": (rpgan, RPGAN, 3),
    "toy": (toy, TOY, 0),
    "toy-bank": (toy, TOY, 3),
}


def options_of(family, **values):
    module, of_net, _ = FAMILIES[family]
    if module is toy:
        values.pop("channels", None)  # points have those of their mixture
    else:
        values = {"imsz": 32} | of_net | values
    gan = "RealnessGAN" if "num_outcomes" in values else "DCGAN"
    values = {"gan": gan, "net": module.__name__.split(".")[-1], "zlen": 6, "seed": 5} | of_net | values
    return config.resolve(values)


def projections_of(family, options):
    num = FAMILIES[family][2]
    if not num:
        return None
    size, stride, numf = (1, 1, 2) if options.imsz == 1 else (8, 2, 1)
    kernels = np.random.default_rng(0).normal(size=(num, size, size, options.channels, numf)).astype(np.float32)
    return projections.Projections(kernels, stride)


def build(family, **values):
    options = options_of(family, **values)
    net = FAMILIES[family][0]
    return (
        options,
        net.build_generator(options, 3),
        net.build_discriminator(options, projections_of(family, options), 3),
    )


def images_of(options, batch_size=4, seed=0):
    shape = [options.channels * options.pack]
    shape = shape if options.imsz == 1 else [options.imsz, options.imsz, *shape]
    return np.random.default_rng(seed).uniform(-1, 1, (batch_size, *shape)).astype(np.float32)


def count(net):
    return sum(int(np.prod(weight.shape)) for weight in net.trainable_weights)


@pytest.mark.usefixtures("zero_weights")
def test_numbers_of_weights():
    assert count(dcgan.Generator(100, 64, 64, 1)) == 3574656
    assert count(dcgan.Generator(100, 64, 64)) == 3576704
    assert count(dcgan.Discriminator(64, 64, 1)) == 2763520
    assert count(dcgan.Discriminator(64, 64)) == 2765568
    assert count(dcgan.Generator(128, 64, 128)) == 13245312
    assert count(dcgan.Discriminator(64, 128)) == 11164416
    assert count(patchgan.Discriminator(64, 64, 1)) == 2762688
    assert count(patchgan.Discriminator(64, 64)) == 2764736
    generator, discriminator = sagan.Generator(100, 64, 64, spectral="zoo"), sagan.Discriminator(64, 64, spectral="zoo")
    assert (count(generator), count(discriminator)) == (3602546, 3174339)
    spectral = [
        sum(array.size for name, array in net.get_arrays().items() if name.endswith(("/u", "/v")))
        for net in (generator, discriminator)
    ]
    assert spectral == [16468, 8176]
    assert count(sagan.Generator(100, 64, 64)) == 3602546
    assert count(sagan.Discriminator(64, 64)) == 3174339


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("values", [{}, {"num_outcomes": 5}, {"channels": 1, "pack": 2}], ids=str)
def test_shapes(family, values):
    options, generator, discriminator = build(family, **values)
    assert generator.zlen == 6
    fake = generator(tf.zeros([4, 6]))
    assert fake.shape == (4, *images_of(options).shape[1:-1], options.channels)
    images = images_of(options)
    logits = discriminator(images)
    num, patches = FAMILIES[family][2], 4 if family == "patchgan" else 1
    expected = ((num,) if num else ()) + (4 * patches,) + ((5,) if "num_outcomes" in values else ())
    assert logits.shape == expected
    assert logits.shape[discriminator.batch_axis] == 4 * patches
    seen = discriminator.project(images)
    assert len(discriminator.feature_axes) < len(seen.shape)
    np.testing.assert_allclose(discriminator.judge(seen), logits, atol=1e-6)
    of_images = tf.reduce_sum(seen**2, axis=discriminator.feature_axes)  # as a penalty on gradients reduces them
    assert of_images.shape[-1] == 4 and tf.size(of_images) == 4 * (num or 1)
    labels = tf.eye(4)  # which these nets ignore
    for received in (discriminator(images, labels), discriminator.judge(seen, labels)):
        np.testing.assert_allclose(received, logits, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_batches_may_go_through_together_where_the_net_says_so(family):
    options, _, discriminator = build(family)
    first, second = images_of(options, seed=1), images_of(options, seed=2)
    before = discriminator.get_arrays()
    separate = [discriminator(images, training=True) for images in (first, second)]
    unchanged = all(np.array_equal(array, before[name]) for name, array in discriminator.get_arrays().items())
    both = discriminator(np.concatenate([first, second]), training=True)
    both = tf.split(both, 2, axis=discriminator.batch_axis)
    equal = all(np.allclose(one, other, atol=1e-5) for one, other in zip(separate, both))
    assert discriminator.independent == (equal and unchanged)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_can_be_read_and_set_by_name(family):
    options, *nets = build(family)
    z, images = tf.random.stateless_normal([4, 6], [1, 2]), images_of(options)
    for net, other, x in zip(nets, build(family, seed=6)[1:], (z, images)):
        net(x, training=True)  # moves the running state
        arrays = net.get_arrays()
        assert sum(array.size for array in arrays.values()) == sum(int(np.prod(w.shape)) for w in net.weights)
        random = np.random.default_rng(0)
        arrays = {
            name: array if array.dtype.kind == "i" else array + random.uniform(0, 0.1, array.shape).astype(array.dtype)
            for name, array in arrays.items()
        }
        for each in (net, other):
            each.set_arrays(arrays)
        assert all(np.array_equal(array, arrays[name]) for name, array in other.get_arrays().items())
        if not hasattr(net, "noise_seed"):
            assert np.array_equal(net(x), other(x))


def test_names_are_readable():
    names = sagan.Discriminator(8, 64, name="discriminator").get_arrays()
    assert {"conv1/kernel", "conv1/u", "attention8/gamma", "attention4/query/kernel", "last/bias"} < names.keys()
    kinds = ["gamma", "beta", "moving_mean", "moving_variance"]
    assert list(dcgan.Generator(6, 8, 16).get_arrays())[:5] == ["conv1/kernel", *(f"norm1/{kind}" for kind in kinds)]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("family", FAMILIES)
def test_penalties_of_gradients_have_gradients(family, compiled):
    """The derivative of |dD/dx|^2 by D's last kernel agrees with finite differences.

    By the first kernel, it is that of a function homogeneous of degree two if D scales with it. Other directions cross
    the kinks of LeakyReLU, where the penalty jumps.
    """
    options, _, discriminator = build(family)
    first, *_, last = (
        weight
        for weight in discriminator.trainable_weights
        if weight.name.endswith(("kernel", "_w")) and "attention" not in weight.path
    )
    seen = discriminator.project(tf.constant(images_of(options)))

    def penalty():
        with tf.GradientTape() as tape:
            tape.watch(seen)
            logits = discriminator.judge(seen, training=False)
        return tf.reduce_sum(tape.gradient(logits, seen) ** 2)

    def gradients():
        with tf.GradientTape() as tape:
            value = penalty()
        return value, tape.gradient(value, [first, last])

    value, (of_first, of_last) = (tf.function(gradients, autograph=False) if compiled else gradients)()
    assert float(value) > 0 and np.abs(of_first).max() > 0
    if family in ("dcgan-none", "rpgan", "rpgan-bank"):
        np.testing.assert_allclose(np.sum(of_first * first), 2 * value, rtol=1e-4)
    start, step = last.numpy(), 1e-2 * np.linalg.norm(last) / np.linalg.norm(of_last) * of_last.numpy()
    ends = []
    for sign in (-1, 1):
        last.assign(start + sign * step)
        ends.append(float(penalty()))
    assert ends[1] - ends[0] == pytest.approx(2 * np.sum(of_last * step), rel=0.02)


def test_banks_equal_their_discriminators_one_by_one():
    for family in ("toy-bank", "rpgan-bank"):
        for values in ({}, {"pack": 2}, {"num_outcomes": 5, "pack": 3}):
            options, _, bank = build(family, **values)
            filters = projections_of(family, options)
            images = images_of(options)
            expected = bank(images).numpy()
            for k in range(3):
                one = projections.Projections(filters.kernels[k : k + 1], filters.stride)
                single = FAMILIES[family][0].build_discriminator(options, one)
                for weight, stacked in zip(single.weights, bank.weights):
                    weight.assign(stacked[k : k + 1])
                np.testing.assert_allclose(single(images)[0], expected[k], atol=1e-5)


def test_projections_of_packed_data_are_those_of_each():
    """Stacked in the order of the packing: the features of the first, then those of the second."""
    options, _, discriminator = build("toy-bank", pack=2)
    points, kernels = images_of(options), discriminator.matrices.numpy()
    expected = np.concatenate([points[:, :2] @ kernels[1], points[:, 2:] @ kernels[1]], axis=1)
    np.testing.assert_allclose(discriminator.project(points)[1], expected, rtol=1e-5)
    options, _, discriminator = build("rpgan-bank", pack=2)
    images, seen = images_of(options), discriminator.project(images_of(options))
    single = build("rpgan-bank")[2]
    for i in range(2):
        np.testing.assert_allclose(seen[:, i : i + 1], single.project(images[..., 3 * i : 3 * i + 3]), atol=1e-5)


@pytest.mark.parametrize("imsz", [16, 32, 64, 128])
def test_sizes(imsz):
    for family in ("dcgan", "patchgan", "sagan", "realness"):
        if imsz < 32 and family in ("patchgan", "sagan"):
            with pytest.raises(UserError, match="imsz = 16 does not fit this net: expected a power of two >= 32"):
                FAMILIES[family][0].Discriminator(8, imsz)
            continue
        options, generator, discriminator = build(family, imsz=imsz)
        fake = generator(tf.zeros([1, 6]))
        assert fake.shape == (1, imsz, imsz, 3)
        assert discriminator(fake).shape == ((imsz // 16) ** 2 if family == "patchgan" else 1,)


@pytest.mark.parametrize(
    "init, of_convolution, of_transposed, of_gamma",
    [
        ("dcgan", 0.02, 0.02, (1, 0.02)),
        ("zoo", 0.02, None, (1, 0.02)),
        ("pytorch", None, None, (1, 0)),
        ("pytorch1.1", None, None, (0.5, 12**-0.5)),
    ],
)
def test_initial_weights(init, of_convolution, of_transposed, of_gamma):
    generator, discriminator = dcgan.Generator(100, 64, 64, init=init, seeds=1), dcgan.Discriminator(64, 64, init=init)
    for net, std in ((generator, of_transposed), (discriminator, of_convolution)):
        arrays = net.get_arrays()
        fan_in = np.prod(arrays["conv2/kernel"].shape[:3])
        assert arrays["conv2/kernel"].std() == pytest.approx(std or (3 * fan_in) ** -0.5, rel=0.02)
        gamma = arrays["norm2/gamma"]
        assert (gamma.mean(), gamma.std()) == pytest.approx(of_gamma, abs=0.1 if init == "pytorch1.1" else 0.005)
        assert not arrays["norm2/beta"].any()


def test_noise_of_the_resampling_head_is_repeatable_from_its_saved_state():
    options, _, net = build("realness", num_outcomes=5)
    images = images_of(options)
    for _ in range(30):
        net(images, training=True)  # lets the power iteration settle
    arrays = net.get_arrays()
    assert arrays["counter"] == 30
    calls = [net(images, training=True).numpy() for _ in range(2)]
    assert np.abs(calls[1] - calls[0]).max() > 0.1
    evaluated = [net(images).numpy() for _ in range(2)]
    assert np.array_equal(*evaluated)
    net.set_arrays(arrays)
    for call in calls:
        assert np.array_equal(net(images, training=True), call)


def test_the_resampling_head_is_normal_with_its_mean_and_variance():
    """With equal kernels mean and log variance are one number m, and the logits are N(m, exp(m))."""
    net = realness.Discriminator(8, 16, num_outcomes=2)
    net.head.kernel.assign(tf.ones_like(net.head.kernel))
    net.head.iterate()
    logits = net(np.repeat(images_of(options_of("realness", imsz=16), 1), 5000, axis=0)).numpy()
    mean = logits.mean()
    assert logits.std() == pytest.approx(np.exp(mean / 2), rel=0.03)
