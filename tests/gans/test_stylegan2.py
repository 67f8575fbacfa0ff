"""StyleGAN2: its phases, their order and effect, augmentation; also on the nets of GGDR and GLeaD."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, randomness
from rpgan_tf.augmentation import pipes as augment
from rpgan_tf.config import resolve
from rpgan_tf.errors import UserError
from rpgan_tf.gans import stylegan2
from rpgan_tf.nets.glead import reconstruct
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
    gan.update = lambda optimizer, *_: optimizer.iterations.assign_add(1)
    step = tf.function(gan.train_step, autograph=False)
    for _ in range(17):
        step(real_images())
    assert step.experimental_get_tracing_count() == 1
    assert int(gan.g_optimizer.iterations) == 17 + 5 and int(gan.d_optimizer.iterations) == 17 + 2


def test_xla_computes_what_the_graph_does():
    """But for the noise, which moves G's first step a little, and so the loss of D."""
    logs = []
    for choice in ("xla", "auto"):
        gan = build(compile=choice, pl_weight=0, r1_gamma=0, style_mixing=0, num_half=1)
        gan.draw_latents = lambda batch_size, seed: tf.reshape(tf.linspace(-1.0, 1.0, batch_size * 4), [batch_size, 4])
        gan.discriminator.last.kernel.assign(tf.ones_like(gan.discriminator.last.kernel))
        images = tf.data.Dataset.from_tensors(real_images()).repeat()
        logs.append(gan.fit(images, steps_per_epoch=1, verbose=0, shuffle=False).history)
        assert gan.jit_compile is (choice == "xla")
    assert logs[0]["g_loss"] == pytest.approx(logs[1]["g_loss"], rel=1e-3)
    assert logs[0]["d_loss"] == pytest.approx(logs[1]["d_loss"], rel=1e-2)


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


@pytest.mark.parametrize("phase", ["g_step", "path_step", "d_step", "r1_step"])
def test_each_phase_lowers_its_loss(phase):
    """Again and again on the same images and latents; the iteration stays, and with it all noise."""
    gan = build(net="glead", res_d=8, res_g=8, gan="GLeaD", r1_gamma=10.0, learning_rate=0.03, **MSE)
    update, objectives, logs, real, z = gan.update, [], [], real_images(), gan.latents(4, 0)

    def keep(optimizer, variables, objective, tape):
        objectives.append(float(objective))
        update(optimizer, variables, objective, tape)

    gan.update = keep
    arguments = {"g_step": (None, z), "path_step": (z,), "d_step": (real, z), "r1_step": (real,)}[phase]
    for _ in range(12):
        gan.path_length.assign(1.0)
        logs.append(getattr(gan, phase)(*arguments) or {})
    assert objectives[-1] < objectives[0]
    for name in {"g_loss", "d_loss", "real_term", "fake_term"} & set(logs[0]):
        assert float(logs[-1][name]) < float(logs[0][name]), name


@pytest.mark.parametrize("phase", ["paths", "r1"])
def test_gradients_of_the_regularizers_are_finite_differences(phase):
    """Second derivatives through modulation and resampling. Steps are small, since LeakyReLUs have kinks."""
    gan = build(learning_rate=1e-9, style_mixing=0)
    found = {}

    def keep(optimizer, variables, objective, tape):
        values = [variable.value for variable in variables]
        found["loss"] = float(objective)
        found["gradients"] = tape.gradient(objective, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def run():
        gan.path_length.assign(0.3)
        gan.path_step(gan.latents(4, 0)) if phase == "paths" else gan.r1_step(real_images())
        return found["loss"]

    gan.update = keep
    run()
    variables = (gan.generator if phase == "paths" else gan.discriminator).trainable_variables
    gradients, start = found["gradients"], [variable.numpy() for variable in variables]
    steps = [1e-4 * np.sign(gradient) * np.abs(each) for gradient, each in zip(gradients, start)]
    losses = []
    for sign in (1, -1):
        for variable, value, step in zip(variables, start, steps):
            variable.assign(value + sign * step)
        losses.append(run())
    expected = 2 * sum(float(tf.reduce_sum(gradient * step)) for gradient, step in zip(gradients, steps))
    assert losses[0] - losses[1] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_training_in_half_precision_is_near_that_in_full(half):
    """All four phases, with the two highest resolutions in half precision."""
    losses = {}
    for num_half in (0, 2):
        gan = build(net="glead", res_d=8, res_g=8, gan="GLeaD", num_half=num_half, half=half, d_interval=2, **MSE)
        logs = [gan.train_step(real_images()) for _ in range(3)]
        losses[num_half] = np.array([[float(each[name]) for name in sorted(logs[0])] for each in logs])
        assert all(np.all(np.isfinite(weight)) for weight in gan.generator.get_arrays().values())
    np.testing.assert_allclose(losses[2], losses[0], rtol=0.1, atol=0.02)


@pytest.mark.parametrize(
    "values",
    [
        {"d_arch": "orig"},
        {"gan": "GLeaD", "net": "glead", "imsz": 32, "res_d": 16, "res_g": 8, "decoder_kernel": 3, **MSE},
        {"gan": "GLeaD", "net": "glead", "imsz": 32, "res_d": 8, "res_g": 16, **MSE},
        {"gan": "GGDR", "net": "glead", "heads": False, "res_d": 8, "res_g": 8, "bsz": 1},
    ],
    ids=["orig", "decoder of two levels", "resized heads", "a batch of one"],
)
def test_other_nets_train(values):
    """Everything that is trained moves, all of it finite."""
    gan = build(**values, d_interval=1, g_interval=1)
    real = tf.random.stateless_uniform([gan.options.bsz, gan.options.imsz, gan.options.imsz, 1], [1, 2], -1, 1)
    before = gan.generator.get_arrays(), gan.discriminator.get_arrays()
    for _ in range(2):
        logs = gan.train_step(real)
    assert all(np.isfinite(float(value)) for value in logs.values())
    for net, arrays in zip((gan.generator, gan.discriminator), before):
        after = net.get_arrays()
        assert all(np.all(np.isfinite(array)) for array in after.values())
        assert {name for name in arrays if name.endswith("kernel")} <= changed(net, arrays)


def test_an_average_that_was_taken_over_lasts(tmp_path):
    """The ramp would make it G's weights in the first iteration."""
    for folder, kept in (("", False), (str(tmp_path), True)):
        gan = build(ema=0.9, start_from=folder)
        const = gan.average.blocks[4].const
        const.assign(const + 1)
        before = const.numpy()
        gan.iteration.assign(1)  # as after `train_step` has counted
        gan.update_average()
        assert np.allclose(const, before, atol=0.2) == kept


def test_every_phase_of_synthesis_moves_the_average_of_w():
    """By w of its own latents; those that are mixed in do not count."""
    gan = build(style_mixing=0.999)
    z, average = gan.latents(4, 0), gan.generator.mapping.w_avg
    expected = 0.995 * average + 0.005 * tf.reduce_mean(gan.generator.mapping(z), axis=0)
    gan.codes(z, randomness.G_STEP, 0)
    np.testing.assert_allclose(average, expected, rtol=1e-5)
    for phase in (lambda: gan.g_step(None, z), lambda: gan.path_step(z), lambda: gan.d_step(real_images(), z)):
        before = average.numpy()
        phase()
        assert not np.array_equal(average, before)


def test_losses_by_hand():
    gan = build()
    r, f = tf.constant([0.5, -1.0]), tf.constant([2.0, 0.0])
    sp = lambda x: np.log1p(np.exp(np.array(x)))  # noqa: E731
    assert float(gan.g_loss(None, f)) == pytest.approx(np.mean(sp([-2.0, 0.0])))
    assert float(gan.d_loss(r, f)) == pytest.approx(np.mean(sp([-0.5, 1.0])) + np.mean(sp([2.0, 0.0])))


def test_path_lengths_are_those_of_the_original():
    with np.load(DATA / "glead.npz", allow_pickle=False) as numbers:
        from tests.nets.test_stylegan2_nets import read_generator

        generator = read_generator(numbers)
        codes = tf.constant(numbers["ws"][:2])
        with tf.GradientTape() as tape:
            tape.watch(codes)
            product = tf.reduce_sum(generator.synthesize(codes)[0] * numbers["pl_noise"])
        received = stylegan2.path_lengths(tape.gradient(product, codes))
        np.testing.assert_allclose(received, numbers["pl_lengths"], rtol=1e-5)


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
    with tf.GradientTape() as tape:
        objective = tf.reduce_sum(variable * 3e5)
    gan.update(gan.g_optimizer, gan.generator.trainable_variables[:1], objective, tape)
    assert np.all(seen[2] == 3e5)  # what is finite stays


def test_the_average_forgets_by_half_life_and_ramp():
    gan = build(ema=0.5 ** (64 / 20000), ema_ramp=0)
    assert gan.ema == pytest.approx(0.997784, abs=1e-6)
    gan = build(ema=0.9, ema_ramp=0.5)
    momenta = []
    for iteration in (1, 2, 3, 1000):
        gan.iteration.assign(iteration)
        momenta.append(float(gan.momentum()))
    assert momenta == pytest.approx([0, 0.5 ** (1 / 0.5), 0.5 ** (1 / 1.0), 0.9])


class TestAugmentation:
    def test_without_it_nothing_is_done(self):
        gan, images = build(), real_images()
        assert gan.augmented(images, 0, 0) is images and gan.augmented_features(images, 0, 0) is images
        assert gan.state.keys() == {"path_length", "r1_penalty"}

    def test_all_that_d_sees_is_augmented_each_time_anew(self):
        gan, seen = build(aug="fixed", aug_p=0.5), []
        gan.augmented = lambda images, role, step: seen.append(role) or 0 * images
        gan.judge = lambda images, *_: tf.reduce_sum(images, axis=[1, 2, 3]) + gan.discriminator.last.bias
        z, real = gan.latents(4, 0), real_images()
        gan.g_step(None, z)
        logs = gan.d_step(real, z)
        gan.r1_step(real)
        assert not np.any(logs["real_logits"]) and not np.any(logs["fake_logits"]) and float(gan.r1_penalty) == 0
        assert len(set(seen)) == len(seen) == 4

    def test_it_is_that_of_the_options(self):
        gan, images = build(aug="fixed", aug_p=0.5, aug_pipe="color"), real_images()
        seed = gan.noise_seed(randomness.AUGMENTATION + randomness.REAL, 3)
        expected = augment.augment(images, 0.5, seed, "color")
        np.testing.assert_array_equal(gan.augmented(images, randomness.REAL, 3), expected)

    def test_r1_is_of_the_images_before(self):
        """What contrast c makes of an image takes c times its part in D's gradient."""
        gan, contrast = build(aug="fixed", aug_p=0.5), tf.constant([0.5, 1.0, 2.0, 3.0])[:, None, None, None]
        gan.augmented = lambda images, role, step: contrast * images
        gan.judge = lambda images, *_: tf.reduce_sum(images, axis=[1, 2, 3])
        gan.r1_step(real_images())
        assert float(gan.r1_penalty) == pytest.approx(256 * (0.25 + 1 + 4 + 9) / 4)

    def test_images_of_glead_are_compared_as_they_were(self):
        gan, images = build(net="glead", res_d=8, res_g=8, gan="GLeaD", **MSE, aug="fixed", aug_p=0.9), real_images()
        seen = augment.augment(images, 0.9, gan.noise_seed(randomness.AUGMENTATION + randomness.RECONSTRUCTION))
        found = gan.discriminator.decode(gan.discriminator.features(seen))
        again = reconstruct(gan.generator, found, gan.noise_seed(randomness.NOISE + randomness.RECONSTRUCTION))
        logits, term = gan.judge_real(images, 0)
        assert float(term) == pytest.approx(10 * np.mean((again - images) ** 2), rel=1e-5)
        np.testing.assert_allclose(logits, gan.judge(seen), rtol=1e-5)

    def test_p_follows_the_signs_of_the_logits(self):
        """Four batches of 64 move it by 256 of 500,000; it is never negative, and may be above 1."""
        gan = build(aug="ada")
        p, signs, count = (gan.state[name] for name in ("ada_p", "ada_signs", "ada_count"))
        steps = [
            (0.0, 155, 0.000512),
            (0.000512, 153, 0.0),
            (0.0, -256, 0.0),
            (0.3, 256, 0.300512),
            (1.0, 200, 1.000512),
        ]
        for before, total, after in steps:
            p.assign(before)
            signs.assign(total)
            count.assign(256)
            gan.adjust_augmentation()
            assert float(p) == pytest.approx(after, abs=1e-7) and float(signs) == float(count) == 0

    def test_signs_are_counted_and_p_adjusted_every_four_iterations(self):
        gan = build(aug="ada", ada_kimg=0.032, g_interval=100, d_interval=100)
        logits = iter([[1.0, 2.0, 3.0, -1.0], [4.0, 4.0, 4.0, 4.0], [1.0, 1.0, 1.0, -1.0], [1.0] * 4, [-1.0] * 4])
        gan.judge_real = lambda real, step, *_: (tf.constant(next(logits)), 0.0)
        gan.g_step = lambda *args, **kwargs: {"g_loss": tf.constant(0.0)}
        gan.update = lambda *args: None
        gan.iteration.assign(4)  # those of every 100 iterations are not done
        received = [float(gan.train_step(real_images())["aug_p"]) for _ in range(5)]
        assert received == pytest.approx([0, 0, 0, 0.5, 0.5])  # (12 - 0) / 16 > 0.6; 16 images of 32
        assert float(gan.state["ada_signs"]) == -4 and float(gan.state["ada_count"]) == 4

    def test_p_is_resumed(self, tmp_path):
        gan = build(aug="ada")
        for name, value in {"ada_p": 0.25, "ada_signs": -3, "ada_count": 8}.items():
            gan.state[name].assign(value)
        checkpoint.save(gan, resolve(TINY | {"wts_dir": str(tmp_path)}))
        other = build(aug="ada")
        checkpoint.restore(other, tmp_path)
        assert [float(other.state[name]) for name in ("ada_p", "ada_signs", "ada_count")] == [0.25, -3, 8]


def test_mistakes():
    with pytest.raises(UserError, match="gan = 'GLeaD' trains net = 'glead' alone, received net = 'stylegan2'"):
        build(gan="GLeaD")
    with pytest.raises(UserError, match="unknown|no option 'decay'"):
        build(decay=0.1)
    with pytest.raises(UserError, match="option 'pack' must be 1, received 2|option 'pack' must be one of 1"):
        build(pack=2)
