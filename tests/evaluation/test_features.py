"""Feature extractors: a classifier of digits that works, TensorFlow-GAN's Inception from a folder, nets of Keras."""

import numpy as np
import pytest
import sklearn.datasets

from rpgan_tf.data import digits
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import features, random_nets
from rpgan_tf.files import user_cache

LABELS = sklearn.datasets.load_digits().target


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache of this module alone, with the classifier in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RPGAN_TF_CACHE", str(tmp_path_factory.mktemp("cache")))
        features._digits.cache_clear()
        yield user_cache.folder()
    features._digits.cache_clear()


def test_digits_are_recognized_at_any_size_and_colour(cache):
    extractor = features.find_extractor("digits")
    held_out = digits.PARTS["digits:test"]
    for size, channels in ((8, 1), (16, 3), (32, 1), (64, 3)):
        found, logits = extractor(digits.images("digits", size, channels)[held_out])
        assert found.shape == (297, 64) and logits.shape == (297, 10) and found.dtype == logits.dtype == np.float32
        assert np.mean(np.argmax(logits, axis=1) == LABELS[held_out]) > 0.93
    assert (extractor.num_features, extractor.num_classes) == (64, 10)
    accuracy = np.mean(np.argmax(extractor(digits.images("digits", 16, 1)[held_out])[1], axis=1) == LABELS[held_out])
    assert f"accuracy {accuracy:.3f}" in extractor.name


def test_batches_make_no_difference(cache):
    extractor, pixels = features.find_extractor("digits"), digits.images("digits", 16, 1)[:7]
    one_by_one = np.concatenate([extractor(image[None])[0] for image in pixels])
    np.testing.assert_allclose(extractor(pixels)[0], one_by_one, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(extractor(np.float32(pixels))[0], extractor(pixels)[0])


def test_the_classifier_is_trained_once(cache, monkeypatch, capsys):
    first = features.find_extractor("digits")
    features._digits.cache_clear()
    monkeypatch.setattr(features, "_train_digits", None)
    again = features.find_extractor("digits")
    assert again.key == first.key and again.name == first.name and not capsys.readouterr().out


def test_a_damaged_cache_is_made_anew(cache, monkeypatch, capsys):
    (path,) = cache.glob("digits*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    features._digits.cache_clear()
    monkeypatch.setattr(features, "_train_digits", lambda net: 0.5)
    assert "accuracy 0.500" in features.find_extractor("digits").name
    assert f"'{path}' is damaged: it is made anew" in capsys.readouterr().out
    path.write_bytes(whole)
    features._digits.cache_clear()


def test_inception_from_a_folder(tmp_path, monkeypatch):
    import tensorflow as tf

    class Module(tf.Module):
        """What TensorFlow-GAN's Inception gives."""

        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None, 299, 299, 3])])
        def __call__(self, images):
            mean = self.weight * tf.reduce_mean(images, axis=[1, 2])
            return {"pool_3": mean[:, None, None], "logits": tf.concat([mean, mean], axis=1)}

    tf.saved_model.save(Module(), str(tmp_path / "inception"))
    extractor = features.find_extractor(f"inception:{tmp_path / 'inception'}")
    assert (extractor.num_features, extractor.num_classes) == (3, 6)
    grey = np.repeat(np.uint8([0, 51, 255])[:, None, None, None], 8, axis=1) * np.ones([1, 1, 8, 1], np.uint8)
    found, logits = extractor(grey)
    np.testing.assert_allclose(
        found, 2 * np.repeat([[-1], [-0.6], [1]], 3, axis=1), rtol=1e-3
    )  # of a sum over 299 x 299
    np.testing.assert_allclose(logits[:, 3:], found, atol=1e-6)
    monkeypatch.setenv("RPGAN_TF_INCEPTION", f"{tmp_path / 'inception'}/")
    again = features.find_extractor("inception")
    assert again.num_features == 3 and again.key == extractor.key  # of the same files
    other = Module()
    other.weight.assign(3.0)
    tf.saved_model.save(other, str(tmp_path / "inception"))
    assert features.find_extractor("inception").key != extractor.key


def test_inception_without_a_network(monkeypatch, capsys):
    import tensorflow_hub

    def fail(address):
        raise OSError(f"no route to {address}")

    monkeypatch.delenv("RPGAN_TF_INCEPTION", raising=False)
    monkeypatch.setattr(tensorflow_hub, "load", fail)
    with pytest.raises(
        UserError, match="cannot load Inception from 'https://tfhub.*expected a network, or a local copy"
    ):
        features.find_extractor("inception")
    assert "it is downloaded unless" in capsys.readouterr().out


def test_a_net_of_keras(tmp_path, monkeypatch, capsys):
    import keras

    class Tiny(keras.Sequential):
        """As small as a net of keras.applications can be."""

        def __init__(self, include_top, weights, pooling):
            assert not include_top and pooling == "avg"
            super().__init__([keras.Input([None, None, 3]), keras.layers.GlobalAveragePooling2D()])
            if weights == "imagenet":
                raise OSError("no network")

    weights = tmp_path / "tiny.weights.h5"
    weights.write_bytes(b"here")
    monkeypatch.setattr(keras.applications, "VGG16", Tiny)
    extractor = features.find_extractor(f"keras:VGG16:{weights}")
    found, logits = extractor(np.full([2, 8, 8, 1], 200, np.uint8))
    expected = 200 - np.array([103.939, 116.779, 123.68])  # VGG's own preprocessing
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-3)
    assert logits is None and extractor.num_features == 3 and "resize to 224" in extractor.name
    with pytest.raises(
        UserError, match="cannot load the weights of VGG16: no network; .*--extractor keras:VGG16:<file>"
    ):
        features.find_extractor("keras:VGG16")
    with pytest.raises(UserError, match="cannot load the weights of VGG16: no network"):
        features.find_extractor("keras:VGG16:")
    assert capsys.readouterr().out.count("weights are downloaded unless") == 2


@pytest.fixture
def narrow(monkeypatch):
    """A hidden layer of 16 units: 0.4 million of VGG's weights there instead of 103 million."""
    monkeypatch.setattr(random_nets, "HIDDEN", 16)


def test_a_random_net_is_that_of_its_seed(narrow):
    extractor, again, other = map(features.find_extractor, ("random:VGG16", "random:VGG16:0", "random:VGG16:1"))
    assert extractor.key == again.key != other.key and extractor.name == again.name
    assert extractor.name.startswith("keras.applications.VGG16, random weights of seed 0, 32 to 224 pixels")
    pixels = digits.images("digits", 32, 1)[:3]
    found, logits = extractor(pixels)
    assert found.shape == (3, 64) and found.dtype == np.float32 and logits is None
    assert np.all(found.std(axis=0) > 0)  # no feature is 0 for all images
    np.testing.assert_array_equal(again(pixels)[0], found)
    assert np.abs(other(pixels)[0] - found).max() > 0.01
    np.testing.assert_allclose(extractor(digits.images("digits", 32, 3)[:3])[0], found, rtol=1e-4, atol=1e-4)
    assert extractor(digits.images("digits", 8, 1)[:3])[0].shape == (3, 64)  # enlarged to the smallest size


def test_random_nets_written_out(narrow):
    """VGG16 with relu, and the average of a net without fully connected layers."""
    import tensorflow as tf

    net = random_nets.build("VGG16", 3)
    weights = iter(net.get_weights())
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    x = images
    for repeats in (2, 2, 3, 3, 3):
        for _ in range(repeats):
            x = tf.nn.relu(tf.nn.conv2d(x, next(weights), 1, "SAME") + next(weights))
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
    x = np.tile(x, [1, 7, 7, 1]).reshape(2, -1)  # a map of one pixel, enlarged to 7x7
    x = np.maximum(x @ next(weights) + next(weights), 0) @ next(weights) + next(weights)
    np.testing.assert_allclose(net(images), x, rtol=1e-3, atol=1e-4)
    assert random_nets.build("ResNet50", 0)(images).shape == (2, 2048)


def test_kernels_are_drawn_alike_everywhere(monkeypatch):
    kernel = random_nets.draw((3, 3, 6, 40), [7, 2])
    bound = np.sqrt(6 / 54)
    np.testing.assert_array_equal(
        kernel.ravel()[:2], np.float32((2 * np.random.RandomState([7, 2]).random_sample(2) - 1) * bound)
    )
    assert np.abs(kernel).max() <= np.float32(bound)
    np.testing.assert_allclose([kernel.mean(), kernel.var()], [0, 2 / 54], atol=0.01)
    monkeypatch.setattr(random_nets, "PART", 100)
    np.testing.assert_array_equal(random_nets.draw((3, 3, 6, 40), [7, 2]), kernel)


@pytest.mark.parametrize(
    "name, message",
    [
        ("random", "no extractor 'random'; expected digits.*random:<net>"),
        ("random:VGG166", "no net 'VGG166' for random:<net>.*; did you mean 'VGG16'?"),
        ("random:VGG16:x", "expected a seed from 0 to 4294967295 in random:VGG16:<seed>, received 'x'"),
        ("digit", "no extractor 'digit'; expected digits, inception.*did you mean 'digits'?"),
        ("digits:8", "no extractor 'digits:8'"),
        ("keras", "no extractor 'keras'"),
        ("inception:nowhere", "no Inception in 'nowhere': expected the folder of a SavedModel"),
        ("keras:VGG16:nowhere.h5", "no file 'nowhere.h5' with weights"),
    ],
)
def test_mistakes(name, message):
    with pytest.raises(UserError, match=message):
        features.check(name)


def test_unknown_application():
    with pytest.raises(UserError, match="no net 'VGG166' in keras.applications; did you mean 'VGG16'?"):
        features.find_extractor("keras:VGG166")
    with pytest.raises(UserError, match="does not say how to prepare images for MobileNetV3Small; take another net"):
        features.find_extractor("keras:MobileNetV3Small")
