"""Feature extractors: nets that turn images into the features and logits of metrics. Knows no metric."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import os
import pathlib
import typing
import zipfile
from collections.abc import Callable, Sequence

import numpy as np

from rpgan_tf.devices import strategies
from rpgan_tf.errors import UserError, nearest
from rpgan_tf.evaluation import random_nets, tfgan
from rpgan_tf.files import atomic, user_cache

if typing.TYPE_CHECKING:
    import keras
    import tensorflow as tf

KNOWN = (
    *("digits", "inception", "inception:<folder>", "keras:<application>", "keras:<application>:<weights file>"),
    "random:<net>[:<seed>]",
)
CHUNK = 64  # images in a batch of a large net
INCEPTION_SIZE = 299
DIGITS_SIZE, DIGITS_FEATURES, DIGITS_STEPS, DIGITS_BATCH = 16, 64, 1500, 64


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A net that turns images into features.

    Attributes:
        name: for the protocol of a metric.
        key: hash of its weights and preprocessing, the key of cached features.
        num_features: d.
        num_classes: number of logits, or None.
        run: function from pixels [N, H, W, C] in 0 .. 255, uint8 or float32, C = 1 or 3, to features, float32 [N, d],
            and logits, float32 [N, num_classes] or None.
    """

    name: str
    key: str
    num_features: int
    num_classes: int | None
    run: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]

    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return self.run(pixels)


def check(name: str) -> None:
    """Raise a `UserError` if no extractor of this name can work; TensorFlow is not imported."""
    kind, _, rest = name.partition(":")
    known = kind in ("digits", "inception", "keras", "random")
    if not known or (kind == "digits" and rest) or (kind in ("keras", "random") and not rest):
        raise UserError(f"no extractor '{name}'; expected {', '.join(KNOWN)}; {nearest(kind, ['digits', 'inception'])}")
    if kind == "random":
        random_nets.parse(rest)
    if kind == "digits" and importlib.util.find_spec("sklearn") is None:
        raise UserError("the extractor 'digits' needs scikit-learn: pip install scikit-learn")
    if kind == "inception":
        tfgan.check()
        folder = rest or os.environ.get("RPGAN_TF_INCEPTION", "")
        if folder and not (pathlib.Path(folder) / "saved_model.pb").is_file():
            raise UserError(f"no Inception in '{folder}': expected the folder of a SavedModel, with saved_model.pb")
    weights = rest.partition(":")[2]
    if kind == "keras" and weights and not pathlib.Path(weights).is_file():
        raise UserError(f"no file '{weights}' with weights for the extractor 'keras:{rest.partition(':')[0]}'")


def find_extractor(name: str) -> Extractor:
    """Return the `Extractor` of a name, one of `KNOWN`.

    "digits" is trained on this machine, in seconds, and cached. "inception" is that of TensorFlow-GAN, from a local
    folder, $RPGAN_TF_INCEPTION or TensorFlow Hub. "keras:<application>" is a net of `keras.applications` with its
    weights for ImageNet, or those of a file. "random:<net>" has random weights of a seed, by default 0. Downloads are
    announced.

    Raises:
        UserError: there is no such extractor, or its weights are neither here nor can be downloaded.
    """
    check(name)
    kind, _, rest = name.partition(":")
    if kind == "digits":
        return _digits()
    if kind == "random":
        return _random(*random_nets.parse(rest))
    return _inception(rest) if kind == "inception" else _application(*rest.split(":", 1))


def _inception(folder: str) -> Extractor:
    """Load TensorFlow-GAN's Inception (the graph of Salimans et al., arXiv 1606.03498): pool_3 and logits."""
    tfgan.load()
    import tensorflow as tf
    import tensorflow_hub
    from tensorflow_gan.python.eval import inception_metrics

    folder = folder or os.environ.get("RPGAN_TF_INCEPTION", "")
    address = folder or inception_metrics.INCEPTION_TFHUB
    if not folder:
        print(f"loading Inception from {address}; it is downloaded unless TFHUB_CACHE_DIR has it", flush=True)
    try:
        with strategies.outside():  # else, with several replicas, only these could call it
            module = tensorflow_hub.load(address)
    except Exception as error:  # no network, a broken file, no space: its kinds are many
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cannot load Inception from '{address}': {reason}; expected a network, or a local copy of the module: "
            "--extractor inception:<folder>, or RPGAN_TF_INCEPTION=<folder>"
        ) from None

    @tf.function(autograph=False)
    def infer(pixels):
        images = tf.image.resize(tf.cast(pixels, tf.float32), [INCEPTION_SIZE, INCEPTION_SIZE]) / 127.5 - 1
        output = module(images)
        return [
            tf.reshape(output[key], [tf.shape(images)[0], -1])
            for key in (inception_metrics.INCEPTION_FINAL_POOL, inception_metrics.INCEPTION_OUTPUT)
        ]

    run = functools.partial(_in_chunks, infer, CHUNK, 3)
    num_features, num_classes = (found.shape[1] for found in run(np.zeros([1, 8, 8, 3], np.uint8)) if found is not None)
    text = f"TF-GAN's Inception, bilinear resize to {INCEPTION_SIZE}"
    key = _key(text, *_contents(tensorflow_hub.resolve(address)))
    return Extractor(f"{text}, {num_features} features", key, num_features, num_classes, run)


def _contents(folder: str) -> list[np.ndarray]:
    """Return the bytes of each file of a SavedModel."""
    variables = sorted(pathlib.Path(folder).glob("variables/*"))
    return [np.fromfile(path, np.uint8) for path in [pathlib.Path(folder, "saved_model.pb"), *variables]]


def _application(name: str, weights: str | None = None) -> Extractor:
    """Load a net of `keras.applications` with average pooling, without logits."""
    import keras
    import tensorflow as tf

    nets = {key: value for key, value in vars(keras.applications).items() if key[0].isupper() and callable(value)}
    if name not in nets:
        raise UserError(f"no net '{name}' in keras.applications; {nearest(name, nets)}")
    if not weights:
        print(f"loading {name} of keras.applications; its weights are downloaded unless ~/.keras has them", flush=True)
    modules = [module for module in vars(keras.applications).values() if hasattr(module, "preprocess_input")]
    preprocess = next((module.preprocess_input for module in modules if hasattr(module, name)), None)
    if preprocess is None:
        raise UserError(f"keras.applications does not say how to prepare images for {name}; take another net")
    try:
        net = nets[name](include_top=False, weights=weights or "imagenet", pooling="avg")
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cannot load the weights of {name}: {reason}; expected a network, or a file of weights without the top "
            f"layer: --extractor keras:{name}:<file>"
        ) from None
    size = 299 if name in ("InceptionV3", "InceptionResNetV2", "Xception") else 224

    @tf.function(autograph=False)
    def infer(pixels):
        images = tf.image.resize(tf.cast(pixels, tf.float32), [size, size])
        return [net(preprocess(images), training=False)]

    run = functools.partial(_in_chunks, infer, CHUNK, 3)
    text = f"keras.applications.{name}, {'local weights' if weights else 'ImageNet'}, bilinear resize to {size}"
    return Extractor(
        f"{text}, {net.output_shape[-1]} features", _key(text, *net.get_weights()), net.output_shape[-1], None, run
    )


def _random(name: str, seed: int) -> Extractor:
    """Load a net with random weights, without logits; images are resized only if their side is out of its range."""
    import tensorflow as tf

    net, (smallest, largest) = random_nets.build(name, seed), random_nets.SIZES[name]

    @tf.function(autograph=False)
    def infer(pixels):
        size = min(max(*pixels.shape[1:3], smallest), largest)
        images = tf.image.resize(tf.cast(pixels, tf.float32), [size, size], antialias=True)
        return [net(images / 127.5 - 1, training=False)]

    run = functools.partial(_in_chunks, infer, CHUNK, 3)
    text = f"keras.applications.{name}, random weights of seed {seed}, {smallest} to {largest} pixels"
    key = _key(text, *(weight.numpy() for weight in net.weights))
    return Extractor(f"{text}, {net.output_shape[-1]} features", key, net.output_shape[-1], None, run)


def _in_chunks(
    infer: Callable[[np.ndarray], Sequence[tf.Tensor]], chunk: int, channels: int, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return features and logits of pixels in chunks of one size, with the net's number of channels.

    Chunks are divided among the devices of the strategy.
    """
    pixels = np.asarray(pixels)
    if channels == 3 and pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    full = np.pad(pixels, [(0, -len(pixels) % chunk), (0, 0), (0, 0), (0, 0)])
    outputs = strategies.each(infer, [full[start : start + chunk] for start in range(0, len(full), chunk)])
    features, *logits = (np.concatenate(parts)[: len(pixels)].astype(np.float32) for parts in zip(*outputs))
    return features, (logits[0] if logits else None)


@functools.cache
def _digits() -> Extractor:
    """Load a small classifier of handwritten digits: trained on the first 1,500 of scikit-learn's, tested on 297."""
    import tensorflow as tf

    net, path = _digits_net(), user_cache.folder() / f"digits_{DIGITS_SIZE}_{DIGITS_FEATURES}_{DIGITS_STEPS}.npz"
    arrays = None
    if path.is_file():
        try:
            arrays = atomic.load_arrays(path)
            net.set_weights([arrays[str(i)] for i in range(len(net.weights))])
        except (UserError, KeyError, ValueError, zipfile.BadZipFile):
            print(f"'{path}' is damaged: it is made anew", flush=True)
            arrays = None
    if arrays is None:
        print(f"training the classifier of digits, which is kept in '{path}'", flush=True)
        accuracy = _train_digits(net)
        arrays = {str(i): weight for i, weight in enumerate(net.get_weights())} | {"accuracy": np.float64(accuracy)}
        atomic.save_arrays(path, arrays)

    @tf.function(autograph=False)
    def infer(pixels):
        images = tf.reduce_mean(tf.cast(pixels, tf.float32), axis=-1, keepdims=True)
        return net(tf.image.resize(images, [DIGITS_SIZE] * 2, antialias=True) / 127.5 - 1, training=False)

    text = f"digits classifier, accuracy {float(arrays['accuracy']):.3f}, grey {DIGITS_SIZE}x{DIGITS_SIZE}"
    return Extractor(
        f"{text}, {DIGITS_FEATURES} features",
        _key(text, *net.get_weights()),
        DIGITS_FEATURES,
        10,
        functools.partial(_in_chunks, infer, 500, 1),
    )


def _digits_net() -> keras.Model:
    import keras

    seeds = keras.random.SeedGenerator(0)
    arguments = {"kernel_initializer": keras.initializers.HeUniform(seed=seeds), "activation": "relu"}
    inputs = x = keras.Input([DIGITS_SIZE, DIGITS_SIZE, 1])
    for filters in (16, 32):
        x = keras.layers.Conv2D(filters, 3, padding="same", **arguments)(x)
        x = keras.layers.MaxPooling2D()(x)
    features = keras.layers.Dense(DIGITS_FEATURES, **arguments)(keras.layers.Flatten()(x))
    logits = keras.layers.Dense(10, kernel_initializer=keras.initializers.GlorotUniform(seed=seeds))(features)
    return keras.Model(inputs, [features, logits])


def _train_digits(net: keras.Model) -> float:
    """Train on digits shifted by up to a pixel of their 8x8; return the accuracy on the digits left out."""
    import keras
    import tensorflow as tf

    from rpgan_tf.data import digits

    labels = digits.classes("digits").astype(np.int32)
    pixels = digits.images("digits", DIGITS_SIZE, 1).astype(np.float32) / 127.5 - 1
    part, rest = digits.PARTS["digits:train"], digits.PARTS["digits:test"]
    rate = keras.optimizers.schedules.CosineDecay(2e-3, DIGITS_STEPS)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(net.trainable_variables)

    @tf.function(autograph=False)
    def step(images, targets):
        with tf.GradientTape() as tape:
            logits = net(images, training=True)[1]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
        optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)

    random = np.random.RandomState(0)
    images, targets = pixels[part], labels[part]
    for _ in range(DIGITS_STEPS):
        chosen = random.randint(len(images), size=DIGITS_BATCH)
        shifts = random.randint(-2, 3, size=2)
        step(np.roll(images[chosen], shifts, axis=(1, 2)), targets[chosen])
    guesses = np.argmax(net(pixels[rest])[1], axis=1)
    return float(np.mean(guesses == labels[rest]))


def _key(text: str, *arrays: np.ndarray) -> str:
    """Return a short hash of a text and arrays."""
    digest = hashlib.sha256(text.encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
