"""RP-GAN against the original's numbers, and the properties of a bank of discriminators."""

import types

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, projections
from rpgan_tf.gans.rpgan import RPGAN
from tests.conftest import TINY


def arrays_of(reference, prefix):
    return {name[len(prefix) :]: array for name, array in reference.items() if name.startswith(prefix)}


@pytest.fixture
def gan(tiny, reference):
    gan = rpgan_tf.build(tiny)
    gan.generator.set_arrays(arrays_of(reference, "G0/"))
    gan.discriminator.set_arrays(arrays_of(reference, "D0/"))
    return gan


def latents(reference, name):
    return reference[name][:, 0, 0]


def test_generator_and_image_gradient_agree_with_the_original(gan, reference):
    fake = gan.generator(latents(reference, "it0/z_g"))
    np.testing.assert_allclose(fake, reference["it0/fake_g"], rtol=0, atol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        objective = tf.reduce_mean(gan.g_loss(None, gan.discriminator(fake)))
    expected = reference["it0/dloss_dfake"]
    np.testing.assert_allclose(tape.gradient(objective, fake), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_projections_agree_with_numpy(gan, reference):
    """Projections by the definition: zeros around the image, then a sum of products at each place."""
    image = reference["it0/real"]
    seen = gan.discriminator.project(image).numpy()  # [K, numf, h, w, B]
    padded = np.pad(image, [(0, 0), (3, 3), (3, 3), (0, 0)])
    for k in range(3):
        kernel = reference[f"filts/p{k}"][..., 0]
        for row, column in ((0, 0), (3, 5), (7, 7)):
            patch = padded[:, 2 * row : 2 * row + 8, 2 * column : 2 * column + 8]
            np.testing.assert_allclose(seen[k, 0, row, column], np.sum(patch * kernel, axis=(1, 2, 3)), atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_five_iterations_agree_with_the_original(gan, reference, compiled):
    g_step, d_step = gan.g_step, gan.d_step
    if compiled:
        g_step, d_step = tf.function(g_step, autograph=False), tf.function(d_step, autograph=False)
    for i in range(5):
        g_loss = g_step(None, tf.constant(latents(reference, f"it{i}/z_g")))["g_loss"]
        d_loss = d_step(tf.constant(reference[f"it{i}/real"]), tf.constant(latents(reference, f"it{i}/z_d")))["d_loss"]
        np.testing.assert_allclose(g_loss, reference[f"it{i}/g_loss_per_d"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(d_loss, reference[f"it{i}/d_loss_per_d"], rtol=0, atol=1e-5)
        np.testing.assert_allclose([np.mean(g_loss), np.mean(d_loss)], reference["loss"][i], rtol=0, atol=1e-5)
        if i in (0, 4):
            for net, letter in ((gan.generator, "G"), (gan.discriminator, "D")):
                expected = arrays_of(reference, f"{letter}{i + 1}/")
                arrays = net.get_arrays()
                assert arrays.keys() == expected.keys()
                for name, array in arrays.items():
                    np.testing.assert_allclose(array, expected[name], rtol=0, atol=2e-5, err_msg=name)


def test_bank_equals_separate_discriminators(gan, tiny, reference):
    """Logits, losses and updates of K = 3 are those of three banks of one."""
    images, real = latents(reference, "it0/z_d"), reference["it0/real"]
    arrays, bank = gan.discriminator.get_arrays(), gan.discriminator.projections
    expected_logits = gan.discriminator(real).numpy()
    expected_loss = gan.d_step(real, images)["d_loss"].numpy()
    updated = gan.discriminator.get_arrays()
    net = type(gan.discriminator)
    for k in range(3):
        single = net(tiny.df, tiny.imsz, projections.Projections(bank.kernels[k : k + 1], bank.stride))
        one = type(gan)(gan.generator, single, tiny)
        one.compile()
        own = {name.replace(f"c{k}_", "c0_"): array for name, array in arrays.items() if name.startswith(f"c{k}_")}
        single.set_arrays(own)
        np.testing.assert_allclose(single(real)[0], expected_logits[k], atol=1e-6)
        np.testing.assert_allclose(one.d_step(real, images)["d_loss"][0], expected_loss[k], atol=1e-6)
        for name, array in single.get_arrays().items():
            np.testing.assert_allclose(array, updated[name.replace("c0_", f"c{k}_")], atol=1e-6, err_msg=name)


def test_identical_discriminators_give_the_gradient_of_one(tiny, reference):
    """Each of K equal discriminators gets the gradient of one; the generator gets that of one, too."""
    kernel = reference["filts/p0"][None]
    gradients = []
    for count in (1, 3):
        bank = projections.Projections(np.repeat(kernel, count, axis=0), 2)
        gan = rpgan_tf.build(tiny)
        discriminator = type(gan.discriminator)(tiny.df, tiny.imsz, bank)
        names = arrays_of(reference, "D0/")
        discriminator.set_arrays(
            {name.replace("c0_", f"c{k}_"): names[name] for k in range(count) for name in names if name[:3] == "c0_"}
        )
        gan.generator.set_arrays(arrays_of(reference, "G0/"))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(gan.g_loss(None, discriminator(gan.generator(latents(reference, "it0/z_g")))))
        for_generator = tape.gradient(loss, gan.generator.trainable_variables)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(
                gan.d_loss(discriminator(reference["it0/real"]), discriminator(reference["it0/fake_g"]))
            )
        gradients.append((for_generator, tape.gradient(loss, discriminator.trainable_variables)))
    for one, three in zip(*[for_generator for for_generator, _ in gradients]):
        np.testing.assert_allclose(one, three, atol=1e-6)
    for one, three in zip(*[for_discriminator for _, for_discriminator in gradients]):
        np.testing.assert_allclose(np.repeat(one, 3, axis=0), three, atol=1e-6)


def test_one_identity_projection_equals_the_baseline(reference):
    """K = 1, stride 1 and a kernel that copies the three channels: RP-GAN is the single discriminator."""
    baseline = rpgan_tf.build(config.resolve(TINY | {"gan": "Baseline"}))
    identity = projections.Projections(np.eye(3, dtype=np.float32).reshape(1, 1, 1, 3, 3), 1)
    net = type(baseline.discriminator)(TINY["df"], TINY["imsz"], identity)
    arrays = baseline.discriminator.get_arrays()
    net.set_arrays({name.replace("c", "c0_"): array for name, array in arrays.items()})
    generator = type(baseline.generator)(**{key: TINY[key] for key in ("ksz", "zlen", "f1", "imsz")})
    generator.set_arrays(baseline.generator.get_arrays())
    rpgan = RPGAN(generator, net, baseline.options)
    rpgan.compile()
    for i in range(3):
        z, real = latents(reference, f"it{i}/z_g"), reference[f"it{i}/real"]
        for name, step in (("g_loss", "g_step"), ("d_loss", "d_step")):
            expected, received = getattr(baseline, step)(real, z)[name], getattr(rpgan, step)(real, z)[name]
            assert expected.shape == () and received.shape == (1,)
            np.testing.assert_allclose(received[0], expected, atol=1e-6)
    for name, array in baseline.discriminator.get_arrays().items():
        np.testing.assert_allclose(net.get_arrays()[name.replace("c", "c0_")], array, atol=1e-6)


def test_losses_by_hand(gan):
    logits = np.array([[0.0, 0.0], [np.log(3), -np.log(3)]], np.float32)  # sigmoid: 1/2, 1/2; 3/4, 1/4
    np.testing.assert_allclose(gan.g_loss(None, logits), [np.log(2), (np.log(4 / 3) + np.log(4)) / 2], rtol=1e-6)
    np.testing.assert_allclose(gan.d_loss(logits, logits), [np.log(2), (np.log(4 / 3) + np.log(4)) / 2], rtol=1e-6)
    confident = np.array([50.0, 50.0], np.float32)
    np.testing.assert_allclose(gan.d_loss(confident, -confident), 0, atol=1e-6)
    np.testing.assert_allclose(gan.g_loss(None, -confident), 50, rtol=1e-6)


def test_each_step_moves_its_own_net_alone(gan, reference):
    z, real = latents(reference, "it0/z_g"), reference["it0/real"]
    before = gan.generator.get_arrays(), gan.discriminator.get_arrays()
    gan.g_step(None, z)
    assert all(np.array_equal(array, before[1][name]) for name, array in gan.discriminator.get_arrays().items())
    moved = gan.generator.get_arrays()
    assert all(not np.array_equal(array, before[0][name]) for name, array in moved.items())
    gan.d_step(real, z)
    assert all(np.array_equal(array, moved[name]) for name, array in gan.generator.get_arrays().items())
    assert all(not np.array_equal(array, before[1][name]) for name, array in gan.discriminator.get_arrays().items())
    assert int(gan.g_optimizer.iterations) == int(gan.d_optimizer.iterations) == 1


def fit(gan, dataset, **arguments):
    gan.fit(dataset, verbose=0, shuffle=False, **arguments)
    return int(gan.g_optimizer.iterations), int(gan.d_optimizer.iterations), int(gan.iteration)


def test_one_update_of_each_an_iteration(gan, reference):
    """Also across the ends of epochs, and where a finite data set ends without having said when."""
    images = tf.data.Dataset.from_tensors(reference["it0/real"])
    assert fit(gan, images.repeat(), steps_per_epoch=3, epochs=2) == (6, 6, 6)
    unknown_length = images.repeat(4).filter(lambda image: True)
    before = gan.generator.get_arrays()
    with pytest.warns(UserWarning, match="ran out of data"):
        assert fit(gan, unknown_length.take(0), epochs=1) == (6, 6, 6)
        assert all(np.array_equal(array, before[name]) for name, array in gan.generator.get_arrays().items())
        assert fit(gan, unknown_length, epochs=2) == (14, 14, 14)


def test_two_gans_in_one_process_do_not_disturb_each_other(tiny, reference):
    images = tf.data.Dataset.from_tensors(reference["it0/real"]).repeat()

    def train(others):
        gan = rpgan_tf.build(tiny)
        for _ in range(2):
            gan.fit(images, steps_per_epoch=2, verbose=0, shuffle=False)
            for other in others:
                other.fit(images, steps_per_epoch=1, verbose=0, shuffle=False)
        return gan.generator.get_arrays() | gan.discriminator.get_arrays()

    alone = train([])
    other = rpgan_tf.build(types.SimpleNamespace(**vars(tiny) | {"seed": 5, "learning_rate": 1e-3}))
    together = train([other])
    assert all(np.array_equal(array, together[name]) for name, array in alone.items())


def test_noise_is_a_function_of_seed_iteration_and_role(gan, tiny):
    first = gan.latents(4, 0)
    assert np.array_equal(first, gan.latents(4, 0))
    assert np.min(first) >= -1 and np.max(first) < 1
    different = [gan.latents(4, 1)]
    gan.iteration.assign(1)
    different.append(gan.latents(4, 0))
    different.append(rpgan_tf.build(types.SimpleNamespace(**vars(tiny) | {"seed": 1})).latents(4, 0))
    assert not any(np.array_equal(first, other) for other in different)
    many = np.asarray(gan.latents(20000, 0))
    np.testing.assert_allclose([many.mean(), many.var()], [0, 1 / 3], atol=5e-3)


def test_options_are_the_attributes_of_what_is_built(tiny):
    gan = rpgan_tf.build(types.SimpleNamespace(**vars(tiny) | {"learning_rate": 1e-3}))
    assert (gan.learning_rate, gan.filts, gan.generator.f1, gan.discriminator.df) == (1e-3, tiny.filts, 16, 8)


def test_keras_own_arguments_of_compile(gan, reference):
    """Two steps an execution, eager ones or those of XLA do what single graphs do, with the same latents."""
    latents = tf.random.stateless_normal([4, 8], [1, 2])
    gan.draw_latents = lambda batch_size, seed: latents * tf.cast(seed[0] % 7 + 1, tf.float32)
    images = tf.data.Dataset.from_tensors(reference["it0/real"]).repeat()
    start = gan.generator.get_arrays(), gan.discriminator.get_arrays()
    results = []
    for arguments in ({}, {"steps_per_execution": 2}, {"run_eagerly": True}, {"jit_compile": True}):
        gan.generator.set_arrays(start[0])
        gan.discriminator.set_arrays(start[1])
        gan.iteration.assign(0)
        gan.compile(**arguments)
        gan.fit(images, steps_per_epoch=4, verbose=0, shuffle=False)
        results.append(gan.generator.get_arrays())
    for result in results[1:]:
        for name, array in results[0].items():
            np.testing.assert_allclose(result[name], array, atol=1e-6)


def test_optimizers_are_those_of_the_paper(gan):
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        settings = optimizer.get_config()
        values = [settings[name] for name in ("beta_1", "beta_2", "epsilon")]
        assert [*values, float(optimizer.learning_rate)] == pytest.approx([0.5, 0.999, 1e-8, 2e-4])
