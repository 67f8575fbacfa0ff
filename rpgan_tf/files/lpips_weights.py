"""Weights of LPIPS in a file, and which runs need them. Needs no TensorFlow: mistakes are reported at once."""

import types
from collections.abc import Mapping

import numpy as np

from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

# Stages of torchvision's nets: (size of the max pooling in front, {number in its `features`: kernel}). LPIPS compares
# the features after the last ReLU of each stage.
Kernels = dict[int, tuple[int, int, int, int]]
STAGES: dict[str, tuple[tuple[int | None, Kernels], ...]] = {
    "alex": (
        (None, {0: (11, 11, 3, 64)}),
        (3, {3: (5, 5, 64, 192)}),
        (3, {6: (3, 3, 192, 384)}),
        (None, {8: (3, 3, 384, 256)}),
        (None, {10: (3, 3, 256, 256)}),
    ),
    "vgg": (
        (None, {0: (3, 3, 3, 64), 2: (3, 3, 64, 64)}),
        (2, {5: (3, 3, 64, 128), 7: (3, 3, 128, 128)}),
        (2, {10: (3, 3, 128, 256), 12: (3, 3, 256, 256), 14: (3, 3, 256, 256)}),
        (2, {17: (3, 3, 256, 512), 19: (3, 3, 512, 512), 21: (3, 3, 512, 512)}),
        (2, {24: (3, 3, 512, 512), 26: (3, 3, 512, 512), 28: (3, 3, 512, 512)}),
    ),
}
SMALLEST = {"alex": 31, "vgg": 16}  # pixels of an image that leave the last stage one
FAKE_LOSS = {"image": "lpips", "features": "cosine"}  # default of GLeaD's fake_loss by fake_target
MAKE = "make it with tools/convert_lpips.py"


def shapes(net: str) -> dict[str, tuple[int, ...]]:
    """Return {name: shape} of the arrays of "alex" or "vgg": kernels [h, w, in, out], weights of channels [C]."""
    found: dict[str, tuple[int, ...]] = {}
    for i, (_, kernels) in enumerate(STAGES[net]):
        for number, shape in kernels.items():
            found |= {f"features/{number}/kernel": shape, f"features/{number}/bias": shape[-1:]}
        found[f"lin{i}"] = shape[-1:]
    return found


def net_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the net that arrays belong to, "alex" or "vgg", by its number of layers."""
    return "vgg" if "features/28/kernel" in arrays else "alex"


def load(path: str) -> dict[str, np.ndarray]:
    """Read the weights of LPIPS.

    Returns:
        {name: array} with the names and shapes of `shapes`.

    Raises:
        UserError: the file is missing or damaged, or has other arrays.
    """
    try:
        arrays = atomic.load_arrays(path)
    except UserError as error:
        raise UserError(f"no weights of LPIPS: {error}; {MAKE}") from None
    expected = shapes(net_of(arrays))
    for name, shape in expected.items():
        received = list(arrays[name].shape) if name in arrays else "none"
        if received != list(shape):
            raise UserError(
                f"'{path}' has no weights of LPIPS: expected {name} {list(shape)}, received {received}; {MAKE}"
            )
    return {name: arrays[name] for name in expected}


def load_for_metric(options: types.SimpleNamespace, name: str) -> dict[str, np.ndarray]:
    """Read the weights of LPIPS for a metric.

    Raises:
        UserError: as `load`; or no file is named; or images are too small.
    """
    if options.lpips_weights is None:
        raise UserError(f"{name} needs the weights of LPIPS: expected --set lpips_weights=<file>.npz; {MAKE}")
    arrays = load(options.lpips_weights)
    _check_size(options, arrays, f"leave {name} out")
    return arrays


def load_for(options: types.SimpleNamespace) -> dict[str, np.ndarray] | None:
    """Read the weights of LPIPS if the options of GLeaD need them; else return None.

    Raises:
        UserError: as `load`; no file is named; images are too small.
    """
    fake_loss = options.fake_loss or FAKE_LOSS[options.fake_target]
    if "lpips" not in (options.real_weight != 0 and options.real_loss, options.fake_weight != 0 and fake_loss):
        return None
    without = "or do without: --set real_loss=mse" + " fake_loss=mse" * (fake_loss == "lpips")
    if options.lpips_weights is None:
        raise UserError(
            f"LPIPS needs its weights: expected lpips_weights = '<file>.npz', received None; {MAKE}, {without}"
        )
    arrays = load(options.lpips_weights)
    _check_size(options, arrays, f"set a larger one, {without}")
    return arrays


def _check_size(options: types.SimpleNamespace, arrays: Mapping[str, np.ndarray], mend: str) -> None:
    net = net_of(arrays)
    if options.imsz < SMALLEST[net]:
        raise UserError(
            f"LPIPS by the net '{net}' needs images of at least {SMALLEST[net]} pixels, received imsz = "
            f"{options.imsz}; {mend}"
        )
