"""Weightings of K losses: the numbers of hGAN's and GMAN's programs, and what must hold of any."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from rpgan_tf.many import weighting
from rpgan_tf.nets import rpgan
from rpgan_tf.projections import Projections
from tests.conftest import DATA

SLACKS, ALPHAS, LAMBDAS = ("1.01", "1.1", "1.5", "2.0"), ("0.8", "0.0", "5.0"), ("0.0", "1.0", "5.0")


@pytest.fixture(scope="module")
def numbers():
    with np.load(DATA / "weighting.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def computed(numbers, combine, loss=lambda logits: tf.nn.softplus(-logits)):
    """Return the objective, and its gradients by losses, logits and G's weights."""
    theta = tf.constant(numbers["theta"])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(theta)
        logits = tf.einsum("kbp,p->kb", numbers["A"], theta)
        losses = tf.reduce_mean(loss(logits), axis=1)
        objective = combine(losses)
    return objective, *(tape.gradient(objective, source) for source in (losses, logits, theta))


def assert_gradients(received, numbers, name):
    for key, gradient in zip(("grad_logits", "grad_theta"), received):
        if f"{name}/{key}" in numbers:
            expected = numbers[f"{name}/{key}"]
            np.testing.assert_allclose(gradient, expected, atol=1e-4 * np.abs(expected).max())


def test_losses_and_hgans_average_which_is_the_sum(numbers):
    objective, weights, *gradients = computed(numbers, lambda losses: 5 * weighting.mean(losses))
    np.testing.assert_allclose(objective, numbers["vanilla/objective"], rtol=1e-5)
    np.testing.assert_allclose(weights / 5, numbers["vanilla/weights"], atol=1e-6)
    assert_gradients(gradients, numbers, "vanilla")


@pytest.mark.parametrize("slack", SLACKS)
def test_hypervolume(numbers, slack):
    objective, by_loss, *gradients = computed(numbers, lambda losses: weighting.hypervolume(losses, float(slack)))
    expected = numbers[f"hyper/{slack}/objective"]
    tolerance = 1e-4 if float(slack) <= 1.05 else 1e-5
    np.testing.assert_allclose(objective, expected, atol=tolerance * max(1, abs(expected)))
    np.testing.assert_allclose(by_loss / np.sum(by_loss), numbers[f"hyper/{slack}/weights"], atol=1e-5)
    eta = numbers[f"hyper/{slack}/nadir"]
    np.testing.assert_allclose(by_loss, 1 / (eta - numbers["losses"]), rtol=1e-3 if float(slack) <= 1.05 else 1e-4)
    assert_gradients(gradients, numbers, f"hyper/{slack}")


@pytest.mark.parametrize("alpha", ALPHAS)
def test_softmax_as_hgan_computes_it(numbers, alpha):
    objective, by_loss, *gradients = computed(numbers, lambda losses: weighting.softmax_detached(losses, float(alpha)))
    np.testing.assert_allclose(objective, numbers[f"gman/{alpha}/objective"], atol=1e-5)
    np.testing.assert_allclose(by_loss, numbers[f"gman/{alpha}/weights"], atol=1e-5)
    assert_gradients(gradients, numbers, f"gman/{alpha}")


@pytest.mark.parametrize("alpha", LAMBDAS)
@pytest.mark.parametrize("kind", ["modified", "original"])
def test_softmax_as_gman_computes_it(numbers, kind, alpha):
    """Through the weights; its losses are of s = 0.98 sigmoid + 0.01, and the original ones are negative."""

    def loss(logits):
        s = 0.98 * tf.sigmoid(logits) + 0.01
        return -tf.math.log(s) if kind == "modified" else tf.math.log(1 - s)

    name = f"gman_paper/{kind}/{alpha}/arithmetic"
    objective, by_loss, *gradients = computed(numbers, lambda losses: weighting.softmax(losses, float(alpha)), loss)
    np.testing.assert_allclose(objective, numbers[f"{name}/objective"], atol=1e-5)
    assert_gradients(gradients, numbers, name)
    losses = numbers[f"{name}/losses"]
    w = np.exp(float(alpha) * losses) / np.sum(np.exp(float(alpha) * losses))
    np.testing.assert_allclose(by_loss, w * (1 + float(alpha) * (losses - np.sum(w * losses))), atol=1e-5)
    assert float(tf.reduce_sum(by_loss)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", ["raw", "unit"])
def test_minimum_norm(numbers, kind):
    vectors = numbers[f"mgd_{kind}/grads"]
    w = weighting.minimum_norm(tf.constant(vectors @ vectors.T)).numpy()
    np.testing.assert_allclose(w, numbers[f"mgd_{kind}/weights"], atol=1e-5)
    np.testing.assert_allclose(np.sum((w @ vectors) ** 2), numbers[f"mgd_{kind}/norm2"], atol=1e-5)
    objective, _, *gradients = computed(numbers, lambda losses: tf.reduce_sum(w * losses))
    np.testing.assert_allclose(objective, numbers[f"mgd_{kind}/objective"], atol=1e-5)
    assert_gradients(gradients, numbers, f"mgd_{kind}")


def enumerated(gram):
    """Return the least squared length of the convex hull: the best over all supports, by their linear equations."""
    best, number = np.inf, len(gram)
    for support in itertools.chain(*(itertools.combinations(range(number), n) for n in range(1, number + 1))):
        n = len(support)
        equations = np.ones([n + 1, n + 1])
        equations[:n, :n], equations[n, n] = gram[np.ix_(support, support)], 0
        w = np.linalg.lstsq(equations, np.eye(n + 1)[n], rcond=None)[0][:n]
        if w.min() >= -1e-12 and abs(w.sum() - 1) < 1e-9:
            best = min(best, w @ gram[np.ix_(support, support)] @ w)
    return best


def test_minimum_norm_is_the_least_of_all_supports():
    """Gradients of very different lengths, fewer dimensions than gradients, and a common part."""
    random = np.random.default_rng(0)
    for _ in range(20):
        number, dims = random.integers(1, 8), random.integers(1, 12)
        vectors = random.normal(size=(number, dims)) * np.exp(2 * random.normal(size=(number, 1)))
        gram = (vectors + random.normal(size=dims)) @ (vectors + random.normal(size=dims)).T
        gram = (gram + gram.T) / 2 if np.linalg.eigvalsh(gram + gram.T)[0] > 0 else vectors @ vectors.T
        w = weighting.minimum_norm(tf.constant(gram)).numpy()
        assert w.min() >= 0 and w.sum() == pytest.approx(1)
        products, shortest = gram @ w, w @ gram @ w
        assert shortest - enumerated(gram) < 1e-9 * gram.max()
        assert products.min() >= shortest - 1e-6 * gram.max()  # a step along -v descends on every loss
        np.testing.assert_allclose(products[w > 1e-3], shortest, atol=1e-6 * gram.max())


@pytest.mark.parametrize("number", [12, 48])
def test_minimum_norm_of_gradients_that_depend_on_each_other(number):
    """More gradients than dimensions, rounded to float32; of lengths from 1e-6 on, and two that are 0."""
    random = np.random.default_rng(1)
    for dims in (2, 3, 8):
        vectors = np.float64(np.float32(random.normal(size=(number, dims)) + 0.8 * np.sign(random.normal(size=dims))))
        for gradients in (
            vectors,
            vectors * 10 ** random.uniform(-6, 0, [number, 1]),
            vectors * (np.arange(number) > 1)[:, None],
        ):
            gram = gradients @ gradients.T
            w = weighting.minimum_norm(tf.constant(gram)).numpy()
            assert w.min() >= 0 and w.sum() == pytest.approx(1)
            products = gram @ w
            assert products.min() >= w @ products - 1e-9 * gram.max()


def test_minimum_norm_by_hand():
    weights = lambda rows, kept=None: weighting.minimum_norm(tf.constant(rows, tf.float32), kept).numpy()  # noqa: E731
    np.testing.assert_allclose(weights([[4, 0], [0, 9]]), [9 / 13, 4 / 13], atol=1e-6)  # orthogonal, lengths 2 and 3
    np.testing.assert_allclose(weights([[1, -1], [-1, 1]]), [0.5, 0.5], atol=1e-6)  # opposite: the shortest is 0
    np.testing.assert_allclose(weights(np.ones([3, 3])), [1 / 3] * 3, atol=1e-6)  # equal
    np.testing.assert_allclose(weights(np.zeros([3, 3])), [1 / 3] * 3, atol=1e-6)  # a stationary point
    np.testing.assert_allclose(weights([[1, 2], [2, 5]]), [1, 0], atol=1e-6)  # the shorter one, at an acute angle
    kept = tf.constant([True, True, False])
    np.testing.assert_allclose(weights([[4, 0, 1], [0, 9, 1], [1, 1, 1]], kept), [9 / 13, 4 / 13, 0], atol=1e-6)


def gradient(function, losses, *arguments, **named):
    losses = tf.constant(losses, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(losses)
        value = function(losses, *arguments, **named)
    return tape.gradient(value, losses).numpy()


def test_limits_and_monotony():
    losses = [0.3, 1.2, 0.7, 2.0]
    of_mean = gradient(weighting.mean, losses)
    for alpha, expected in ((0.0, of_mean), (1e3, [0, 0, 0, 1])):
        for function in (weighting.softmax, weighting.softmax_detached):
            np.testing.assert_allclose(gradient(function, losses, alpha), expected, atol=1e-6)
    far = gradient(weighting.hypervolume, losses, 1e6)
    np.testing.assert_allclose(far / far.sum(), of_mean, rtol=1e-5)
    near = gradient(weighting.hypervolume, losses, 1.5)
    assert np.array_equal(np.argsort(near), np.argsort(losses))  # the larger the loss, the larger its weight
    np.testing.assert_allclose(near, 1 / (1.5 * 2.0 + 1e-8 - np.array(losses)), rtol=1e-5)
    same = gradient(weighting.hypervolume, [0.7] * 4, 1.5)
    np.testing.assert_allclose(same / same.sum(), [0.25] * 4, rtol=1e-6)
    shifted = weighting.shares(tf.constant(losses) + 5.0, 0.8)
    np.testing.assert_allclose(shifted, weighting.shares(tf.constant(losses), 0.8), rtol=1e-5)


@pytest.mark.parametrize("function, argument", [("mean", ()), ("softmax", (2.0,)), ("softmax_detached", (2.0,)),
                                                ("hypervolume", (1.5,))])  # fmt: skip
def test_dropped_losses_count_nothing(function, argument):
    """The objective and its gradient are those of the kept losses alone."""
    function, losses, kept = getattr(weighting, function), [0.3, 9.0, 0.7, 2.0], [True, False, True, True]
    received = gradient(function, losses, *argument, kept=tf.constant(kept))
    expected = gradient(function, np.array(losses)[kept], *argument)
    np.testing.assert_allclose(received[kept], expected, rtol=1e-5)
    assert received[1] == 0
    value = function(tf.constant(losses), *argument, kept=tf.constant(kept))
    assert float(value) == pytest.approx(float(function(tf.constant(losses)[np.array(kept)], *argument)), rel=1e-5)


@pytest.mark.parametrize("name", ["proj", "proj_stacked"])
def test_projections_as_hgan_computes_them(numbers, name):
    """Kernel 8, stride 2, of unit length for each output channel, from normal or uniform weights alike."""
    kernel, images = numbers[f"{name}/v"].transpose(2, 3, 1, 0), numbers[f"{name}/x_nhwc"]  # OIHW
    kernel = kernel / np.sqrt(np.sum(kernel**2, axis=(0, 1, 2)))
    bank = rpgan.Discriminator(4, images.shape[1], Projections(kernel[None], 2))
    received = bank.project(tf.constant(images))[0].numpy().transpose(3, 1, 2, 0)
    np.testing.assert_allclose(received, numbers[f"{name}/y_nhwc"], atol=1e-5)
