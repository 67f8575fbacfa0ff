"""StyleGAN2, GGDR and GLeaD: which phase moves what, how often, and what their terms are."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf.config import resolve
from rpgan_tf.errors import UserError
from rpgan_tf.gans import ggdr, stylegan2
from tests.conftest import DATA

TINY = {"imsz": 16, "channels": 1, "bsz": 4, "zlen": 4, "w_dim": 4, "map_layers": 1, "channel_base": 64}
TINY |= {"channel_max": 4, "gan": "StyleGAN2", "net": "stylegan2"}
MSE = {"real_loss": "mse", "fake_loss": "mse"}


def build(**values):
    return rpgan_tf.build(resolve(TINY | values))


def real_images(size=4):
    return tf.random.stateless_uniform([size, 16, 16, 1], [1, 2], -1, 1)


def changed(net, before):
    return {name for name, array in net.get_arrays().items() if not np.array_equal(array, before[name])}


def test_phases_over_seventeen_iterations():
    gan = build()
    step = tf.function(gan.train_step, autograph=False)
    for _ in range(17):
        step(real_images())
    assert int(gan.g_optimizer.iterations) == 17 + 5 and int(gan.d_optimizer.iterations) == 17 + 2


def test_optimizers_are_corrected_for_lazy_steps():
    gan = build()
    assert float(gan.g_optimizer.learning_rate) == pytest.approx(0.002)
    assert float(gan.d_optimizer.learning_rate) == pytest.approx(0.00235294, rel=1e-5)
    assert gan.g_optimizer.beta_2 == pytest.approx(0.991992, rel=1e-6) and gan.g_optimizer.beta_1 == 0
    assert gan.d_optimizer.beta_2 == pytest.approx(0.990585, rel=1e-6)


def test_each_phase_moves_its_own_net():
    gan = build(net="glead", res_d=8, res_g=8, gan="GLeaD", **MSE)
    z = gan.latents(4, 0)
    states = []
    for phase in (lambda: gan.g_step(None, z), lambda: gan.path_step(z), lambda: gan.d_step(real_images(), z)):
        before = gan.generator.get_arrays(), gan.discriminator.get_arrays()
        phase()
        states.append((changed(gan.generator, before[0]), changed(gan.discriminator, before[1])))
    (of_g, d_of_g), (of_path, d_of_path), (g_of_d, of_d) = states
    assert "synthesis/b4/const" in of_g and "synthesis/b4/const" in of_path and not d_of_g and not d_of_path
    assert g_of_d == {"mapping/w_avg"}
    assert {"b4/out/kernel", "img_proj/kernel", "feat_proj1/kernel", "feat_proj2/kernel", "b8_dec/kernel"} <= of_d
    assert float(gan.path_length) > 0


@pytest.mark.parametrize("with_term", [True, False])
def test_the_real_term_is_part_of_the_steps_on_r1(with_term):
    gan = build(net="glead", res_d=8, res_g=8, gan="GLeaD", **MSE, r1_with_term=with_term)
    before = gan.discriminator.get_arrays()
    gan.r1_step(real_images())
    moved = changed(gan.discriminator, before)
    heads = {"img_proj/kernel", "feat_proj1/kernel", "feat_proj2/kernel", "b8_dec/kernel"}
    assert (heads <= moved) if with_term else not heads & moved
    assert "b16/conv0/kernel" in moved and "b4/out/bias" not in moved
    assert float(gan.r1_penalty) > 0


def test_losses_by_hand():
    gan = build()
    r, f = tf.constant([0.5, -1.0]), tf.constant([2.0, 0.0])
    sp = lambda x: np.log1p(np.exp(np.array(x)))  # noqa: E731
    assert float(gan.g_loss(None, f)) == pytest.approx(np.mean(sp([-2.0, 0.0])))
    assert float(gan.d_loss(r, f)) == pytest.approx(np.mean(sp([-0.5, 1.0])) + np.mean(sp([2.0, 0.0])))


def test_r1_of_a_linear_discriminator():
    weights = tf.random.stateless_normal([16, 16, 1], [3, 4])
    penalty = stylegan2.r1(lambda images: tf.reduce_sum(images * weights, axis=[1, 2, 3]), real_images())
    assert float(penalty) == pytest.approx(float(tf.reduce_sum(weights**2)), rel=1e-5)


def test_path_lengths_and_cosines_are_those_of_the_original():
    with np.load(DATA / "glead.npz", allow_pickle=False) as numbers:
        generator = rpgan_tf.nets.stylegan2.Generator(32, 3, 16, 16, 2, 256, 16, name="generator")
        from tests.nets.test_stylegan2 import read

        read(generator, numbers, "G/")
        codes = tf.constant(numbers["ws"][:2])
        with tf.GradientTape() as tape:
            tape.watch(codes)
            product = tf.reduce_sum(generator.synthesize(codes)[0] * numbers["pl_noise"])
        received = stylegan2.path_lengths(tape.gradient(product, codes))
        np.testing.assert_allclose(received, numbers["pl_lengths"], rtol=1e-5)


def test_cosine_distance():
    a = tf.random.stateless_normal([2, 4, 4, 3], [1, 2])
    assert float(ggdr.cosine_distance(a, 3 * a)) == pytest.approx(0, abs=1e-6)
    assert float(ggdr.cosine_distance(a, -a)) == pytest.approx(2, abs=1e-6)
    zeros = tf.zeros_like(a)
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        distance = ggdr.cosine_distance(zeros, a)
    assert float(distance) == 1 and np.all(np.isfinite(tape.gradient(distance, zeros)))


def test_styles_are_mixed_from_one_layer_on():
    gan = build(style_mixing=1.0)
    z = gan.latents(3, 0)
    plain = gan.generator.codes(z).numpy()
    mixed = gan.codes(z, 0, 0).numpy()
    same = np.all(np.isclose(mixed, plain), axis=(0, 2))
    start = int(np.argmin(same))
    assert 1 <= start < gan.generator.num_codes and same[:start].all() and not same[start:].any()
    gan = build(style_mixing=0)
    np.testing.assert_array_equal(gan.codes(z, 0, 0), gan.generator.codes(z))


def test_gradients_that_are_not_finite():
    gan = build()
    variable = gan.generator.trainable_variables[0]
    seen = []
    gan.g_optimizer.apply = lambda gradients, variables: seen.extend(gradients)
    with tf.GradientTape() as tape:
        objective = tf.reduce_sum(variable * tf.constant(np.inf))
    gan.update(gan.g_optimizer, gan.generator.trainable_variables[:2], objective, tape)
    assert np.all(seen[0] == 1e5) and not np.any(seen[1])  # the second has no part in it


def test_the_average_forgets_by_half_life_and_ramp():
    gan = build(ema=0.5 ** (64 / 20000), ema_ramp=0)
    assert gan.ema == pytest.approx(0.997784, abs=1e-6)
    gan = build(ema=0.9, ema_ramp=0.5)
    momenta = []
    gan.move_average = lambda momentum: momenta.append(float(momentum))
    for iteration in (1, 2, 3, 1000):
        gan.iteration.assign(iteration)
        gan.update_average()
    assert momenta == pytest.approx([0, 0.5 ** (1 / 0.5), 0.5 ** (1 / 1.0), 0.9])


def test_mistakes():
    with pytest.raises(UserError, match="gan = 'GLeaD' trains the nets glead, received net = 'stylegan2'"):
        build(gan="GLeaD")
    with pytest.raises(UserError, match="unknown|no option 'decay'"):
        build(decay=0.1)
