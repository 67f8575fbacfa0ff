"""Measure mode collapse: modes of a mixture that samples reach, share of high-quality samples, width of the modes.

`RULES` holds the published ways of counting. They differ in the distance at which a sample is of high quality, in the
number of samples, and in the number of them that makes a mode count. Needs only NumPy.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from rpgan_tf.data import mixtures
from rpgan_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Rule:
    """A way to count modes.

    Attributes:
        within: limit of high quality, in standard deviations: of the distance to the nearest mean or, with `shell`, of
            the difference between that distance and the usual one, sqrt(sum of the variances).
        samples: number of samples drawn.
        least: high-quality samples that a mode needs to be counted; each sample belongs to its nearest mode.
        shell: see `within`.
    """

    within: float
    samples: int
    least: int
    shell: bool = False


RULES = {
    # Srivastava et al., arXiv 1705.07761, and Lin et al., arXiv 1712.04086.
    "3 std": Rule(3, 2500, 1),
    # RealnessGAN's evaluation of its toy (arXiv 2002.05512).
    "4 std": Rule(4, 10000, 100),
    # VEEGAN's for 1,200 dimensions. It rejects all samples of a perfect model, whose distance to their means is about
    # sqrt(700) = 26.5 standard deviations, and accepts collapsed ones.
    "10 std": Rule(10, 2500, 1),
    # Ours: the same limit about the shell of samples of a perfect model. It accepts all of these and no collapsed ones.
    "10 std of the shell": Rule(10, 2500, 1, shell=True),
}


def rules_of(mixture: mixtures.Mixture) -> tuple[str, str]:
    """Return the names of the rules that count samples of a mixture, the published one first."""
    return ("3 std", "4 std") if mixture.dims == 2 else ("10 std", "10 std of the shell")


def count(points: np.ndarray, mixture: mixtures.Mixture, rule: Rule) -> dict:
    """Count the modes that samples reach.

    Args:
        points: float [rule.samples, dims].
        mixture: `rpgan_tf.data.mixtures.Mixture` of M modes.
        rule: `Rule`.

    Returns:
        {"modes": number of modes counted, of M,
         "high_quality": share of high-quality samples,
         "reverse_kl": KL(share of each mode among these || 1 / M), in nats (PacGAN, arXiv 1712.04086, section 4.1);
             None without any,
         "width": root mean square deviation of a mode's high-quality samples from their own mean, relative to the
             mode's own, averaged over modes with at least two samples; None without any. A rule that cuts off the tails
             lowers it: compare with real data}

    Raises:
        UserError: a sample is not finite, or the number or dimension of samples differs from the rule's or mixture's.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (rule.samples, mixture.dims):
        expected = [rule.samples, mixture.dims]
        raise UserError(f"modes are counted from points {expected}, received {list(points.shape)}")
    if not np.all(np.isfinite(points)):
        raise UserError("cannot count modes: a sample is not finite; training diverged")
    distances = np.stack(
        [np.linalg.norm(points - center, axis=1) for center in mixture.centers.astype(np.float64)], axis=1
    )
    nearest = np.argmin(distances, axis=1)
    width = np.sqrt(np.sum(np.float64(mixture.scales) ** 2))
    off = np.abs(distances[np.arange(len(points)), nearest] - (width if rule.shell else 0))
    good = off < rule.within * np.max(mixture.scales)
    counts = np.bincount(nearest[good], minlength=len(mixture.centers))
    ratios = [
        np.sqrt(np.sum(np.var(points[good & (nearest == mode)], axis=0, ddof=1))) / width
        for mode in np.flatnonzero(counts > 1)
    ]
    return {
        "modes": int(np.sum(counts >= rule.least)),
        "high_quality": float(np.mean(good)),
        "reverse_kl": divergence(counts, np.full(len(counts), 1 / len(counts))),
        "width": float(np.mean(ratios)) if ratios else None,
    }


def divergence(counts: np.ndarray, shares: np.ndarray) -> float | None:
    """Return KL(counts / sum of counts || shares) in nats, for counts [M] and shares [M] > 0; None without counts."""
    total = np.sum(counts)
    if not total:
        return None
    seen = counts > 0
    return float(np.sum(counts[seen] / total * np.log(counts[seen] / total / shares[seen])))


def count_stacked(labels: np.ndarray, shares: np.ndarray) -> dict:
    """Count the modes that stacked digits reach: the 1,000 triples of digits.

    Args:
        labels: int [N, 3] in 0 .. 9, the class of the red, green and blue digit.
        shares: float [10], share of each digit in the data.

    Returns:
        {"modes": number of triples found, "reverse_kl": KL(share of each triple || its share in the data), in nats}
    """
    counts = np.bincount(labels @ [100, 10, 1], minlength=1000)
    triples = (shares[:, None, None] * shares[:, None] * shares).reshape(-1)
    return {"modes": int(np.sum(counts > 0)), "reverse_kl": divergence(counts, triples)}
