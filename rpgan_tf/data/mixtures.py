"""Mixtures of Gaussians with known modes: toy data for counting mode coverage.

Needs no TensorFlow, so that an experiment is checked before TensorFlow is imported.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from rpgan_tf.data import names
from rpgan_tf.errors import UserError, nearest


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """M equally likely Gaussians with independent coordinates.

    Attributes:
        centers: float32 [M, dims], the means.
        scales: float32 [dims], the standard deviation of each coordinate, the same for all M.
    """

    centers: np.ndarray
    scales: np.ndarray

    @property
    def dims(self) -> int:
        """Number of coordinates."""
        return self.centers.shape[1]

    def points(self, count: int, seed: int) -> np.ndarray:
        """Draw points float32 [count, dims]; the same seed, int >= 0, gives the same points."""
        random = np.random.default_rng(seed)
        centers = self.centers[random.integers(len(self.centers), size=count)]
        return centers + self.scales * random.standard_normal((count, self.dims), np.float32)


def ring8() -> Mixture:
    """Return eight modes on the unit circle, as PacGAN's code has them (Lin et al., arXiv 1712.04086).

    The angles are 2 pi i / 8. Demos that take linspace(0, 2 pi, 8) have seven modes, one of twice the weight.
    """
    angles = 2 * np.pi * np.arange(8) / 8
    return _mixture(np.stack([np.cos(angles), np.sin(angles)], axis=1), [0.01] * 2)


def grid25() -> Mixture:
    """Return 5x5 modes two apart, as PacGAN's code has them (Lin et al., arXiv 1712.04086)."""
    return _mixture(_grid([-4, -2, 0, 2, 4]), [0.05] * 2)


def grid9() -> Mixture:
    """Return the 3x3 modes of RealnessGAN's toy (Xiangli et al., arXiv 2002.05512, figure 2).

    The paper's figure shows the centers; the standard deviation 0.05 is that of evaluation scripts.
    """
    return _mixture(_grid([-2, 0, 2]), [0.05] * 2)


def high_dimensional() -> Mixture:
    """Return ten modes of 700 dimensions in a space of 1,200, with the means of PacGAN's code (arXiv 1712.04086).

    The benchmark is VEEGAN's (Srivastava et al., arXiv 1705.07761). A mode's mean is the same in every coordinate; 700
    coordinates have unit variance, here the first 700, and the other 500 none.
    """
    means = [-1, -0.5, 0, 0.5, -2, -2.5, 10, 0.25, -13, -5.5]
    return _mixture(np.repeat(np.array(means)[:, None], 1200, axis=1), [1] * 700 + [0] * 500)


MIXTURES = {"ring8": ring8, "grid25": grid25, "grid9": grid9, "1200d": high_dimensional}


@functools.cache
def find(lfile: str) -> Mixture:
    """Return the `Mixture` that `lfile` names: "mixture:<name>", or "mixture:<name>:test" for held-out points of it.

    Raises:
        UserError: there is no such mixture.
    """
    name = lfile.removeprefix(names.MIXTURE).removesuffix(names.HELD_OUT)
    if not names.is_mixture(lfile) or name not in MIXTURES:
        hint = nearest(name, MIXTURES)
        raise UserError(f"no mixture '{lfile}': expected mixture:<name> or mixture:<name>:test; {hint}")
    return MIXTURES[name]()


def _mixture(centers: np.ndarray, scales: Sequence[float]) -> Mixture:
    return Mixture(np.asarray(centers, np.float32), np.asarray(scales, np.float32))


def _grid(values: Sequence[float]) -> np.ndarray:
    """Return all pairs of values [n^2, 2]."""
    return np.stack(np.meshgrid(values, values, indexing="ij"), axis=-1).reshape(-1, 2)
