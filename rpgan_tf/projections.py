"""Random projections: the fixed filters through which RP-GAN's discriminators see images or points.

Files have the original's layout: `nfilt` (K), and for each i in 0..K-1 `p{i}` float32 [k, k, C, numf] and its stride
`s{i}`. A point is an image of 1x1 pixel with a channel for each coordinate, so that its filters are [1, 1, dims, numf]
of stride 1. Needs NumPy only, so that files are checked before TensorFlow is imported.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

MEND = "make one with tools/rproj.py (see filts/README.md)"


@dataclasses.dataclass(frozen=True)
class Projections:
    """K projections of one shape: `kernels` float32 [K, k, k, C, numf] and their common `stride`."""

    kernels: np.ndarray
    stride: int
    moving: bool = False  # whether a bank has others later, of the same shape

    def moved(self, number: int | None = None) -> Projections:
        """Return the first `number`, None for all, for a bank whose projections change."""
        return Projections(self.kernels[:number], self.stride, moving=True)

    @property
    def padding(self) -> int:
        """Zeros on each side of the image, so that the projection has 1/stride of its size."""
        return (self.kernels.shape[1] - self.stride) // 2


def draw(groups: Sequence[Sequence[int]], seed: int, channels: int = 3) -> dict[str, np.ndarray]:
    """Draw random filters as RP-GAN does (arXiv 1705.07831, section 3).

    Args:
        groups: each (k, stride, numf, K): K projections by k x k filters with numf output channels.
        seed: the same seed gives the same filters.
        channels: channels of the images, or coordinates of the points.

    Returns:
        arrays in the layout of `filts.npz`: i.i.d. N(0, 1), each output channel scaled to unit L2 norm.
    """
    random = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {}
    for k, stride, num_channels, num_projections in groups:
        for _ in range(num_projections):
            kernel = random.standard_normal((k, k, channels, num_channels))
            kernel /= np.sqrt(np.sum(kernel**2, axis=(0, 1, 2)))
            i = len(arrays) // 2
            arrays[f"p{i}"], arrays[f"s{i}"] = kernel.astype(np.float32), np.array(stride, np.int64)
    return arrays | {"nfilt": np.array(len(arrays) // 2, np.int64)}


def to_arrays(kernels: np.ndarray, stride: int) -> dict[str, np.ndarray]:
    """Return kernels [K, k, k, C, numf] of one stride in the layout of `filts.npz`."""
    arrays: dict[str, np.ndarray] = {"nfilt": np.array(len(kernels), np.int64)}
    for i, kernel in enumerate(kernels):
        arrays[f"p{i}"], arrays[f"s{i}"] = kernel, np.array(stride, np.int64)
    return arrays


def load(path: str | pathlib.Path) -> Projections:
    """Read K projections of equal size, stride and channels.

    Raises:
        UserError: the file is missing or no filter file, or its projections differ in shape.
    """
    if not pathlib.Path(path).is_file():
        raise UserError(f"filters not found: expected a file '{path}'; {MEND}, or set filts= to another file")
    arrays = atomic.load_arrays(path)
    try:
        indices = range(int(arrays["nfilt"]))
        each, strides = [arrays[f"p{i}"] for i in indices], [int(arrays[f"s{i}"]) for i in indices]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"'{path}' is not a filter file (nfilt, p0, s0, p1, s1, ...): {error}; {MEND}") from None
    shapes = {(kernel.shape, stride) for kernel, stride in zip(each, strides)}
    if len(shapes) != 1:
        listed = ", ".join(f"{'x'.join(map(str, shape))} stride {stride}" for shape, stride in sorted(shapes))
        raise UserError(
            f"'{path}': training needs projections of one size, stride and number of channels; "
            f"it has {listed or 'none'}; {MEND} with a single group"
        )
    kernels = np.stack(each).astype(np.float32)
    if kernels.ndim != 5 or kernels.shape[1] != kernels.shape[2] or not kernels.size:
        raise UserError(f"'{path}': expected filters [k, k, C, numf], received {kernels.shape[1:]}; {MEND}")
    return Projections(kernels, strides[0])


def check_fit(projections: Projections, image_size: int, path: str | pathlib.Path, channels: int = 3) -> None:
    """Raise a `UserError` unless discriminators can be built on projections of the data.

    Args:
        projections: of one shape.
        image_size: height and width of the images; 1 for points.
        path: their file, for the message.
        channels: channels of the images, or coordinates of the points.
    """
    k, stride, received = projections.kernels.shape[1], projections.stride, projections.kernels.shape[3]
    if received != channels:
        raise UserError(
            f"'{path}' does not fit: expected filters for the {channels} channels of the data, received some for "
            f"{received}; set filts= to another file, or make one with tools/rproj.py --channels {channels}"
        )
    if image_size == 1:
        if (k, stride) != (1, 1):
            raise UserError(
                f"'{path}' does not fit points: expected filters of size 1 with stride 1, received size {k} with "
                f"stride {stride}; make others, as with tools/rproj.py OUT.npz 1,1,1,12 --channels {channels}"
            )
        return
    if stride < 1 or k < stride or (k - stride) % 2:
        raise UserError(
            f"'{path}': filters of size {k} with stride {stride} do not fit: expected an even size - stride >= 0; "
            "make others with tools/rproj.py"
        )
    size = image_size // stride
    if image_size % stride or size < 2 or size & (size - 1):
        raise UserError(
            f"'{path}' does not fit imsz = {image_size}: imsz / stride must be a power of two >= 2, received "
            f"{image_size} / {stride}; change imsz, or make filters of another stride with tools/rproj.py"
        )


def check_chunk(chunk: int | None, num_discriminators: int) -> None:
    """Raise a `UserError` unless `chunk` discriminators at a time, None for all, make up their number."""
    if num_discriminators % (chunk or 1):
        divisors = [n for n in range(1, num_discriminators + 1) if num_discriminators % n == 0]
        raise UserError(
            f"K = {num_discriminators} discriminators cannot be computed {chunk} at a time: expected chunk of "
            f"{', '.join(map(str, divisors))}; set one of these, or None for all at once"
        )


def check_active(active: int | None, num_discriminators: int) -> None:
    """Raise a `UserError` unless so many discriminators, None for all, can take part in an iteration."""
    if active and active > num_discriminators:
        raise UserError(
            f"active = {active} of K = {num_discriminators} discriminators cannot take part in an iteration: expected "
            f"1 to {num_discriminators}, or None for all; set fewer, or filts with more projections"
        )


def check_division(num_discriminators: int, num_devices: int, active: int | None = None) -> None:
    """Raise a `UserError` unless the discriminators, and those that take part, can be divided among the devices."""
    if active and active % num_devices:
        raise UserError(
            f"active = {active} discriminators cannot be divided among {num_devices} devices: expected a multiple, "
            "since each trains as many of its own; take another number, or divide = 'batch'"
        )
    if num_discriminators % num_devices:
        raise UserError(
            f"K = {num_discriminators} discriminators cannot be divided among {num_devices} devices: expected a "
            "multiple; take other filts, another number of devices, or divide = 'batch'"
        )


def keep(path: str | pathlib.Path, wts_dir: str | pathlib.Path) -> None:
    """Copy the filters of a run to `<wts_dir>/filts.npz`, where the original looks for them."""
    kept = pathlib.Path(wts_dir) / "filts.npz"
    if not kept.exists() or not kept.samefile(path):
        atomic.write(kept, lambda file: file.write(pathlib.Path(path).read_bytes()))


def check_kept(projections: Projections, path: str | pathlib.Path, wts_dir: str | pathlib.Path) -> None:
    """Raise a `UserError` if the run in `wts_dir` was started with filters other than those of `path`."""
    kept = pathlib.Path(wts_dir) / "filts.npz"
    if not kept.exists() or not any(pathlib.Path(wts_dir).glob("iter_*.dmodel.npz")):
        return
    trained = load(kept)
    if trained.stride != projections.stride or not np.array_equal(trained.kernels, projections.kernels):
        raise UserError(
            f"'{path}' differs from '{kept}', with which the discriminators in '{wts_dir}' were trained; "
            f"go on with --set filts={kept}, or start a new run with --set wts_dir=..."
        )
