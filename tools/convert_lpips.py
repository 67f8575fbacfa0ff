#!/usr/bin/env python3
"""Write the weights of LPIPS, GLeaD's distance of images, to a file for its option lpips_weights.

tools/convert_lpips.py alexnet.pth alex.pth lpips_alex.npz
tools/convert_lpips.py vgg16.pth vgg.pth lpips_vgg.npz

The first file is the state_dict of torchvision's alexnet or vgg16 with its weights for ImageNet; the second has the
linear weights of github.com/richzhang/PerceptualSimilarity, version 0.1, from its folder lpips/weights/v0.1. PyTorch
reads both, and is needed only here: pip install torch.
"""

import pathlib
import types

import numpy as np

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic, lpips_weights


def main(argv: list[str]) -> None:
    """Convert the files that the command line names."""
    parser = command.Parser(__doc__)
    parser.add_argument("net", help="state_dict of alexnet or vgg16")
    parser.add_argument("linear", help="linear weights for the same net")
    parser.add_argument("out", help=".npz file to write")
    arguments = parser.parse_args(argv)
    for path in (arguments.net, arguments.linear):
        if not pathlib.Path(path).is_file():
            raise UserError(f"no file '{path}'")
    try:
        import torch
    except ImportError:
        raise UserError("tools/convert_lpips.py needs PyTorch, to read its files: pip install torch") from None
    net, linear = (read(torch, path) for path in (arguments.net, arguments.linear))
    atomic.save_arrays(arguments.out, convert(net, linear))
    print(f"wrote {arguments.out}")


def read(torch: types.ModuleType, path: str) -> dict[str, np.ndarray]:
    """Return the arrays of a state_dict, without executing code in the file."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except Exception as error:  # unpickling, archives and other contents fail in many ways
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"cannot read '{path}': expected a state_dict of PyTorch; {reason}") from None


def convert(net: dict[str, np.ndarray], linear: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays of `lpips_weights.shapes`.

    Args:
        net: {name: array} of alexnet or vgg16, such as "features.0.weight" [out, in, h, w].
        linear: {name: array}, such as "lin0.model.1.weight" [1, C, 1, 1].

    Raises:
        UserError: an array is missing or of another shape.
    """
    arrays = {}
    for name, shape in lpips_weights.shapes("vgg" if "features.28.weight" in net else "alex").items():
        if name.startswith("lin"):
            state, theirs, expected = linear, f"{name}.model.1.weight", (1, *shape, 1, 1)
        else:
            theirs = name.replace("/", ".").replace("kernel", "weight")
            state, expected = net, shape[::-1]  # kernels are square
        received = list(state[theirs].shape) if theirs in state else "none"
        if received != list(expected):
            raise UserError(
                f"no weights of LPIPS: expected {theirs} {list(expected)}, received {received}; is the first file of "
                "torchvision's alexnet or vgg16, and the second for the same net?"
            )
        arrays[name] = np.float32(state[theirs].transpose(2, 3, 1, 0) if len(shape) == 4 else state[theirs].ravel())
    return arrays


if __name__ == "__main__":
    command.run(main)
