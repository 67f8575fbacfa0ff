"""Measures generators and sets of images against a reference, with features that are kept in files.

Features of the reference are cached by its pixels and the extractor; features of a subject are kept until its row is
written, so that a killed evaluation resumes. Memory hardly grows with the number of images: see `metrics`.
"""

import hashlib
import pathlib
import types
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from rpgan_tf.data import labels
from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import feature_cache, features, image_sets, measures, protocol, subjects
from rpgan_tf.files import lpips_weights, provenance, run_logs
from rpgan_tf.sampling import pictures


def evaluate(
    options: types.SimpleNamespace,
    iteration: int | None = None,
    names: Sequence[str] = ("fid",),
    samples: int | None = None,
    reference: str = "train",
    extractor: str | None = None,
    seed: int = 0,
    statistics: str = "auto",
    again: bool = False,
) -> dict:
    """Measure the generator that a run saved at an iteration, None for the newest.

    Args:
        options: from `rpgan_tf.config`, of any experiment on images.
        names, samples, reference, extractor: as for `protocol.check`, with `names` for its metrics.
        seed: of the latents.
        statistics: as for `protocol.find_weights`.
        again: whether to repeat a measurement that has a row already.

    Returns:
        The row in `<wts_dir>/metrics.jsonl`, appended or found there.

    Raises:
        UserError: something is missing, does not fit, or cannot be measured.
    """
    evaluator = Evaluator(options, names, samples, reference, extractor)
    path, normalization = protocol.find_weights(options, iteration, statistics)
    return evaluator.measure(subjects.saved(options, path, normalization, seed), again)


class Evaluator:
    """Measures images by one protocol: metrics, reference, extractor.

    Args:
        options, names, samples, reference, extractor: as for `protocol.check`, with `names` for its metrics.

    Raises:
        UserError: as `protocol.check`.
    """

    def __init__(
        self,
        options: types.SimpleNamespace,
        names: Sequence[str] = ("fid",),
        samples: int | None = None,
        reference: str = "train",
        extractor: str | None = None,
    ) -> None:
        self.options, self.names, self.samples = options, tuple(names), samples
        self.split, source, name = protocol.check(options, self.names, samples, reference, extractor)
        if source.endswith(".npz"):
            real = image_sets.open_npz(source)
        else:
            real = image_sets.open_data(source, options, self.split == "train")
        self.extractor = features.find_extractor(name) if name else None
        self.lpips = lpips_weights.load_for_metric(options, "ppl_w") if "ppl_w" in self.names else {}
        classes = None
        if "intra_fid" in self.names:
            classes = labels.find("reference", source, options.num_classes).classes
        self.reference = measures.Reference(real, self.extractor, self.lpips, classes)
        is_few = (name or "").startswith(protocol.FEW_FEATURES)
        self.default = protocol.SAMPLES_OF_FEW if is_few else protocol.SAMPLES

    def measure(
        self, subject: subjects.Subject, again: bool = False, announce: Callable[[str], None] = lambda text: None
    ) -> dict:
        """Measure a subject unless it has a row of the same protocol.

        The row goes to `metrics.jsonl` in the subject's folder; numbers of a saved iteration also to TensorBoard.

        Args:
            subject: generator or set of images.
            again: whether to repeat a measurement that has a row already.
            announce: function of a line: the protocol before the computation, then each number, or a note that the
                measurement exists.

        Returns:
            The row.
        """
        count = self.samples or (self.default if subject.iteration is not None else None)
        images = subject.images(count)
        self.check_fit(images)
        row = self.describe(subject, images)
        protocol.check_statistics(self.names, "stored" if subject.generate else "batch")
        announce(row["protocol"])
        path = subject.folder / protocol.FILE
        known = None if again else protocol.find_row(path, row)
        if known:
            announce(f"measured already: {known['date']}, in {path}; --again measures it anew")
            return known
        part = feature_cache.path_of("fake", [row[key] for key in protocol.IDENTITY], "is" in self.names)
        row["values"] = self.compute(subject, images, part, announce)
        run_logs.append_record(path, row)
        part.unlink(missing_ok=True)
        if subject.iteration is not None:
            write_scalars(subject.folder, row)
        return row

    def check_fit(self, images: image_sets.ImageSet) -> None:
        """Raise a `UserError` if the images differ from the reference in size, or are too few for the FID."""
        real = self.reference.images
        if images.shape != real.shape:
            sizes = ["x".join(map(str, shape)) for shape in (real.shape, images.shape)]
            raise UserError(
                f"image sizes differ: the reference '{real.name}' has {sizes[0]}, '{images.name}' {sizes[1]} "
                "(height, width, channels); bring them to one size, as with --set resize=cover for a list or a folder"
            )
        fewest = min((images, real), key=lambda found: found.count)
        if "fid" in self.names and fewest.count <= self.reference.extractor.num_features:
            raise UserError(
                f"the FID needs more images than features: expected over {self.reference.extractor.num_features}, "
                f"'{fewest.name}' has {fewest.count}; set a larger --samples, take a larger reference, or kid"
            )

    def describe(self, subject: subjects.Subject, images: image_sets.ImageSet) -> dict:
        """Return the row of a measurement without its values."""
        real, record = self.reference.images, provenance.record(())
        del record["seeds"]
        keys = ("experiment", "iteration", "weights", "weights_hash", "seed", "prior", "statistics")
        row = {key: getattr(subject, key) for key in keys} | {
            "samples": images.count,
            "split": self.split,
            "reference": real.name,
            "reference_images": real.count,
            "reference_hash": self.reference.hash,
            "origin": real.origin,
            "size": list(images.shape),
            "rounding": pictures.ROUNDING,
            "extractor": self.extractor and self.extractor.name,
            "extractor_key": self.extractor and self.extractor.key,
            "lpips": f"{lpips_weights.net_of(self.lpips)} {subjects.hash_arrays(self.lpips)}" if self.lpips else None,
            "metrics": list(self.names),
            **protocol.SETTINGS,
            "swd_images": measures.swd_count(real, images),
            "num_classes": self.options.num_classes,
            **record,
        }
        return row | {"protocol": protocol.line(row)}

    def compute(
        self,
        subject: subjects.Subject,
        images: image_sets.ImageSet,
        part: pathlib.Path,
        announce: Callable[[str], None] = lambda text: None,
    ) -> measures.Numbers:
        """Compute the numbers of all metrics; features of the images go to the file `part`."""
        sample = measures.Sample(self.options, subject, images)
        if set(self.names) & measures.OF_FEATURES:
            extractor = self.reference.extractor
            rows = feature_cache.extract(part, images, extractor, "is" in self.names)
            sample = measures.Sample(self.options, subject, images, *np.split(rows, [extractor.num_features], axis=1))
        values: measures.Numbers = {}
        for name in self.names:
            found = measures.MEASURES[name](self.reference, sample)
            announce(text_of(found))
            values |= found
        return values


def write_scalars(folder: pathlib.Path, row: dict) -> None:
    """Write the numbers of a row to TensorBoard, as `metrics/<name>` at their iteration.

    Each protocol is a run of its own, named by its hash, so that no curve mixes protocols.
    """
    identity = [row[key] for key in protocol.IDENTITY if key != "weights_hash"]
    name = f"evaluation_{hashlib.sha256(repr(identity).encode()).hexdigest()[:8]}"
    writer = tf.summary.create_file_writer(str(folder / "tensorboard" / name))
    with writer.as_default(step=row["iteration"]):
        tf.summary.text("protocol", row["protocol"])
        for name, number in numbers(row).items():
            tf.summary.scalar(f"metrics/{name}", number)
    writer.close()


def numbers(row: dict) -> dict[str, float]:
    """Return {name: number} of a row, without errors that could not be estimated."""
    return {name: number for name, number in row["values"].items() if number is not None}


def text_of(found: Mapping[str, float | None]) -> str:
    """Return {name: number} as text."""
    return ", ".join(f"{name} {number:.4g}" for name, number in found.items() if number is not None)
