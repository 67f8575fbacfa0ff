"""GLeaD's terms: what each variant compares, by hand, and which heads learn from it."""

import numpy as np
import pytest
import tensorflow as tf

import rpgan_tf
from rpgan_tf import config, randomness
from rpgan_tf.config import resolve
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, lpips_weights
from rpgan_tf.nets.glead import reconstruct
from rpgan_tf.nets.lpips import LPIPS
from tests.conftest import command

TINY = {"gan": "GLeaD", "net": "glead", "imsz": 16, "channels": 1, "bsz": 4, "zlen": 4, "w_dim": 4, "map_layers": 1}
TINY |= {"channel_base": 64, "channel_max": 4, "res_d": 8, "res_g": 8}
MSE = {"real_loss": "mse", "fake_loss": "mse"}
HEADS = {"feat_proj1", "img_proj", "feat_proj2"}


def build(**values):
    return rpgan_tf.build(resolve(TINY | values))


def real_images(size=16):
    return tf.random.stateless_uniform([4, size, size, 1], [1, 2], -1, 1)


def cosine(a, b):
    """The mean of the cosines of the angles between pixels."""
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return np.mean(np.sum(a * b, axis=-1) / np.maximum(lengths, 1e-8))


def again(model, images, role):
    """What G makes of what D says of images, in step 0."""
    found = model.discriminator.decode(model.discriminator.features(images))
    return reconstruct(model.generator, found, model.noise_seed(randomness.NOISE + role, 0)).numpy()


def learning(model, images, judge):
    """Return the heads, and "decoder", that get a gradient."""
    with tf.GradientTape() as tape:
        term = tf.convert_to_tensor(judge(images)[1])
    layers = {head.name: head for head in model.discriminator.head_layers} | {"decoder": model.discriminator.decoder[0]}
    kernels = [layer.kernel.value for layer in layers.values()]
    gradients = tape.gradient(term, kernels, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {name for name, gradient in zip(layers, gradients) if np.any(gradient)}


@pytest.fixture
def weights(tmp_path):
    """A file with random weights of LPIPS."""
    random = np.random.default_rng(0)
    arrays = {name: np.float32(random.uniform(0, 0.1, shape)) for name, shape in lpips_weights.shapes("alex").items()}
    atomic.save_arrays(tmp_path / "lpips.npz", arrays)
    return str(tmp_path / "lpips.npz")


def test_real_term_by_hand():
    model, images = build(**MSE), real_images()
    logits, term = model.judge_real(images, 0)
    np.testing.assert_allclose(logits, model.judge(images), rtol=1e-5)
    expected = 10 * np.mean((again(model, images, randomness.RECONSTRUCTION) - images.numpy()) ** 2)
    assert float(term) == pytest.approx(expected, rel=1e-5)
    assert learning(model, images, lambda images: model.judge_real(images, 0)) == HEADS | {"decoder"}


@pytest.mark.parametrize("loss, weight", [("mse", None), ("mse", 2.0), ("cosine", None)])
def test_fake_term_by_hand(loss, weight):
    """Images are compared as D saw them; the weight is 3 unless it is said."""
    model, images = build(real_loss="mse", fake_loss=loss, fake_weight=weight), real_images()
    made = again(model, images, randomness.RECONSTRUCTION + 1)
    error = np.mean((made - images.numpy()) ** 2) if loss == "mse" else 1 - cosine(made, images.numpy())
    assert float(model.judge_fake(images, None, 0)[1]) == pytest.approx((weight or 3) * error, rel=1e-4)
    if loss == "mse":
        assert learning(model, images, lambda images: model.judge_fake(images, None, 0)) == HEADS | {"decoder"}


@pytest.mark.parametrize("loss", [None, "cosine", "mse"])
def test_features_as_target_by_hand(loss):
    """GLeaD with GGDR: D's head for features, cosine and a weight of 10 unless something else is said."""
    model = build(real_loss="mse", fake_target="features", fake_loss=loss)
    images, made = model.generator.synthesize(model.generator.codes(model.latents(4, 0)))
    found = model.discriminator.decode(model.discriminator.features(images)).features.numpy()
    wanted = made[8][0].numpy()
    error = np.mean((found - wanted) ** 2) if loss == "mse" else 1 - cosine(found, wanted)
    assert float(model.judge_fake(images, made, 0)[1]) == pytest.approx(10 * error, rel=1e-4)
    assert learning(model, images, lambda images: model.judge_fake(images, made, 0)) == {"feat_proj1", "decoder"}


def test_a_weight_of_0_leaves_a_term_out():
    images = real_images()
    real_only, fake_only = build(**MSE, fake_weight=0), build(**MSE, real_weight=0)
    assert real_only.judge_fake(images, None, 0)[1] == 0 and float(real_only.judge_real(images, 0)[1]) > 0
    assert fake_only.judge_real(images, 0)[1] == 0 and float(fake_only.judge_fake(images, None, 0)[1]) > 0
    assert fake_only.r1_term(images, 0) == 0 and float(real_only.r1_term(images, 0)) > 0
    logs = fake_only.d_step(images, fake_only.latents(4, 0))
    assert "fake_term" in logs and "real_term" not in logs


def test_lpips_by_default(weights):
    """Both terms of the paper: 10 and 3 times LPIPS; its weights stay as they are, and D's heads learn from it."""
    model, images = build(imsz=32, lpips_weights=weights), real_images(32)
    distance = LPIPS(lpips_weights.load(weights))
    real = 10 * np.mean(distance(again(model, images, randomness.RECONSTRUCTION), images))
    fake = 3 * np.mean(distance(again(model, images, randomness.RECONSTRUCTION + 1), images))
    assert float(model.judge_real(images, 0)[1]) == pytest.approx(real, rel=1e-4)
    assert float(model.judge_fake(images, None, 0)[1]) == pytest.approx(fake, rel=1e-4)
    assert learning(model, images, lambda images: model.judge_real(images, 0)) == HEADS | {"decoder"}
    assert not any("features/" in weight.path for weight in model.weights)
    model.d_step(images, model.latents(4, 0))
    for name, array in lpips_weights.load(weights).items():
        np.testing.assert_array_equal(model.lpips.arrays[name], array)


NONE = (
    "LPIPS needs its weights: expected lpips_weights = '<file>.npz', received None; make it with tools/convert_lpips.py"
)


@pytest.mark.parametrize(
    "values, message",
    [
        ({}, NONE),
        (MSE | {"real_loss": "lpips"}, NONE),
        ({"real_loss": "mse"}, NONE),
        ({"lpips_weights": "no.npz"}, "no weights of LPIPS: no file 'no.npz'; make it with tools/convert_lpips.py"),
        ({"imsz": 16}, "'alex' needs images of at least 31 pixels, received imsz = 16"),
    ],
)
def test_what_lpips_lacks_is_said(values, message, weights, tmp_path):
    """By the commands, before TensorFlow is imported, and by Python."""
    options = TINY | {"imsz": 32, "lfile": "digits", "wts_dir": str(tmp_path)} | values
    options = resolve(options | ({"lpips_weights": weights} if "imsz" in values else {}))
    for check in (config.check_files, rpgan_tf.build):
        with pytest.raises(UserError, match=message):
            check(options)


@pytest.mark.parametrize(
    "values",
    [
        MSE,
        {"real_weight": 0, "fake_target": "features"},
        {"real_loss": "mse", "fake_weight": 0},
        {"real_weight": 0} | MSE,
    ],
)
def test_runs_without_lpips_need_no_weights(values):
    assert lpips_weights.load_for(resolve(TINY | values)) is None


def test_the_command_ends_with_the_line(project):
    text = "".join(f"{key} = {value!r}\n" for key, value in (TINY | {"lfile": "digits", "wts_dir": "models/g"}).items())
    (project / "exp" / "glead.py").write_text(text)
    process = command("train.py", "glead", "--dry_run", check=False)
    assert process.returncode == 2 and process.stderr.startswith("train.py: LPIPS needs its weights")
    assert process.stderr.count("\n") == 1


def test_heads_are_needed():
    with pytest.raises(UserError, match="gan = 'GLeaD' needs D's heads: expected heads = True, received False"):
        build(**MSE, heads=False)


def test_features_are_not_compared_by_lpips():
    with pytest.raises(UserError, match="fake_loss = 'lpips' compares images"):
        resolve(TINY | MSE | {"fake_target": "features", "fake_loss": "lpips"})
