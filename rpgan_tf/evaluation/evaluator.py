"""Measuring generators and sets of images: against a reference, by features that are kept in files.

Features of the reference are cached by its pixels and the extractor; those of what is measured only until its row is
written, so that an evaluation that was killed goes on. Memory hardly grows with the number of images: see `metrics`.
"""

import functools
import hashlib
import pathlib

import keras
import numpy as np
import tensorflow as tf
import tqdm

from rpgan_tf import checkpoint
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import feature_cache, features, image_sets, metrics, protocol, subjects
from rpgan_tf.files import lpips_weights
from rpgan_tf.nets.lpips import LPIPS, at_most_256
from rpgan_tf.sampling import generators, pictures, w_codes
from rpgan_tf.studies import training_runs


def evaluate(
    options,
    iteration=None,
    names=("fid",),
    samples=None,
    reference="train",
    extractor=None,
    seed=0,
    statistics="auto",
    again=False,
):
    """Measure the generator that a run saved in an iteration, None for the newest.

    Args:
        options: from `rpgan_tf.config`, of any experiment on images.
        names, samples, reference, extractor: of metrics, and as `protocol.check` takes them.
        seed: int, of the latents.
        statistics: as `protocol.find_weights` takes them.
        again: bool, measure what has been measured by the same protocol, too.

    Returns:
        The row that was appended to `<wts_dir>/metrics.jsonl`, or is there already.

    Raises:
        UserError: something is not there, does not fit, or cannot be measured.
    """
    evaluator = Evaluator(options, names, samples, reference, extractor)
    path, normalization = protocol.find_weights(options, iteration, statistics)
    return evaluator.measure(subjects.saved(options, path, normalization, seed), again)


class Evaluator:
    """Measures images by one protocol: metrics, reference, extractor.

    Args and errors are those of `protocol.check`.
    """

    def __init__(self, options, names=("fid",), samples=None, reference="train", extractor=None):
        self.options, self.names, self.samples = options, tuple(names), samples
        self.split, source, name = protocol.check(options, self.names, samples, reference, extractor)
        if source.endswith(".npz"):
            self.real = image_sets.open_npz(source)
        else:
            self.real = image_sets.open_data(source, options, self.split == "train")
        self.extractor = features.find(name) if name else None
        self.lpips = lpips_weights.load_for_metric(options, "ppl_w") if "ppl_w" in self.names else None
        self.real_hash = self.real.hash()
        self.default = protocol.SAMPLES_OF_DIGITS if name == "digits" else protocol.SAMPLES

    def measure(self, subject, again=False, announce=lambda text: None):
        """Measure a `Subject`, unless there is a row of the same protocol already and not `again`.

        The row goes to `metrics.jsonl` in its folder, and what a generator of an iteration has to TensorBoard.

        Args:
            subject: `Subject`.
            again: bool.
            announce: function that is given lines: the protocol before anything is computed, then each number, or that
                nothing needs to be computed.

        Returns:
            The row.
        """
        count = self.samples or (self.default if subject.iteration is not None else None)
        fake = subject.images(count)
        row = self.describe(subject, fake)
        protocol.check_statistics(self.names, "stored" if subject.generate else "batch")
        announce(row["protocol"])
        path = subject.folder / protocol.FILE
        known = None if again else protocol.find_row(path, row)
        if known:
            announce(f"measured already: {known['date']}, in {path}; --again measures it anew")
            return known
        part = feature_cache.path_of("fake", [row[key] for key in protocol.IDENTITY], "is" in self.names)
        row["values"] = self.compute(subject, fake, part, announce)
        protocol.append(path, row)
        part.unlink(missing_ok=True)
        if subject.iteration is not None:
            write_scalars(subject.folder, row)
        return row

    def describe(self, subject, fake):
        """Return the row without its numbers; raises `UserError` if sizes differ, or there are too few images."""
        if fake.shape != self.real.shape:
            sizes = ["x".join(map(str, shape)) for shape in (self.real.shape, fake.shape)]
            raise UserError(
                f"image sizes differ: the reference '{self.real.name}' has {sizes[0]}, '{fake.name}' {sizes[1]} "
                "(height, width, channels); bring them to one size, as with --set resize=cover for a list or a folder"
            )
        fewest = min((fake, self.real), key=lambda found: found.count)
        if "fid" in self.names and fewest.count <= self.extractor.num_features:  # told before hours of work
            raise UserError(
                f"the FID needs more images than features: expected over {self.extractor.num_features}, "
                f"'{fewest.name}' has {fewest.count}; set a larger --samples, take a larger reference, or kid"
            )
        record = training_runs.record(())
        del record["seeds"]
        keys = ("experiment", "iteration", "weights", "weights_hash", "seed", "prior", "statistics")
        row = {key: getattr(subject, key) for key in keys} | {
            "samples": fake.count,
            "split": self.split,
            "reference": self.real.name,
            "reference_images": self.real.count,
            "reference_hash": self.real_hash,
            "origin": self.real.origin,
            "size": list(fake.shape),
            "rounding": image_sets.ROUNDING,
            "extractor": self.extractor and self.extractor.name,
            "extractor_key": self.extractor and self.extractor.key,
            "lpips": self.lpips and f"{lpips_weights.net_of(self.lpips)} {subjects.hash_arrays(self.lpips)}",
            "metrics": list(self.names),
            **protocol.SETTINGS,
            "swd_images": min(self.real.count, fake.count, protocol.SETTINGS["swd_images"]),
            **record,
        }
        return row | {"protocol": protocol.line(row)}

    def compute(self, subject, fake, part, announce):
        """Return {name: number, None if it could not be estimated}; the features of `fake` go to the file `part`."""
        fakes = logits = None
        if set(self.names) & {"fid", "kid", "is", "pr", "dc"}:
            rows = feature_cache.extract(part, fake, self.extractor, "is" in self.names)
            fakes, logits = np.split(rows, [self.extractor.num_features], axis=1)
        values = {}
        for name in self.names:
            found = self.number(name, subject, fake, fakes, logits)
            found = {key: float(value) for key, value in found.items()}
            if np.isnan(found.get("kid_error", 0)):  # of a single block
                found["kid_error"] = None
            announce(text_of(found))
            values |= found
        return values

    def number(self, name, subject, fake, fakes, logits):
        """Return {name: number} of a metric, of images, their features [N, d] and logits."""
        settings = protocol.SETTINGS
        if name == "fid":
            return {"fid": metrics.frechet_distance(self.real_moments, feature_cache.moments(fakes))}
        if name == "kid":
            return dict(zip(("kid", "kid_error"), metrics.kernel_distance(self.reals, fakes, settings["kid_block"])))
        if name == "is":
            return dict(zip(("is", "is_std"), metrics.inception_score(logits, settings["is_splits"])))
        if name == "pr":
            found = metrics.precision_recall(self.reals, fakes, settings["pr_k"])
            return dict(zip(("precision", "recall"), found))
        if name == "dc":
            return dict(zip(("density", "coverage"), metrics.density_coverage(self.reals, fakes, settings["dc_k"])))
        if name == "ppl_w":
            return {"ppl_w": self.path_length_in_w(subject, fake.count)}
        if name == "swd":
            return self.sliced_wasserstein(fake, min(self.real.count, fake.count, settings["swd_images"]))
        return {"ppl": self.path_length(subject, fake.count)}

    def sliced_wasserstein(self, fake, count):
        """Return {"swd": mean over the resolutions, "swd_16": ..} of `count` images of each."""
        few = fake._replace(count=count) if fake.origin == "generated" else fake.spread(count)
        distances = metrics.sliced_wasserstein(self.real.spread(count), few)
        return {"swd": np.mean(list(distances.values()))} | {f"swd_{size}": each for size, each in distances.items()}

    def path_length(self, subject, count):
        """Return the perceptual path length, of latents of their own."""
        options = self.options
        z_0, z_1 = (pictures.latents([subject.seed, i], options.zlen, count, options.prior) for i in (1, 2))
        t = np.float32(np.random.RandomState([subject.seed, 3]).rand(count))
        path = "slerp" if options.prior == "normal" else "lerp"
        epsilon = protocol.SETTINGS["ppl_epsilon"]
        return metrics.path_length(subject.generate, z_0, z_1, t, self.extractor, path, epsilon)

    def path_length_in_w(self, subject, count):
        """Return the path length in w, of latents of their own; noise is new for each batch, the same at both ends."""
        options, seed = self.options, subject.seed
        generator, lpips = w_codes.load(options, pathlib.Path(subject.weights), full=True), LPIPS(self.lpips)
        labels = generators.labels(options, count, [seed, 4])
        codes = []
        for i in (1, 2):
            z = pictures.latents([seed, i], options.zlen, count, options.prior)
            codes.append(generators.in_chunks(generator.codes, np.concatenate([z, labels], axis=1)))

        @tf.function(reduce_retracing=True)
        def synthesize(codes, noise):
            return at_most_256(generator.synthesize(codes, noise)[0])

        epsilon, distance = protocol.SETTINGS["ppl_epsilon"], tf.function(lpips, reduce_retracing=True)
        noise_of = functools.partial(tf.random.fold_in, [seed, 5])
        return metrics.path_length_in_w(lambda w, i: synthesize(w, noise_of(i)), *codes, distance, epsilon)

    @functools.cached_property
    def real_path(self):
        """The file of the reference's features."""
        return feature_cache.path_of("real", self.real_hash, self.extractor.key)

    @functools.cached_property
    def reals(self):
        """Features of the reference, np.memmap float32 [N, d]."""
        return feature_cache.extract(self.real_path, self.real, self.extractor)

    @functools.cached_property
    def real_moments(self):
        """Moments of the features of the reference."""
        return feature_cache.kept_moments(self.real_path, self.reals)


def write_scalars(folder, row):
    """Write the numbers of a row to TensorBoard, as `metrics/<name>` at their iteration.

    Each protocol is a run of its own, so that no curve joins numbers of two; its name is a hash.
    """
    identity = [row[key] for key in protocol.IDENTITY if key != "weights_hash"]
    name = f"evaluation_{hashlib.sha256(repr(identity).encode()).hexdigest()[:8]}"
    writer = tf.summary.create_file_writer(str(folder / "tensorboard" / name))
    with writer.as_default(step=row["iteration"]):
        tf.summary.text("protocol", row["protocol"])
        for name, number in numbers(row).items():
            tf.summary.scalar(f"metrics/{name}", number)
    writer.close()


def numbers(row):
    """Return {name: number} of what a row has measured; an error that could not be estimated is left out."""
    return {name: number for name, number in row["values"].items() if number is not None}


def text_of(found):
    """Return {name: number} as text."""
    return ", ".join(f"{name} {number:.4g}" for name, number in found.items() if number is not None)


class Evaluate(keras.callbacks.Callback):
    """Measure the generator every `evaluate_every` iterations, after the save, and once more where that was killed.

    Training is left as it was: nothing that it draws or computes is touched.
    """

    def __init__(self, options):
        super().__init__()
        self.options = options

    def on_train_begin(self, logs=None):
        self.evaluator = Evaluator(self.options, *protocol.check_run(self.options))
        self.on_train_batch_end(None)

    def on_train_batch_end(self, batch, logs=None):
        options, iteration = self.options, int(self.model.iteration.numpy())
        if iteration == 0 or iteration % options.evaluate_every:
            return
        path = checkpoint.path_of(options.wts_dir, iteration, "ema" if options.ema else "gmodel")
        sampler = self.model.sampler
        statistics = "batch" if options.net == generators.FIXED_BY_FIXBN else "stored"
        subject = subjects.generated(
            options, path, sampler.get_arrays(), lambda z: generators.generate(sampler, z, options), statistics
        )
        row = self.evaluator.measure(subject)
        tqdm.tqdm.write(f"iteration {iteration}: {text_of(numbers(row))}")
