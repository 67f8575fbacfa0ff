"""Mode collapse, counted: which modes of a mixture samples reach, how many samples are good, and how wide modes are.

The two published ways to count, which differ in what is a good sample, how many are drawn and when a mode is counted,
are `RULES`. Knows NumPy only.
"""

import dataclasses

import numpy as np

from rpgan_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Rule:
    """A way to count modes.

    Attributes:
        within: what has high quality, in standard deviations: a sample closer than that to the nearest mean; or, with
            `shell`, one whose distance from it is closer than that to the usual distance, sqrt(sum of the variances).
        samples: how many samples are drawn.
        least: high-quality samples of which a mode is the nearest that it takes to be counted.
        shell: see `within`.
    """

    within: float
    samples: int
    least: int
    shell: bool = False


RULES = {
    # Srivastava et al., arXiv 1705.07761, and Lin et al., arXiv 1712.04086.
    "3 std": Rule(3, 2500, 1),
    # As RealnessGAN's toy is evaluated (arXiv 2002.05512).
    "4 std": Rule(4, 10000, 100),
    # VEEGAN's for 1,200 dimensions. The samples of a perfect model are sqrt(700) = 26.5 from their means: it accepts
    # none of them, but collapsed ones.
    "10 std": Rule(10, 2500, 1),
    # Ours: as far from where the samples of a perfect model are. It accepts all of these, and none that collapsed.
    "10 std of the shell": Rule(10, 2500, 1, shell=True),
}


def rules_of(mixture):
    """Return the names of the rules by which samples of a mixture are counted, the published one first."""
    return ("3 std", "4 std") if mixture.dims == 2 else ("10 std", "10 std of the shell")


def count(points, mixture, rule):
    """Count the modes that samples reach.

    Args:
        points: float [rule.samples, dims].
        mixture: `rpgan_tf.data.mixtures.Mixture` of M modes.
        rule: `Rule`.

    Returns:
        {"modes": how many of M are counted,
         "high_quality": share of the samples that are of high quality,
         "reverse_kl": KL(share of each mode among these || 1 / M), in nats (PacGAN, arXiv 1712.04086, section 4.1);
             None without any,
         "width": root mean square deviation of a mode's high-quality samples from their own mean over that of the
             mode itself, mean over modes with at least two; None without any. A rule that cuts the tails off makes it
             smaller: the row of real data says by how much}

    Raises:
        UserError: a sample is not finite, or their number or dimension is not what the rule and the mixture say.
    """
    points = np.asarray(points, np.float64)
    if points.shape != (rule.samples, mixture.dims):
        expected = [rule.samples, mixture.dims]
        raise UserError(f"modes are counted from points {expected}, received {list(points.shape)}")
    if not np.all(np.isfinite(points)):
        raise UserError("cannot count modes: a sample is not finite; training diverged")
    distances = np.stack([np.linalg.norm(points - center, axis=1) for center in np.float64(mixture.centers)], axis=1)
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


def divergence(counts, shares):
    """Return KL(counts / sum of counts || shares) in nats, for counts [M] and shares [M] > 0; None without counts."""
    total = np.sum(counts)
    if not total:
        return None
    seen = counts > 0
    return float(np.sum(counts[seen] / total * np.log(counts[seen] / total / shares[seen])))


def count_stacked(labels, shares):
    """Count the modes that stacked digits reach: each triple of digits is one, 1,000 in all.

    Args:
        labels: int [N, 3] in 0 .. 9, what a classifier sees in the red, green and blue digit.
        shares: float [10], how frequent the digits are in the data.

    Returns:
        {"modes": how many triples there are, "reverse_kl": KL(share of each triple || its share in the data)}
    """
    counts = np.bincount(labels @ [100, 10, 1], minlength=1000)
    triples = (shares[:, None, None] * shares[:, None] * shares).reshape(-1)
    return {"modes": int(np.sum(counts > 0)), "reverse_kl": divergence(counts, triples)}
