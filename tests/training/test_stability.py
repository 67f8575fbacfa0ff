"""Statistics of the discriminators, and what a run reports of them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import checkpoint, config, data, factory, projections
from rpgan_tf.files import atomic, run_logs
from rpgan_tf.gans.stylegan2 import StyleGAN2
from rpgan_tf.training import callbacks, diagnosis, monitor
from tests.conftest import TINY, on_points
from tests.training.runs import looks_of

OF_STYLES = [name for name in config.gans() if issubclass(factory.find(SimpleNamespace(gan=name)), StyleGAN2)]
OTHERS = sorted(set(config.gans()) - set(OF_STYLES))  # which also train on points
CASES = [(name, True) for name in OTHERS if name != "Baseline"] + [(name, False) for name in OTHERS if name != "RPGAN"]
KEYS = ["accuracy", "chance_loss", "fake_loss", "g_loss", "gradient_norm", "real_loss"]


@pytest.fixture(scope="module")
def filters(tmp_path_factory):
    """Three random directions of the plane."""
    path = tmp_path_factory.mktemp("filts") / "K3.npz"
    atomic.save_arrays(path, projections.draw([(1, 1, 1, 3)], seed=1, channels=2))
    return str(path)


def build(name, filters=None, **values):
    values |= {"num_outcomes": 3} if name == "RealnessGAN" else {}
    return on_points(name, filters, **values)


def batch(gan, seed=0):
    real = np.random.default_rng(seed).normal(size=(gan.options.bsz * gan.pack, 2)).astype(np.float32)
    return tf.constant(real), gan.draw_latents(len(real), [0, 9])


@pytest.mark.parametrize("kind", ["bank", "single"])
def test_numbers_of_a_look_by_hand(kind, tiny, reference):
    """RP-GAN's, with a tape of its own for each discriminator's loss, all the way back to the image."""
    if kind == "bank":
        gan = rpgan_tf.build(tiny)
    else:
        gan = rpgan_tf.build(config.resolve(TINY | {"gan": "Baseline"}))
    real, z = tf.constant(reference["it0/real"]), tf.constant(reference["it0/z_g"][:, 0, 0])
    found = {key: value.numpy() for key, value in monitor.diagnose(gan, real, z).items()}
    fake, norms = gan.generator(z), []
    for k in range(3 if kind == "bank" else 1):
        with tf.GradientTape() as tape:
            tape.watch(fake)
            logits = tf.reshape(gan.discriminator(fake), [-1, len(fake)])[k]
            own_losses = tf.reduce_sum(tf.nn.softplus(-logits))  # each image's own, since no image sees another
        gradient = tape.gradient(own_losses, fake).numpy().reshape(len(fake), -1)
        norms.append(np.mean(np.sqrt(np.sum(np.float64(gradient) ** 2, axis=1))))
    shape = (3,) if kind == "bank" else ()
    np.testing.assert_allclose(found["gradient_norm"], np.reshape(norms, shape), rtol=1e-4)
    r, f = (np.float64(gan.discriminator(images)) for images in (real, fake))
    expected = {
        "real_loss": np.log1p(np.exp(-r)).mean(-1) / 2,
        "fake_loss": np.log1p(np.exp(f)).mean(-1) / 2,
        "g_loss": np.log1p(np.exp(-f)).mean(-1),
        "accuracy": ((r > 0).mean(-1) + (f <= 0).mean(-1)) / 2,
        "chance_loss": np.full(shape, np.log(2)),
    }
    for key, value in expected.items():
        assert found[key].shape == shape
        np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name, projected", CASES, ids=[f"{name}-{'bank' if bank else 'single'}" for name, bank in CASES]
)
def test_looks_change_nothing_and_terms_are_the_loss(name, projected, filters):
    gan = build(name, filters if projected else None)
    gan.iteration.assign(3)
    everything = [*gan.variables, *gan.g_optimizer.variables, *gan.d_optimizer.variables]
    before = [np.copy(variable) for variable in everything]
    real, z = batch(gan)
    found = monitor.diagnose(gan, real, z)
    assert sorted(found) == KEYS
    assert all(value.shape == ((3,) if projected else ()) for value in found.values())
    assert all(np.array_equal(value, variable) for value, variable in zip(before, everything))
    logits = gan.judge(real, training=False), gan.judge(gan.generator(z, training=False), training=False)
    np.testing.assert_array_equal(found["real_loss"] + found["fake_loss"], gan.d_loss(*logits, *gan.draw()))
    assert np.all(found["gradient_norm"] > 0) and np.all(found["accuracy"] <= 1)


@pytest.mark.parametrize("name", ["RSGAN", "RaLSGAN", "DCGAN"])
def test_gradient_norm_of_a_bank_in_packs(name, filters):
    """The gradient of B times each loss at the packed images, by a tape for each discriminator."""
    gan = build(name, filters, pack=2)
    real, z = batch(gan)
    fake, norms = gan.packed(gan.generator(z, training=False)), []
    for k in range(3):
        with tf.GradientTape() as tape:
            tape.watch(fake)
            loss = gan.g_loss(gan.judge(real, training=False), gan.discriminator(fake, training=False))[k]
        norms.append(np.mean(np.linalg.norm(6 * tape.gradient(loss, fake).numpy(), axis=1)))
    np.testing.assert_allclose(monitor.diagnose(gan, real, z)["gradient_norm"], norms, rtol=1e-4)


@pytest.mark.parametrize(
    "name, expected",
    [("DCGAN", 5 / 8), ("Baseline", 5 / 8), ("SAGAN", 5 / 8), ("WGAN", 3 / 4), ("WGANGP", 3 / 4), ("RSGAN", 3 / 4)]
    + [("RaSGAN", 7 / 8), ("RaLSGAN", 7 / 8), ("RaHingeGAN", 7 / 8)],
)
def test_accuracy_by_hand(name, expected):
    """Zero divides; or pairs are ranked; or the mean of the others does, -0.25 for real and 2 for fake ones."""
    real, fake = np.float32([4, 3, 2, -1]), np.float32([-3, 1, 1, 0])
    real_of_bank = np.stack([real, fake])  # the second discriminator has it the other way round
    received = build(name).accuracy(real_of_bank, np.stack([fake, real])).numpy()
    assert received.shape == (2,) and received[0] == expected


def test_accuracy_of_realness_is_the_sign_of_the_expected_outcome():
    gan = build("RealnessGAN")  # outcomes -1, 0, 1
    real = np.float32([[0, 0, 1], [0, 5, 1], [3, 0, 1]])  # expectations above, above and below 0
    fake = np.float32([[0, 0, 1], [9, 0, 0], [3, 0, 1]])
    assert gan.accuracy(real, fake).numpy() == pytest.approx(2 / 3)


def test_a_discriminator_with_no_loss_left_has_won():
    looks = looks_of([0.5] * 6 + [0.01] * 6 + [0.3] * 6, [0.9] * 6 + [1.0] * 6 + [0.97] * 6)
    states = diagnosis.won(looks)[:, 0]
    # Means over five looks: all of them are of accuracy 1 from the eleventh on. It ends where the mean loss is above
    # 0.1: (3 * 0.01 + 2 * 0.3) / 5.
    assert list(np.flatnonzero(states)) == [10, 11, 12]
    text = diagnosis.verdict(looks[:11])["won"]
    assert text == "the discriminator has won (accuracy 1.000, gradient norm at the image 1 over 5 looks)"
    assert diagnosis.verdict(looks) == diagnosis.verdict(looks[:4]) == {"won": "", "unsteady": ""}


def test_a_discriminator_whose_gradient_vanished_has_won():
    norms, accuracy = [2.0] * 6 + [0.1] * 5 + [0.3] * 6 + [0.5] * 5, [1.0] * 22
    states = diagnosis.won(looks_of(0.5, accuracy, norms))[:, 0]
    # At most 0.2 begins it, and more than 0.4 ends it.
    assert list(np.flatnonzero(states)) == [10, 11, 12, 13, 14, 15, 16, 17, 18]
    assert not diagnosis.won(looks_of(0.5, [0.98] * 22, norms)).any()
    assert not diagnosis.won(looks_of(0.5, accuracy, [2.0] * 22)).any()  # a critic ranks all, and its gradient stays


def test_a_loss_without_a_lowest_value_says_nothing():
    looks = [look | {"chance_loss": [0.0]} for look in looks_of([-5.0] * 8, 1.0)]
    assert not diagnosis.won(looks).any()


def test_how_many_have_won_and_what_is_not_finite():
    losses = [[0.01, 0.01, 0.5]] * 4 + [[0.01, 0.01, np.nan]]
    text = diagnosis.verdict(looks_of(losses, 1.0, num=3))["won"]
    assert text.startswith("2 of 3 discriminators have won (accuracy 1.000")
    assert not diagnosis.verdict(looks_of([[0.01, 0.5, 0.5]] * 5, 1.0, num=3))["won"]  # a minority


def test_swinging_losses():
    calm, wild = [1.0, 1.2] * 10, [0.0, 4.0] * 5
    looks = looks_of(g_loss=calm + wild + calm)
    assert not diagnosis.unsteady(looks[:20]).any()
    assert diagnosis.unsteady(looks)[29] and not diagnosis.unsteady(looks)[-1]
    assert diagnosis.verdict(looks[:30])["unsteady"] == "the generator's loss swings between 0 and 4"


def test_advice_names_what_the_run_has():
    options = build("WGANGP").options
    text = "; ".join(diagnosis.advice("won", options, 1))
    assert "several discriminators on random projections" in text and "fewer d_steps (they are 5)" in text
    assert "(it is 0.0001)" in text and "gan = 'RaLSGAN'" in text and "'WGANGP'" not in text
    assert "more random projections" in diagnosis.advice("won", options, 12)[0]
    assert any("ema" in each for each in diagnosis.advice("unsteady", options, 1))


def run_in(folder, iterations, every=2):
    """Train to an iteration in a folder, from what is saved there; return the GAN."""
    gan = on_points("RaSGAN", wts_dir=str(folder), monitor_every=every, SAVEFREQ=3, MAXITER=iterations)
    gan.compile(run_eagerly=True)
    checkpoint.restore(gan, folder)
    start = int(gan.iteration.numpy())
    run = callbacks.for_run(gan, gan.options)
    steps = iterations - start
    gan.fit(data.dataset(gan.options, start), steps_per_epoch=steps, callbacks=run, verbose=0, shuffle=False)
    return gan


def without_time(looks):
    return [{key: value for key, value in look.items() if "seconds" not in key} for look in looks]


def test_monitor_writes_resumes_and_changes_nothing(tmp_path, capsys):
    whole = run_in(tmp_path / "whole", 6)
    looks = run_logs.read_looks(tmp_path / "whole")
    assert [look["iteration"] for look in looks] == [2, 4, 6]
    assert list(looks[0])[:3] == ["iteration", "seconds", "cpu_seconds"] and sorted(list(looks[0])[3:]) == KEYS
    seconds = run_logs.column(looks, "seconds")
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    assert (tmp_path / "whole" / "tensorboard" / "monitor").is_dir()

    run_in(tmp_path / "part", 3)
    path = tmp_path / "part" / run_logs.FILE
    path.write_text(path.read_text() + json.dumps(looks[1] | {"iteration": 4}) + '\n{"iteration": 6, "sec')  # killed
    resumed = run_in(tmp_path / "part", 6)
    assert without_time(run_logs.read_looks(tmp_path / "part")) == without_time(looks)
    times = run_logs.column(run_logs.read_looks(tmp_path / "part"), "seconds")
    assert np.all(np.diff(times) > 0)
    never = run_in(tmp_path / "never", 6, every=0)
    assert not (tmp_path / "never" / run_logs.FILE).exists()
    for other in (resumed, never):
        assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), other.get_weights()))


def test_monitor_says_once_what_begins_and_ends(tmp_path, monkeypatch, capsys):
    clauses = ["", "the discriminator has won (a)", "the discriminator has won (b)", ""]
    monkeypatch.setattr(monitor, "verdict", lambda looks: {"won": clauses[min(len(looks), 3)], "unsteady": ""})
    run_in(tmp_path, 4, every=1)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("iteration ") and "won" in line]
    assert len(said) == 2 and said[0].startswith("iteration 1: the discriminator has won (a); try several")
    assert said[1] == "iteration 3: no longer: the discriminator has won"
    log = (tmp_path / "train.log").read_text()
    assert "[000000003] monitor: no longer: the discriminator has won\n" in log
    assert list(run_logs.read_losses(tmp_path / "train.log")[0]) == [1, 2, 3, 4]
