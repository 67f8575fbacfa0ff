"""The numbers of each metric: a sample against the reference, with the settings of the protocol."""

import dataclasses
import functools
import pathlib
import types
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from rpgan_tf.errors import UserError
from rpgan_tf.evaluation import feature_cache, image_sets, metrics, protocol, subjects
from rpgan_tf.evaluation.features import Extractor
from rpgan_tf.nets.lpips import LPIPS, at_most_256
from rpgan_tf.sampling import generators, latents, w_codes

Numbers = dict[str, float | None]  # by name; None if it cannot be estimated


class Reference:
    """The images that samples are measured against, and their features, which are kept in files.

    Args:
        images: the images.
        extractor: of features; None if no metric needs any.
        lpips: weights of LPIPS; empty if no metric needs them.
        classes: int [N], of the images; None if no metric needs them.
    """

    def __init__(
        self,
        images: image_sets.ImageSet,
        extractor: Extractor | None,
        lpips: dict[str, np.ndarray],
        classes: np.ndarray | None = None,
    ) -> None:
        self.images, self._extractor, self._lpips, self.classes = images, extractor, lpips, classes
        self.hash = images.hash()

    @property
    def extractor(self) -> Extractor:
        """Extractor of features; raises `ValueError` if there is none."""
        if self._extractor is None:
            raise ValueError("expected an extractor for metrics of features, received None")
        return self._extractor

    @property
    def lpips(self) -> Mapping[str, np.ndarray]:
        """Weights of LPIPS; raises `ValueError` if there are none."""
        if self._lpips is None:
            raise ValueError("expected weights of LPIPS for path lengths in w, received None")
        return self._lpips

    @functools.cached_property
    def path(self) -> pathlib.Path:
        """File of the features."""
        return feature_cache.path_of("real", self.hash, self.extractor.key)

    @functools.cached_property
    def features(self) -> np.ndarray:
        """Features, np.memmap float32 [N, d]."""
        return feature_cache.extract(self.path, self.images, self.extractor)

    @functools.cached_property
    def moments(self) -> metrics.Moments:
        """Moments of the features."""
        return feature_cache.kept_moments(self.path, self.features)


@dataclasses.dataclass(frozen=True)
class Sample:
    """Images of a subject.

    Attributes:
        options: of the subject, from `rpgan_tf.config`.
        subject: source of the images.
        images: the images.
        features: [N, d]; empty if no metric needs them.
        logits: [N, num_classes]; empty if no metric needs them.
    """

    options: types.SimpleNamespace
    subject: subjects.Subject
    images: image_sets.ImageSet
    features: np.ndarray = dataclasses.field(default_factory=lambda: np.empty([0, 0]))
    logits: np.ndarray = dataclasses.field(default_factory=lambda: np.empty([0, 0]))

    @functools.cached_property
    def classes(self) -> np.ndarray:
        """Classes of a generator's images, int [N]; raises `ValueError` without labels."""
        labels = self.subject.labels and self.subject.labels(self.images.count)
        if labels is None:
            raise ValueError("expected a generator with labels, received one without, or a set of images")
        return np.argmax(labels, axis=1)

    def latents(self, number: int) -> np.ndarray:
        """Draw latents [N, zlen] of a generator's seed, for a path length; `number` tells draws apart."""
        return latents.draw([self.seed, number], self.options.zlen, self.images.count, self.options.prior)

    @property
    def seed(self) -> int:
        """Seed of a generator; raises `ValueError` for a set of images."""
        if self.subject.seed is None:
            raise ValueError("expected a generator, received a set of images")
        return self.subject.seed


def fid(reference: Reference, sample: Sample) -> Numbers:
    """Return the Frechet distance of features."""
    return {"fid": metrics.frechet_distance(reference.moments, feature_cache.moments(sample.features))}


def intra_fid(reference: Reference, sample: Sample) -> Numbers:
    """Return the mean over the classes of the FIDs of their images (arXiv 1802.05637, section 4), and each of them.

    Raises:
        UserError: a class has too few images for its FID.
    """
    if reference.classes is None:
        raise ValueError("expected a reference with classes, received one without")
    sides = (reference.features, reference.classes, "real"), (sample.features, sample.classes, "generated")
    fids, counts = {}, {}
    for number in range(sample.options.num_classes):
        moments = []
        for features, classes, kind in sides:
            rows = features[classes == number]
            if len(rows) <= features.shape[1]:
                raise UserError(
                    f"the FID of a class needs more images than features: expected over {features.shape[1]}, class "
                    f"{number} has {len(rows)} {kind} ones; set a larger --samples, or take a larger reference"
                )
            moments.append(feature_cache.moments(rows))
            counts[f"{kind}_{number}"] = float(len(rows))
        fids[f"fid_{number}"] = metrics.frechet_distance(*moments)
    return {"intra_fid": float(np.mean(list(fids.values()))), **fids, **counts}


def kid(reference: Reference, sample: Sample) -> Numbers:
    """Return the kernel distance of features, and its standard error, None for a single block."""
    distance, error = metrics.kernel_distance(reference.features, sample.features, protocol.KID_BLOCK)
    return {"kid": distance, "kid_error": None if np.isnan(error) else error}


def inception_score(reference: Reference, sample: Sample) -> Numbers:
    """Return the Inception score of logits, and its deviation over splits."""
    del reference
    mean, deviation = metrics.inception_score(sample.logits, protocol.IS_SPLITS)
    return {"is": mean, "is_std": deviation}


def precision_recall(reference: Reference, sample: Sample) -> Numbers:
    """Return precision and recall of features."""
    precision, recall = metrics.precision_recall(reference.features, sample.features, protocol.PR_K)
    return {"precision": precision, "recall": recall}


def density_coverage(reference: Reference, sample: Sample) -> Numbers:
    """Return density and coverage of features."""
    density, coverage = metrics.density_coverage(reference.features, sample.features, protocol.DC_K)
    return {"density": density, "coverage": coverage}


def swd_count(real: image_sets.ImageSet, fake: image_sets.ImageSet) -> int:
    """Return how many images of each set sliced Wasserstein distances compare."""
    return min(real.count, fake.count, protocol.SWD_IMAGES)


def sliced_wasserstein(reference: Reference, sample: Sample) -> Numbers:
    """Return {"swd": mean over the resolutions, "swd_16": ...}."""
    real, fake = reference.images, sample.images
    count = swd_count(real, fake)
    few = dataclasses.replace(fake, count=count) if fake.origin == "generated" else fake.spread(count)
    distances = metrics.sliced_wasserstein(real.spread(count), few)
    numbers: Numbers = {"swd": float(np.mean(list(distances.values())))}
    return numbers | {f"swd_{size}": distance for size, distance in distances.items()}


def path_length(reference: Reference, sample: Sample) -> Numbers:
    """Return the perceptual path length, with latents of its own."""
    if sample.subject.generate is None:
        raise ValueError("expected a generator with stored statistics, received one that normalizes by the batch")
    t = np.random.RandomState([sample.seed, 3]).rand(sample.images.count).astype(np.float32)
    path = "slerp" if sample.options.prior == "normal" else "lerp"
    ends = sample.latents(1), sample.latents(2)
    found = metrics.path_length(
        sample.subject.generate, *ends, t, reference.extractor, path=path, epsilon=protocol.PPL_EPSILON
    )
    return {"ppl": found}


def path_length_in_w(reference: Reference, sample: Sample) -> Numbers:
    """Return the path length in w, with latents of its own; both ends of a path have the same noise."""
    generator = w_codes.load(sample.options, pathlib.Path(sample.subject.weights), full=True)
    labels = latents.labels(sample.options, sample.images.count, [sample.seed, 4])
    w_0, w_1 = (generators.in_chunks(generator.codes, sample.latents(number), labels) for number in (1, 2))

    @tf.function(reduce_retracing=True)
    def synthesize(codes, noise):
        return at_most_256(generator.synthesize(codes, noise)[0])

    noise_of = functools.partial(tf.random.fold_in, [sample.seed, 5])
    distance = tf.function(LPIPS(reference.lpips), reduce_retracing=True)
    found = metrics.path_length_in_w(
        lambda w, i: synthesize(w, noise_of(i)), w_0, w_1, distance, epsilon=protocol.PPL_EPSILON
    )
    return {"ppl_w": found}


MEASURES: dict[str, Callable[[Reference, Sample], Numbers]] = {
    "fid": fid,
    "intra_fid": intra_fid,
    "kid": kid,
    "is": inception_score,
    "swd": sliced_wasserstein,
    "pr": precision_recall,
    "dc": density_coverage,
    "ppl": path_length,
    "ppl_w": path_length_in_w,
}
OF_FEATURES = {"fid", "intra_fid", "kid", "is", "pr", "dc"}
