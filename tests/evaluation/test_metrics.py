"""Metrics against closed forms, independent computations, TensorFlow-GAN, and identities."""

import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from sklearn.neighbors import NearestNeighbors

from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import image_sets, metrics, tfgan

RANDOM = np.random.default_rng(0)
A, B = RANDOM.normal(size=[600, 5]), RANDOM.normal(0.3, 1.4, size=[500, 5]) @ RANDOM.normal(size=[5, 5])


def moments(features, batch=1000):
    found = metrics.Moments()
    for start in range(0, len(features), batch):
        found.update(features[start : start + batch])
    return found


def gaussian(mean, covariance, count=1000):
    return metrics.Moments(count, np.asarray(mean, float), np.asarray(covariance, float) * (count - 1))


def test_moments_are_those_of_numpy_in_any_batches():
    for batch in (1, 7, 600):
        found = moments(A + 1e4, batch)  # far from zero, where naive sums lose their digits
        np.testing.assert_allclose(found.mean, np.mean(A + 1e4, axis=0), rtol=1e-13)
        np.testing.assert_allclose(found.covariance, np.cov(A.T), rtol=1e-7)
    again = metrics.Moments.from_arrays(found.to_arrays())
    assert again.count == 600 and np.array_equal(again.covariance, found.covariance)


def test_fid_of_two_gaussians():
    """For covariances that commute, it is |m_1 - m_2|^2 + sum (s_1 - s_2)^2."""
    one, two = gaussian([0, 0, 0], np.diag([1, 4, 9])), gaussian([1, 2, 2], np.diag([4, 4, 0]))
    assert metrics.frechet_distance(one, two) == pytest.approx(9 + 1 + 0 + 9)
    rotation = scipy.linalg.expm([[0, 0.3, -1], [-0.3, 0, 0.5], [1, -0.5, 0]])
    rotated = [gaussian(rotation @ m.mean, rotation @ m.covariance @ rotation.T) for m in (one, two)]
    assert metrics.frechet_distance(*rotated) == pytest.approx(19)


def test_fid_against_scipy_and_tfgan():
    mine = metrics.frechet_distance(moments(A), moments(B))
    covariances = np.cov(A.T), np.cov(B.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    apart = np.sum((A.mean(axis=0) - B.mean(axis=0)) ** 2)
    assert mine == pytest.approx(apart + np.trace(sum(covariances) - 2 * root), rel=1e-9)
    tfgan.load()
    from tensorflow_gan.python.eval import classifier_metrics

    theirs = classifier_metrics.frechet_classifier_distance_from_activations(np.float32(A), np.float32(B))
    assert mine == pytest.approx(float(theirs), rel=1e-4)


def test_fid_identities():
    assert metrics.frechet_distance(moments(A), moments(A)) == pytest.approx(0, abs=1e-9)
    forth, back = (metrics.frechet_distance(moments(x), moments(y)) for x, y in ((A, B), (B, A)))
    assert forth == pytest.approx(back, rel=1e-9) and forth > 0
    shuffled = metrics.frechet_distance(moments(A[::-1], 13), moments(np.roll(B, 99, axis=0), 50))
    assert shuffled == pytest.approx(forth, rel=1e-9)
    constant = moments(np.tile(A[:1], [600, 1]))  # of generated images: finite
    expected = np.sum((A[0] - A.mean(axis=0)) ** 2) + np.trace(np.cov(A.T))
    assert metrics.frechet_distance(moments(A), constant) == pytest.approx(expected)


@pytest.mark.parametrize(
    "real, fake, message",
    [
        (A, A[:5], "expected over 5 generated images, received 5; set a larger --samples"),
        (A[:4], A, "expected over 5 real images, received 4"),
        (A, A[:, :4], "features of two sizes: 5 of real and 4 of fake"),
        (np.ones([9, 5]), A, "all real images have the same features"),
    ],
)
def test_fid_guards(real, fake, message):
    with pytest.raises(UserError, match=message):
        metrics.frechet_distance(moments(real), moments(fake))


def test_what_is_not_finite():
    bad = A.copy()
    bad[3, 2] = np.nan
    calls = [
        lambda: moments(bad),
        lambda: metrics.kernel_distance(A, bad),
        lambda: metrics.precision_recall(bad, A),
        lambda: metrics.inception_score(bad),
    ]
    for call in calls:
        with pytest.raises(UserError, match="a feature is not finite"):
            call()


def kernel_by_hand(x, y):
    """The unbiased estimate, as sums over pairs."""
    kernel = [(p @ q.T / x.shape[1] + 1) ** 3 for p, q in ((x, x), (y, y), (x, y))]
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in kernel[:2]]
    return sum(within) - 2 * kernel[2].mean()


def test_kid_against_pairs_by_hand():
    distance, error = metrics.kernel_distance(A, B)
    assert distance == pytest.approx(kernel_by_hand(A, B), rel=1e-9) and np.isnan(error)
    halves = [kernel_by_hand(A[:300], B[:250]), kernel_by_hand(A[300:], B[250:])]
    distance, error = metrics.kernel_distance(A, B, block_size=300, seed=None)
    assert distance == pytest.approx(np.mean(halves), rel=1e-9)
    assert error == pytest.approx(abs(halves[0] - halves[1]) / 2, rel=1e-9)


def test_kid_is_that_of_tfgan_at_once(tmp_path):
    np.save(tmp_path / "a.npy", A)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    mine = metrics.kernel_distance(mapped, B, block_size=77, seed=None)  # sizes that do not divide
    from tensorflow_gan.python.eval import classifier_metrics

    theirs = classifier_metrics.kernel_classifier_distance_and_std_from_activations(
        *map(tf.constant, (A, B)), max_block_size=77
    )
    np.testing.assert_allclose(mine, [float(value) for value in theirs], rtol=1e-8)


def test_kid_identities():
    assert metrics.kernel_distance(A, B)[0] == pytest.approx(metrics.kernel_distance(B, A)[0], rel=1e-9)
    shuffled = RANDOM.permutation(A)
    assert metrics.kernel_distance(shuffled, B)[0] == pytest.approx(metrics.kernel_distance(A, B)[0], rel=1e-9)
    halves, error = metrics.kernel_distance(A[:300], A[300:], block_size=50)  # of one distribution: about zero
    assert abs(halves) < 4 * error
    # Two Gaussians N(0, 1) and N(m, 1) in one dimension: E k over pairs is a polynomial in m.
    one, two = RANDOM.normal(size=[20000, 1]), RANDOM.normal(size=[20000, 1]) + 1
    k = lambda a, b: 1 + 3 * a[1] * b[1] + 3 * a[2] * b[2] + a[3] * b[3]  # noqa: E731
    raw = {0: [1, 0, 1, 0], 1: [1, 1, 2, 4]}  # raw moments of N(0, 1) and N(1, 1)
    expected = k(raw[0], raw[0]) + k(raw[1], raw[1]) - 2 * k(raw[0], raw[1])
    distance, error = metrics.kernel_distance(one, two)
    assert abs(distance - expected) < 4 * error


def test_sets_that_are_sorted_by_class():
    classes = np.repeat(np.arange(5), 80)
    real, fake = (10 * np.eye(5)[classes] + RANDOM.normal(size=[400, 5]) for _ in range(2))
    distance, error = metrics.kernel_distance(real, fake, block_size=80)
    assert abs(distance) < 4 * error
    in_order, _ = metrics.kernel_distance(real, fake, block_size=80, seed=None)
    assert in_order != distance  # blocks of a class each
    other, _ = metrics.kernel_distance(real, RANDOM.permutation(fake), block_size=80)
    assert abs(other - distance) < 8 * error
    score, deviation = metrics.inception_score(100 * np.eye(5)[classes])
    assert score == pytest.approx(5, abs=0.4) and deviation < 0.2
    assert metrics.inception_score(100 * np.eye(5)[classes], 5, seed=None)[0] == pytest.approx(1, abs=1e-3)


def test_inception_score_by_hand():
    # Certain of one of c classes, all as frequent: c. Never certain: 1.
    logits = np.tile(100 * np.eye(4), [50, 1])
    received = metrics.inception_score(logits, seed=None)
    assert received == (pytest.approx(4, rel=1e-5), pytest.approx(0, abs=1e-5))
    assert metrics.inception_score(np.ones([100, 7]))[0] == pytest.approx(1, abs=1e-6)
    logits = RANDOM.normal(size=[90, 6])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = [np.exp(np.mean(np.sum(q * np.log(q / q.mean(axis=0)), axis=1))) for q in np.split(p, 3)]
    received = metrics.inception_score(logits, 3, seed=None)
    np.testing.assert_allclose(received, [np.mean(scores), np.std(scores)], rtol=1e-6)
    with pytest.raises(UserError, match="at least 10 images for the splits"):
        metrics.inception_score(logits[:9])


def test_precision_recall_by_hand():
    # Balls of the first neighbour: radius 1 about 0, 1; radius 9 about 10. The fakes 0.5 and 18 are inside, 30 is not.
    real, fake = np.array([[0.0], [1], [10]]), np.array([[0.5], [18], [30]])
    # Of the fakes: radius 17.5 about 0.5, 12 about 18 and 30: all of the real ones are inside.
    assert metrics.precision_recall(real, fake, k=1) == (pytest.approx(2 / 3), 1)
    assert metrics.density_coverage(real, fake, k=1) == (pytest.approx(3 / 3), 1)
    assert metrics.density_coverage(real, fake[2:], k=1) == (0, 0)


def test_precision_recall_against_neighbours_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 64)

    def share(points, centers, k):
        balls = NearestNeighbors(n_neighbors=k + 1).fit(centers)
        radii = balls.kneighbors(centers)[0][:, -1]
        inside = np.linalg.norm(points[:, None] - centers, axis=-1) <= radii
        return inside

    precision, recall = metrics.precision_recall(A, B)
    assert precision == np.mean(share(B, A, 3).any(axis=1)) and recall == np.mean(share(A, B, 3).any(axis=1))
    density, coverage = metrics.density_coverage(A, B)
    inside = share(B, A, 5)
    assert density == pytest.approx(inside.sum() / 5 / len(B)) and coverage == inside.any(axis=0).mean()


def test_precision_recall_identities():
    assert metrics.precision_recall(A, A) == (1, 1)
    assert metrics.density_coverage(A, A)[1] == 1
    assert metrics.precision_recall(A, B) == metrics.precision_recall(B, A)[::-1]
    assert metrics.precision_recall(A[::-1], np.roll(B, 7, axis=0)) == metrics.precision_recall(A, B)
    narrow = 0.1 * A  # fewer of the modes: precise, but not all
    precision, recall = metrics.precision_recall(A, narrow)
    assert precision == 1 and recall < 0.2
    assert metrics.precision_recall(A, np.tile(A[:1], [50, 1])) == (1, pytest.approx(1 / 600, abs=1e-9))
    with pytest.raises(UserError, match="more than k = 3 images"):
        metrics.precision_recall(A, A[:3])


def pixels(count, size=16, channels=3, seed=0, scale=255):
    return np.uint8(np.random.default_rng(seed).uniform(0, scale, size=[count, size, size, channels]))


def darker(pixels):
    return np.uint8(pixels * 0.3 + np.linspace(0, 170, pixels.shape[1])[:, None, None])


def swd(real, fake, seed=0, chunk=64):
    """Measure pixels that come in batches of `chunk`."""

    def images(pixels):
        def batches(first):
            return (pixels[start : start + chunk] for start in range(first, len(pixels), chunk))

        return image_sets.ImageSet("pixels", pixels.shape[1:], len(pixels), batches, "as stored", chunk)

    return metrics.sliced_wasserstein(images(real), images(fake), seed)


def test_swd_identities():
    one, two = pixels(64), pixels(64, seed=1)
    dark = darker(one)
    same, other = swd(one, two), swd(one, dark)
    assert list(same) == [16] and 0 < same[16] < 0.1 < other[16]
    assert swd(one, dark) == other  # the same draws
    assert swd(dark, one)[16] == pytest.approx(other[16], rel=0.1)  # other patches
    assert swd(one, dark, seed=1)[16] == pytest.approx(other[16], rel=0.1)
    assert list(swd(pixels(8, 64), pixels(8, 64))) == [64, 32, 16]
    assert list(swd(pixels(8, 8, 1), pixels(8, 8, 1))) == [8]


def test_swd_does_not_depend_on_batches():
    one, other = pixels(20, 32), darker(pixels(20, 32, seed=1))
    expected = swd(one, other)
    for chunk in (1, 7):
        assert swd(one, other, chunk=chunk) == pytest.approx(expected, rel=1e-5)


def test_swd_is_that_of_tfgan_but_for_patches(monkeypatch):
    """Its own function, made to normalize as in the paper; places of patches and directions are others."""
    tfgan.load()
    from tensorflow_gan.python.eval import sliced_wasserstein as theirs

    def normalize(patches):
        mean, deviation = np.mean(patches[0], axis=(0, 1, 2)), np.std(patches[0], axis=(0, 1, 2))
        return ((patches[0] - mean) / deviation).numpy().reshape(len(patches[0]), -1)

    monkeypatch.setattr(theirs, "_normalize_patches", normalize)
    one, other = pixels(128, 32), darker(pixels(128, 32, seed=1))
    tensors = [tf.constant(np.float32(each)) for each in (one, other)]
    distances = []
    for seed in range(4):  # one draw scatters by 5 %
        np.random.seed(seed)
        tf.random.set_seed(seed)
        distances.append([float(fakes) for _, fakes in theirs.sliced_wasserstein_distance(*tensors)])
    expected = dict(zip((32, 16), np.mean(distances, axis=0)))
    assert swd(one, other) == pytest.approx(expected, rel=0.1)


def test_swd_leaves_the_random_numbers_of_others_alone():
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    swd(pixels(4), pixels(4))
    assert np.random.rand() == expected


def test_swd_of_two_gaussians():
    """Patches are normalized in each channel; along a direction, sorted samples of two Gaussians differ in their means.

    One half of the fake patches is +a, the other -a, the real ones are noise: the closed form is E | |x| - 1 | for x ~
    N(0, 1) along each direction in which the fakes are two points and the real ones a Gaussian.
    """
    real = np.uint8(np.clip(np.random.default_rng(0).normal(128, 30, size=[400, 8, 8, 1]), 0, 255))
    fake = np.uint8(np.where(np.arange(400) % 2, 100, 156)[:, None, None, None] * np.ones([1, 8, 8, 1]))
    distance = swd(real, fake)[8]
    # A direction w of unit length sees N(0, 1) in real and +- (sum of w) in fake patches: sorted, the mean of
    # | x - s sign(x) | for s = |sum of w|, where the sum of 147 coordinates of w is N(0, 1), grey counted three times.
    random = np.random.default_rng(1)
    x = np.abs(random.normal(size=200000))
    grey = random.normal(size=[2000, 49, 3])
    grey /= np.linalg.norm(grey, axis=(1, 2), keepdims=True)
    summed = grey.sum(axis=2)
    noise, offsets = np.linalg.norm(summed, axis=1), np.abs(summed.sum(axis=1))
    expected = np.mean([np.mean(np.abs(n * x[:2000] - s)) for n, s in zip(noise, offsets)])
    assert distance == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("shapes", [((4, 16, 16, 3), (5, 16, 16, 3)), ((4, 16, 8, 3),) * 2, ((4, 12, 12, 3),) * 2])
def test_swd_guards(shapes):
    with pytest.raises(UserError, match="as many real as generated images, square"):
        swd(*(np.zeros(shape, np.uint8) for shape in shapes))


def test_path_length_of_a_linear_generator():
    """Where features move on a circle at constant speed, so does the path: d / epsilon^2 = (speed)^2."""

    def generate(z):  # the angle is the first latent
        return z[:, :1]

    def extractor(pixels):
        angle = (np.float64(pixels) - 127.5) / 127.5
        return np.concatenate([np.cos(angle), np.sin(angle)], axis=1), None

    z_0, z_1 = np.zeros([200, 2]), np.concatenate([np.full([200, 1], 2.0), np.zeros([200, 1])], axis=1)
    t = np.linspace(0, 0.9, 200)
    assert metrics.path_length(generate, z_0, z_1, t, extractor, "lerp", 1e-2) == pytest.approx(4, rel=1e-2)


def test_slerp():
    a, b = np.array([[2.0, 0]]), np.array([[0, 4.0]])
    np.testing.assert_allclose(metrics._slerp(a, b, np.array([[0.5]])), [[3 * np.sqrt(0.5)] * 2])
    np.testing.assert_allclose(metrics._slerp(a, b, np.array([[0.0]])), a)
    np.testing.assert_allclose(metrics._slerp(a, b, np.array([[1.0]])), b, atol=1e-12)
    np.testing.assert_allclose(metrics._slerp(a, a, np.array([[0.3]])), a)
