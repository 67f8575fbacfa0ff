"""R3GAN's objective, steps and training against the authors' program, through one discriminator and through K."""

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf import config, data, factory, gan
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic
from rpgan_tf.gans import penalties
from rpgan_tf.nets import rpgan
from rpgan_tf.projections import Projections
from tests import r3gan as theirs
from tests.conftest import on_points
from tests.r3gan import CONFIG, NUMBERS, assert_close

B, K = CONFIG["B"], CONFIG["K"]
CONSTANT = {"schedule_kimg": None, "final_learning_rate": None, "final_beta_2": None, "final_penalty": None}
CONSTANT |= {"final_ema_kimg": None}


def build(discriminator, generator=None, **values):
    """Build R3GAN on these nets."""
    sizes = {"imsz": CONFIG["size"], "bsz": B, "zlen": CONFIG["zlen"]}
    if "net" not in values:
        sizes |= {"net": "r3gan", "channel_base": 128, "channel_max": 16, "group_width": 8}
    options = config.resolve(sizes | {"gan": "R3GAN"} | values)
    generator = generator or factory.build_generator(options)
    average = theirs.nets()[0] if options.schedule_kimg else None
    model = factory.find(options)(generator, discriminator, options, average)
    model.compile()
    return model


def spied(model):
    """Return the list to which `model` adds the gradients of its steps, in place of updates."""
    found = []

    def update(optimizer, variables, objective, tape):
        found.append(tape.gradient(objective, [variable.value for variable in variables]))

    model.update = update
    return found


def test_losses():
    """Each row of r and f by itself, as a bank's; gradients are of each row's loss."""
    model = on_points("R3GAN")
    r, f = (tf.constant(NUMBERS[f"loss/{name}"]) for name in "rf")
    for letter, loss in (("d", model.d_loss), ("g", model.g_loss)):
        with tf.GradientTape() as tape:
            tape.watch([r, f])
            losses = loss(r, f)
        np.testing.assert_allclose(losses, NUMBERS[f"loss/{letter}"], rtol=1e-6)
        np.testing.assert_allclose(losses, NUMBERS[f"loss/{letter}_per_sample"].mean(axis=1), rtol=1e-6)
        for name, gradient in zip("rf", tape.gradient(losses, [r, f])):
            np.testing.assert_allclose(gradient, NUMBERS[f"loss/{letter}_grad_{name}"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["r3gan", "plain", "plain_bn"])
def test_steps(kind):
    prefix = f"step/{kind}"
    if kind == "r3gan":
        net, expected = theirs.nets()[1], theirs.converted(theirs.of(f"{prefix}/d_grad/"), "D")
    else:
        net, expected = theirs.plain(prefix, kind == "plain_bn")
    real, fake = NUMBERS["step/real_nhwc"], tf.Variable(NUMBERS["step/fake_nhwc"])
    model = build(net, **CONSTANT, penalty=CONFIG["gamma"], ema_kimg=None)
    model.generator = lambda z, *labels, training: tf.convert_to_tensor(fake)
    found = spied(model)
    logs = model.d_step(real, np.zeros((B, 6), np.float32))
    r, f = logs["real_logits"], logs["fake_logits"]
    assert_close(r - f, NUMBERS[f"{prefix}/d_rel"])
    assert_close(tf.nn.softplus(f - r), NUMBERS[f"{prefix}/d_adv"])
    np.testing.assert_allclose(logs["d_loss"], NUMBERS[f"{prefix}/d_loss"], rtol=1e-5)
    expected.pop("out/bias", None)  # that of r - f is 0
    received = dict(zip(theirs.names(net), found[0]))
    received.pop("out/bias", None)
    assert sorted(received) == sorted(expected)
    for name, array in expected.items():
        assert_close(received[name], array, 1e-4, name)
    if kind == "plain_bn":
        assert_close(net.bn1.moving_mean, NUMBERS[f"{prefix}/running_mean_after"])
        assert_close(net.bn1.moving_variance, NUMBERS[f"{prefix}/running_var_after"])
    with tf.GradientTape(persistent=True) as tape:
        judged = [net.look(tf.convert_to_tensor(x), watch=True) for x in (real, fake)]
        norms = [penalties.squared_norm(net, each, "image") for each in judged]
        objective = CONFIG["gamma"] / 2 * tf.reduce_mean(norms[0])
    for name, norm in zip(("r1", "r2"), norms):
        assert_close(norm, NUMBERS[f"{prefix}/{name}"])
    first = net.trainable_variables[0].value
    theirs_first = theirs.in_our_layout("", NUMBERS[f"{prefix}/r1_grad_first"])
    assert_close(tape.gradient(objective, first), theirs_first, 1e-4)
    with tf.GradientTape() as tape:
        loss = model.g_loss(model.judge(real), model.judge(fake))
    np.testing.assert_allclose(loss, NUMBERS[f"{prefix}/g_loss"], rtol=1e-5)
    assert_close(tape.gradient(loss, fake), NUMBERS[f"{prefix}/g_grad_fake_nhwc"], 1e-4)


@pytest.mark.parametrize("at, name", [("image", "image"), ("seen", "projected")])
@pytest.mark.parametrize("chunk", [None, 1])
def test_bank(at, name, chunk, tmp_path):
    """RP-GAN's discriminators are the plain ones: each is penalized by the gradient of its own logits."""
    kernels = NUMBERS["bank/proj"].transpose(0, 3, 4, 2, 1)
    bank = rpgan.Discriminator(4, 16, Projections(kernels, 2), chunk=chunk, name="discriminator")
    arrays, gradients = {}, {}
    for k in range(K):
        for layer, module in enumerate(("conv0", "conv1", "out")):
            for ours, kind in (("w", "weight"), ("b", "bias")):
                key = f"c{k}_{layer}_{ours}"
                arrays[key] = theirs.in_our_layout("", NUMBERS[f"bank/D{k}/{module}.{kind}"])
                gradients[key] = theirs.in_our_layout("", NUMBERS[f"bank/grad_{name}{k}/{module}.{kind}"])
    bank.set_arrays(arrays)
    atomic.save_arrays(tmp_path / "filts.npz", filters(kernels, 2))
    values = CONSTANT | {"penalty": CONFIG["gamma"], "penalty_at": at, "ema_kimg": None}
    model = build(bank, net="rpgan", filts=str(tmp_path / "filts.npz"), f1=16, **values)
    fake = tf.constant(NUMBERS["step/fake_nhwc"])
    model.generator = lambda z, *labels, training: fake
    found = spied(model)
    logs = model.d_step(NUMBERS["step/real_nhwc"], np.zeros((B, 6), np.float32))
    np.testing.assert_allclose(logs["d_loss"], NUMBERS[f"bank/d_loss_{name}"], rtol=1e-5)
    adversarial = tf.nn.softplus(logs["fake_logits"] - logs["real_logits"])
    assert_close(adversarial, NUMBERS["bank/d_adv"])
    for variable, gradient in zip(bank.trainable_variables, found[0]):
        variable.assign(gradient)
    for key, gradient in bank.get_arrays().items():
        if not (key.endswith("_2_b")):  # the bias of r - f has a gradient of 0
            assert_close(gradient, gradients[key], 1e-4, key)
    bank.set_arrays(arrays)
    for images, letter in ((NUMBERS["step/real_nhwc"], "r1"), (fake, "r2")):
        norm = penalties.squared_norm(bank, bank.look(tf.convert_to_tensor(images), watch=True), at)
        assert_close(norm, NUMBERS[f"bank/{letter}_{name}"])


def test_training():
    """Weights after one and three iterations, of G, D and the average, with all schedules."""
    generator, discriminator = theirs.nets()
    (base, final), total = CONFIG["lr"], CONFIG["total_nimg"] / 1000
    model = build(
        discriminator,
        generator,
        penalty=CONFIG["gamma"],
        final_penalty=CONFIG["gamma"] / 10,
        learning_rate=base,
        final_learning_rate=final,
        schedule_kimg=total,
        final_ema_kimg=CONFIG["ema_nimg"] / 1000,
    )
    for it in range(CONFIG["steps"]):
        np.testing.assert_allclose(model.g_optimizer.learning_rate, NUMBERS["train/lr"][it], rtol=1e-6)
        np.testing.assert_allclose(model.current("penalty"), NUMBERS["train/gamma"][it], rtol=1e-6)
        np.testing.assert_allclose(model.current("beta_2"), NUMBERS["train/beta2"][it], rtol=1e-6)
        logs = model.d_step(NUMBERS[f"train/{it}/real_d_nhwc"], NUMBERS[f"train/{it}/z_d"])
        penalty = NUMBERS["train/gamma"][it] / 2 * (NUMBERS["train/r1"][it] + NUMBERS["train/r2"][it])
        np.testing.assert_allclose(logs["d_penalty"], penalty, rtol=1e-5)
        np.testing.assert_allclose(logs["d_loss"], penalty + NUMBERS["train/d_adv"][it], rtol=1e-5)
        logs = model.g_step(NUMBERS[f"train/{it}/real_g_nhwc"], NUMBERS[f"train/{it}/z_g"])
        np.testing.assert_allclose(logs["g_loss"], NUMBERS["train/g_adv"][it], rtol=1e-5)
        model.iteration.assign_add(1)
        np.testing.assert_allclose(model.momentum(), NUMBERS["train/ema_beta"][it], rtol=1e-6)
        model.update_average()
        for letter, net in (("G", generator), ("D", discriminator), ("E", model.average)):
            if expected := theirs.of(f"train/{letter}{it + 1}/"):
                received = net.get_arrays()
                for name, array in theirs.converted(expected, "D" if letter == "D" else "G").items():
                    np.testing.assert_allclose(received[name], array, rtol=0, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("pack", [1, 2])
@pytest.mark.parametrize("kind", ["images", "points", "one"])
def test_pull_back_is_the_transpose_of_each_projection(kind, pack, tmp_path):
    """<P_k x, y_k> = <x, P_k^T y_k>."""
    random = np.random.default_rng(0)
    if kind == "points":
        kernels = random.normal(size=(3, 1, 1, 2, 4)).astype(np.float32)
        atomic.save_arrays(tmp_path / "f.npz", filters(kernels, 1))
        net, x = on_points("R3GAN", str(tmp_path / "f.npz"), pack=pack).discriminator, random.normal(size=(5, 2 * pack))
    else:
        kernels = random.normal(size=(3, 6, 6, 3, 2)).astype(np.float32)
        projections = Projections(kernels, 2) if kind == "images" else None
        net, x = rpgan.Discriminator(4, 16, projections, pack=pack), random.normal(size=(5, 16, 16, 3 * pack))
    x = tf.constant(x, tf.float32)
    seen = net.project(x)
    y = tf.constant(random.normal(size=seen.shape), tf.float32)
    pulled = net.pull_back(y)
    assert pulled.shape == (seen.shape[0], *x.shape)
    for k in range(len(pulled)):
        np.testing.assert_allclose(tf.reduce_sum(pulled[k] * x), tf.reduce_sum(y[k] * seen[k]), rtol=1e-4)


@pytest.mark.parametrize("kind", ["images", "points", "one"])
def test_penalties_go_through_the_view(kind, tmp_path):
    """By the images before it: of f(A x), A x = c x, the gradient is c times that of f at c x; so are its weights'."""
    random, c = np.random.default_rng(0), tf.constant([[0.5], [2.0], [1.0], [-1.5]])
    if kind == "points":
        atomic.save_arrays(tmp_path / "f.npz", filters(random.normal(size=(3, 1, 1, 2, 4)).astype(np.float32), 1))
        net, x = on_points("R3GAN", str(tmp_path / "f.npz")).discriminator, random.normal(size=(4, 2))
    else:
        kernels = random.normal(size=(3, 6, 6, 3, 2)).astype(np.float32)
        net, c = rpgan.Discriminator(4, 16, Projections(kernels, 2) if kind == "images" else None), c[..., None, None]
        x = random.normal(size=(4, 16, 16, 3))
    x, found = tf.constant(x, tf.float32), []
    for judge in (
        lambda: penalties.squared_norm(net, net.look(x, watch=True, view=lambda x: c * x), "image"),
        lambda: tf.reshape(c, [-1]) ** 2 * penalties.squared_norm(net, net.look(c * x, watch=True), "image"),
    ):
        with tf.GradientTape() as tape:
            norms = judge()
        found.append([norms, *tape.gradient(norms, [each.value for each in net.trainable_variables[:1]])])
    for one, other in zip(*found):
        assert_close(one, other, 1e-4)


def filters(kernels, stride):
    """Return the arrays of a file of filters."""
    found = {f"p{k}": kernel for k, kernel in enumerate(kernels)} | {"nfilt": np.int64(len(kernels))}
    return found | {f"s{k}": np.int64(stride) for k in range(len(kernels))}


def test_an_iteration_takes_two_batches_and_judges_each_image_once():
    model, calls = on_points("R3GAN"), []
    judge = model.discriminator.judge
    model.discriminator.judge = lambda seen, *given, **named: calls.append(len(seen)) or judge(seen, *given, **named)
    images = next(iter(data.dataset(model.options)))
    assert images.shape == (12, 2)
    model.train_step(images)
    assert calls == [6, 6, 6, 6]  # real and fake of D's step, then of G's
    assert (int(model.d_optimizer.iterations), int(model.g_optimizer.iterations)) == (1, 1)


def test_labels_are_shared_by_a_pair():
    """In D's step those of its real images, in G's step those of G's."""
    sizes = {"net": "r3gan", "imsz": 8, "channel_base": 64, "channel_max": 8, "blocks": 1, "num_classes": 10}
    options = config.resolve(sizes | {"gan": "R3GAN", "lfile": "digits", "channels": 1, "bsz": 4, "zlen": 4})
    model, seen = factory.build(options), []

    def spy(function):
        return lambda x, labels, training: seen.append(labels.numpy()) or function(x, labels, training=training)

    model.discriminator.judge, model.generator = spy(model.discriminator.judge), Spy(model.generator, spy)
    images, labels = next(iter(factory.dataset(options)))
    model.train_step((images, labels))
    assert len(seen) == 6 and not np.array_equal(labels[:4], labels[4:])
    for received, expected in zip(seen, [labels[:4]] * 3 + [labels[4:]] * 3):
        np.testing.assert_array_equal(received, expected)


class Spy:
    """A generator whose calls are spied."""

    def __init__(self, generator, spy):
        self.call, self.generator = spy(generator), generator

    def __call__(self, *arguments, **named):
        return self.call(*arguments, **named)

    def __getattr__(self, name):
        return getattr(self.generator, name)


def test_mistakes():
    toy = {"gan": "R3GAN", "net": "toy", "lfile": "mixture:ring8"}
    for values, message in (
        ({"penalty_at": "seen"}, "penalty_at = 'seen' is of projections, received filts = None"),
        ({"g_real": "stale"}, "has no option 'g_real'"),
        ({"decay": 0.1}, "decay and final_learning_rate both change the learning rates"),
    ):
        with pytest.raises(UserError, match=message):
            config.resolve(toy | values)
    assert issubclass(factory.find(config.resolve(toy)), gan.GAN)
