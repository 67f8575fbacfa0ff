"""StyleGAN2's and GLeaD's nets: against numbers of the original, by hand, and by invariances."""

import math

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint
from rpgan_tf.config import resolve
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.gans.ggdr import cosine_distance
from rpgan_tf.nets import fir, glead, stylegan2, stylegan2_blocks
from tests.conftest import DATA
from tools import import_torch
from tools.import_torch import convert_by_name

ATOL = 1e-5
SMALL = {"imsz": 32, "zlen": 16, "w_dim": 16, "map_layers": 2, "channel_base": 256, "channel_max": 16}  # the original's
TINY = {"imsz": 16, "channels": 1, "zlen": 8, "w_dim": 8, "map_layers": 2, "channel_base": 64, "channel_max": 8}


def plain(**values):
    """Return options of StyleGAN2's nets."""
    return resolve({"gan": "StyleGAN2", "net": "stylegan2"} | values)


def decoding(**values):
    """Return options of a discriminator with decoder and heads."""
    return resolve({"gan": "GLeaD", "net": "glead", "real_loss": "mse", "fake_loss": "mse"} | values)


@pytest.fixture(scope="module")
def numbers():
    with np.load(DATA / "glead.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read(net, numbers, prefix):
    """Set a net's weights to those of the original."""
    state = {name.removeprefix(prefix): array for name, array in numbers.items() if name.startswith(prefix)}
    net.set_arrays(convert_by_name(state, net.get_arrays()))
    return net


def read_generator(numbers):
    return read(stylegan2.build_generator(plain(**SMALL)), numbers, "G/")


def to_hwio(kernel):
    return kernel.transpose(2, 3, 1, 0)


@pytest.fixture(scope="module")
def generator(numbers):
    return read_generator(numbers)


@pytest.fixture(scope="module")
def discriminator(numbers):
    return read(glead.build_discriminator(decoding(**SMALL, res_d=8, res_g=8)), numbers, "D/")


def assert_close(received, expected, scale=1.0):
    np.testing.assert_allclose(received, expected, rtol=0, atol=ATOL * max(scale, np.abs(expected).max()))


def test_generator(numbers, generator):
    codes = generator.codes(numbers["z"])
    assert_close(codes, numbers["ws"])
    assert_close(generator.codes(numbers["z"], truncation=0.7), numbers["ws_trunc07"])
    images, made = generator.synthesize(codes)
    assert_close(images, numbers["img"])
    assert_close(generator(numbers["z"]), numbers["img"])
    for size in (4, 8, 16, 32):
        assert_close(made[size][0], numbers[f"feat/{size}"])
    assert_close(made[8][1], numbers["inter_img"])
    assert_close(generator(numbers["z"], noise="none"), numbers["img_nonoise"])


def test_discriminator_and_its_decoder(numbers, discriminator):
    assert_close(discriminator(numbers["real"]), numbers["D_logits"][:, 0])
    assert_close(discriminator(numbers["img"]), numbers["D_logits_fake"][:, 0])
    found = discriminator.decode(discriminator.features(numbers["real"]))
    for name, own in (("D_dec/8", found.map), ("D_feat", found.features), ("D_img", found.image)):
        assert_close(own, numbers[name])
    assert_close(found.w, numbers["D_w"][:, 0])


def test_cosine_of_ggdr(numbers, generator, discriminator):
    """Between the output of D's head for features of generated images, and G's features."""
    found = discriminator.decode(discriminator.features(numbers["img"])).features
    assert float(cosine_distance(found, numbers["feat/8"])) == pytest.approx(float(numbers["ggdr_cos"]), rel=1e-5)
    assert 2 * sum(size > 8 for size in generator.blocks) + 1 == int(numbers["K"])


def test_r1_and_its_gradients(numbers, discriminator):
    real = tf.constant(numbers["real"])
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(real)
            total = tf.reduce_sum(discriminator(real))
        penalties = tf.reduce_sum(inner.gradient(total, real) ** 2, axis=[1, 2, 3])
        penalty = tf.reduce_mean(penalties)
    np.testing.assert_allclose(penalties, numbers["r1_penalty"], rtol=1e-5)
    kernels = [discriminator.dense.kernel.value, discriminator.blocks[32].conv0.kernel.value]
    unused = [discriminator.last.bias.value, *(head.kernel.value for head in discriminator.head_layers)]
    gradients = outer.gradient(penalty, kernels + unused, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    expected = numbers["r1_grad_b4.fc.weight"].reshape(16, 16, 4, 4).transpose(2, 3, 1, 0).reshape(256, 16)
    np.testing.assert_allclose(gradients[0], expected, atol=1e-4 * np.abs(expected).max())
    expected = to_hwio(numbers["r1_grad_bR.conv0.weight"])
    np.testing.assert_allclose(gradients[1], expected, atol=1e-4 * np.abs(expected).max())
    assert all(not np.any(gradient) for gradient in gradients[2:])


def test_reconstruction_and_its_gradients(numbers, generator, discriminator):
    real = tf.constant(numbers["real"])
    with tf.GradientTape() as tape:
        again = glead.reconstruct(generator, discriminator.decode(discriminator.features(real)))
        error = tf.reduce_mean((again - real) ** 2)
    assert_close(again, numbers["recon"])
    assert float(error) == pytest.approx(float(numbers["recon_mse"]), abs=1e-6)
    heads = discriminator.head_layers
    for head, gradient in zip(heads, tape.gradient(error, [head.kernel for head in heads])):
        expected = to_hwio(numbers[f"recon_grad_{head.name}"])
        np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())


def test_going_on_from_what_a_block_made_gives_the_same_image(generator):
    """With codes that differ in every layer, so that their order shows."""
    codes = tf.random.stateless_normal([2, generator.num_codes, 16], [1, 2])
    images, made = generator.synthesize(codes)
    for size, used in ((16, 3), (8, 5), (4, 7)):
        again, _ = generator.synthesize(codes[:, -used:], start=made[size])
        np.testing.assert_allclose(again, images, atol=1e-6)


@pytest.fixture
def experiment(project, numbers):
    """exp/glead.py, for nets of the sizes of the original's numbers, and its weights as G.npz and D.npz."""
    values = {"gan": "GLeaD", "net": "glead", "real_loss": "mse", "fake_loss": "mse", "imsz": 32, "bsz": 4, "zlen": 16}
    values |= {"w_dim": 16, "map_layers": 2, "channel_base": 256, "channel_max": 16, "res_d": 8, "res_g": 8}
    values |= {"lfile": "digits", "wts_dir": "models/glead"}
    text = "".join(f"{key} = {value!r}\n" for key, value in values.items())
    (project / "exp" / "glead.py").write_text(text)
    for role in "GD":
        np.savez(f"{role}.npz", **{name[2:]: array for name, array in numbers.items() if name.startswith(f"{role}/")})
    return resolve(values)


def test_weights_of_pytorch_programs_are_imported(experiment, numbers):
    import_torch.main(["glead", "G.npz", "generator"])
    net = stylegan2.build_generator(experiment)
    for kind in ("gmodel", "ema"):
        checkpoint.load_npz(net, f"models/glead/iter_0.{kind}.npz")
        assert_close(net(numbers["z"]), numbers["img"])
        assert_close(net(numbers["z"], truncation=0.7), net.synthesize(tf.constant(numbers["ws_trunc07"]))[0])
    import_torch.main(["glead", "D.npz", "discriminator"])
    net = glead.build_discriminator(experiment)
    checkpoint.load_npz(net, "models/glead/iter_0.dmodel.npz")
    assert_close(net(numbers["real"]), numbers["D_logits"][:, 0])
    assert_close(net.decode(net.features(numbers["real"])).image, numbers["D_img"])


def test_modules_are_skipped_on_both_sides(experiment, numbers):
    """A D without decoder becomes part of one with a new decoder, and the other way round."""
    decoder = ["b8_dec", "img_proj", "feat_proj1", "feat_proj2"]
    state = atomic.load_arrays("D.npz")
    np.savez("plain.npz", **{name: array for name, array in state.items() if name.split(".")[0] not in decoder})
    message = (
        "no array b8_dec.weight, .* --skip b8_dec feat_proj1 img_proj feat_proj2 leaves what is missing as in a new"
    )
    with pytest.raises(UserError, match=message):
        import_torch.main(["glead", "plain.npz", "discriminator"])
    import_torch.main(["glead", "plain.npz", "discriminator", "--skip", *decoder])
    net, new = rpgan_tf.build(experiment).discriminator, rpgan_tf.build(experiment).discriminator
    checkpoint.load_npz(net, "models/glead/iter_0.dmodel.npz")
    assert_close(net(numbers["real"]), numbers["D_logits"][:, 0])
    for layer, other in zip(net.decoder + net.head_layers, new.decoder + new.head_layers):
        np.testing.assert_array_equal(layer.kernel, other.kernel)
    changed = ["--set", "gan=StyleGAN2", "net=stylegan2", "real_loss=", "fake_loss=", "res_d=", "res_g="]
    with pytest.raises(UserError, match="b8_dec.weight is left over: .* --skip b8_dec img_proj feat_proj1 feat_proj2"):
        import_torch.main(["glead", "D.npz", "discriminator", "2", *changed])
    import_torch.main(["glead", "D.npz", "discriminator", "2", *changed, "--skip", *decoder])
    net = stylegan2.build_discriminator(plain(**SMALL))
    checkpoint.load_npz(net, "models/glead/iter_2.dmodel.npz")
    assert_close(net(numbers["real"]), numbers["D_logits"][:, 0])


def test_weights_that_do_not_fit_are_named(experiment):
    message = (
        r"b32\.conv0\.weight does not fit synthesis/b32/conv0/kernel: expected \[16, 16, 3, 3\], received \[8, 16,"
    )
    with pytest.raises(UserError, match=message):
        import_torch.main(["glead", "G.npz", "generator", "--set", "channel_base=512"])
    with pytest.raises(UserError, match=r"no array mapping\.fc2\.weight, which the net of the experiment has"):
        import_torch.main(["glead", "G.npz", "generator", "--set", "map_layers=3"])
    with pytest.raises(UserError, match=r"mapping\.fc1\.weight is left over: expected no such array"):
        import_torch.main(["glead", "G.npz", "generator", "--set", "map_layers=1"])


def test_kernels_of_a_decoder_that_resamples():
    """[out, in, h, w] becomes that of a transposed convolution, [h, w, out, in], if it is larger than a pixel."""
    weight = np.arange(3 * 5 * 9.0).reshape(3, 5, 3, 3)
    own = convert_by_name({"b8_dec.weight": weight}, {"b8_dec/kernel": np.zeros([3, 3, 3, 5])})
    np.testing.assert_array_equal(own["b8_dec/kernel"], np.einsum("oihw->hwoi", weight))
    own = convert_by_name({"b8_dec.weight": weight[..., :1, :1]}, {"b8_dec/kernel": np.zeros([1, 1, 5, 3])})
    np.testing.assert_array_equal(own["b8_dec/kernel"][0, 0], weight[..., 0, 0].T)


@pytest.mark.usefixtures("zero_weights")
def test_numbers_of_weights():
    def count(net):
        return sum(math.prod(weight.shape) for weight in net.trainable_variables)

    large = {"imsz": 256, "channel_base": 16384}
    assert count(stylegan2.build_generator(plain(**large))) == 24_767_458
    assert count(stylegan2.build_discriminator(plain(**large))) == 24_001_089
    decoder, heads = 1_574_656, {64: 198_147, 32: 263_939}
    for res_g, more in heads.items():
        net = glead.build_discriminator(decoding(**large, res_d=64, res_g=res_g))
        assert count(net) == 24_001_089 + decoder + more
    for base, most, size, width, (of_g, of_d) in (
        (512, 32, 32, 32, (66_723, 75_828)),
        (1024, 64, 32, 64, (263_987, 301_668)),
        (256, 16, 16, 16, (14_734, 17_316)),
    ):
        values = {"imsz": size, "w_dim": width, "channel_base": base, "channel_max": most}
        assert count(stylegan2.build_generator(plain(**values, zlen=width, map_layers=2))) == of_g
        assert count(glead.build_discriminator(decoding(**values, res_d=8, res_g=8))) == of_d


def convolved_one_by_one(layer, x, w):
    """Return the layer's output, by a kernel for each image; doubling is zeros between pixels, convolution and blur."""
    styles, kernel, outputs = layer.affine(w), tf.convert_to_tensor(layer.kernel), []
    kernel = tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2]) if layer.up else kernel
    for i in range(x.shape[0]):
        own = kernel * styles[i][:, None]
        own = own / tf.sqrt(tf.reduce_sum(own**2, axis=(0, 1, 2)) + 1e-8)
        image = x[i : i + 1]
        if layer.up:
            size = image.shape[1]
            spread = tf.stack([image, tf.zeros_like(image)], axis=3)  # zeros to the right, then below
            spread = tf.reshape(spread, [1, size, 2 * size, -1])
            spread = tf.reshape(tf.stack([spread, tf.zeros_like(spread)], axis=2), [1, 2 * size, 2 * size, -1])
            spread = tf.pad(spread[:, :-1, :-1], [[0, 0], [2, 2], [2, 2], [0, 0]])
            y = fir.blur(tf.nn.conv2d(spread, own, 1, "VALID"), 1, gain=4.0)
        else:
            y = tf.nn.conv2d(image, own, 1, "SAME")
        y += 0.3 * tf.convert_to_tensor(layer.noise_const)[None, :, :, None]
        outputs.append(math.sqrt(2) * tf.nn.leaky_relu(y, 0.2))
    return tf.concat(outputs, axis=0)


@pytest.mark.parametrize("up", [False, True])
def test_modulation_is_that_of_the_kernel_of_each_image(up):
    """With first and second derivatives."""
    layer = stylegan2_blocks.SynthesisLayer(5, 7, 4, 12 if up else 6, up=up, name="layer")
    layer.noise_strength.assign(0.3)
    x, w = (tf.random.stateless_normal(shape, [3, i]) for i, shape in enumerate(([3, 6, 6, 5], [3, 4])))
    found = []
    for function in (lambda x, w: layer(x, w, noise="const"), lambda x, w: convolved_one_by_one(layer, x, w)):
        with tf.GradientTape() as outer:
            outer.watch([x, w])
            with tf.GradientTape() as inner:
                inner.watch(w)
                y = function(x, w)
                total = tf.reduce_sum(y * tf.cos(tf.range(tf.size(y), dtype=tf.float32).numpy().reshape(y.shape)))
            first = inner.gradient(total, w)
            square = tf.reduce_sum(first**2)
        found.append((y, first, *outer.gradient(square, [x, w])))
    for received, expected in zip(*found):
        np.testing.assert_allclose(received, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max())


def test_demodulation_keeps_the_variance():
    """Whatever the scale of the kernel: E y^2 of normal inputs is that of sqrt(2) LeakyReLU of N(0, 1), 1.04."""
    layer = stylegan2_blocks.SynthesisLayer(32, 32, 4, 16, name="layer")
    x, w = (tf.random.stateless_normal(shape, [3, i]) for i, shape in enumerate(([8, 16, 16, 32], [8, 4])))
    y = layer(x, w, noise="none")
    assert float(tf.reduce_mean(y[:, 1:-1, 1:-1] ** 2)) == pytest.approx(1.04, rel=0.05)
    layer.kernel.assign(3 * layer.kernel)
    np.testing.assert_allclose(layer(x, w, noise="none"), y, atol=1e-4)


def test_new_noise_is_normal_and_differs_from_image_to_image():
    layer = stylegan2_blocks.SynthesisLayer(2, 2, 4, 8, clamp=0.5, name="layer")
    layer.noise_strength.assign(0.1)
    x, w = tf.zeros([3, 8, 8, 2]), tf.zeros([3, 4])
    y = layer(x, w, noise=[1, 2])
    noise = 0.1 * tf.random.stateless_normal([3, 8, 8, 1], [1, 2], alg="philox")
    np.testing.assert_allclose(y, math.sqrt(2) * tf.nn.leaky_relu(tf.repeat(noise, 2, axis=-1), 0.2), rtol=1e-5)
    layer.noise_strength.assign(10.0)
    assert float(tf.reduce_max(tf.abs(layer(x, w, noise=[1, 2])))) == 0.5
    rgb = stylegan2_blocks.ToRGB(2, 1, 4, clamp=0.5, name="rgb")
    rgb.bias.assign([3.0])
    assert np.all(rgb(x, w) == 0.5)


def test_groups_of_the_minibatch_deviation():
    x = np.zeros([6, 1, 1, 2], np.float32)
    x[:, 0, 0, 0] = [0, 10, 0, 2, 10, 4]  # groups of images 0 and 3, 1 and 4, 2 and 5
    received = stylegan2_blocks.minibatch_deviation(x, 2)[:, 0, 0, 0]
    np.testing.assert_allclose(received, [0.5, 0, 1, 0.5, 0, 1], atol=1e-3)
    received = stylegan2_blocks.minibatch_deviation(x[:3], 4)[:, 0, 0, 0]
    np.testing.assert_allclose(received, [np.std([0, 10, 0]) / 2] * 3, 1e-3)


def test_the_average_of_w_moves_in_training_only():
    net = stylegan2.build_generator(plain(**TINY))
    z = tf.random.stateless_normal([4, 8], [1, 2])
    net.codes(z)
    assert not np.any(net.mapping.w_avg)
    w = net.codes(z, training=True)[:, 0]
    np.testing.assert_allclose(net.mapping.w_avg, 0.005 * np.mean(w, axis=0), rtol=1e-5)
    half = net.codes(z, truncation=0.5, cutoff=2)
    np.testing.assert_allclose(half[:, 2:], net.codes(z)[:, 2:])
    np.testing.assert_allclose(half[:, 0], (w + net.mapping.w_avg) / 2, atol=1e-6)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_near_and_clamped(half):
    full, mixed = (
        stylegan2.build_generator(plain(**SMALL, **values)) for values in ({}, {"num_half": 2, "half": half})
    )
    mixed.set_weights(full.get_weights())
    z = tf.random.stateless_normal([4, 16], [1, 2])
    expected, images = full(z), mixed(z)
    assert images.dtype == tf.float32
    tolerance = {"float16": 0.01, "bfloat16": 0.1}[half] * float(tf.reduce_max(tf.abs(expected)))
    np.testing.assert_allclose(images, expected, atol=tolerance)
    assert [stylegan2.half_type(size, 256, 4, half) for size in (16, 32, 256)] == ["float32", half, half]
    assert stylegan2.half_type(8, 32, 4, half) == half and stylegan2.half_type(4, 32, 4, half) == "float32"
    layer = stylegan2_blocks.Convolution(1, 1, 1, clamp=256.0, gain=0.5)
    np.testing.assert_allclose(layer(1e6 * tf.sign(layer.kernel)), [[[[128]]]])


def test_labels_change_images_and_logits():
    options = plain(**TINY, num_classes=3)
    generator, discriminator = stylegan2.build_generator(options), stylegan2.build_discriminator(options)
    z, labels = tf.random.stateless_normal([3, 8], [1, 2]), tf.eye(3)
    images = generator(z[:1].numpy().repeat(3, axis=0), labels)
    assert len({float(image) for image in tf.reduce_sum(images, axis=[1, 2, 3])}) == 3
    same = tf.repeat(images[:1], 3, axis=0)
    logits = discriminator(same, labels)
    assert len({float(logit) for logit in logits}) == 3
    np.testing.assert_array_equal(discriminator.judge(discriminator.project(same), labels), logits)
    for latents in (z, tf.concat([z, labels], axis=1)):  # labels are an argument, not columns behind z
        with pytest.raises(ValueError, match="expected labels"):
            generator(latents)


def test_frozen_layers_are_the_first():
    net = stylegan2.build_discriminator(plain(**TINY, freeze=3))
    names = ["/".join(weight.path.split("/")[-3:]) for weight in net.trainable_variables]
    assert names[0] == "b16/skip/kernel" and "b8/conv0/kernel" in names and "b16/conv1/kernel" not in names


def test_mistakes():
    with pytest.raises(UserError, match="bsz = 6 must be a multiple of mbstd_group = 4"):
        plain(bsz=6, imsz=16)
    with pytest.raises(UserError, match="res_d = 16 and res_g = 8 must be below imsz = 16"):
        decoding(imsz=16, res_d=16, res_g=8)
    with pytest.raises(ValueError, match="expected a map decoded with heads"):
        glead.reconstruct(None, glead.Decoded(tf.zeros([1, 8, 8, 1])))
