#!/usr/bin/env python3
"""Compare the gradients of RP-GAN's first steps with float64, and tell rounding from activations that change sides.

tools/rounding.py digits
tools/rounding.py digits --set seed=1

The library computes in float32: with oneDNN, with oneDNN limited to AVX2, and without it. The same nets in float64 are
plain convolutions. A difference is that of the entry that differs most, relative to the largest of its weight's
gradient. The slopes of ReLU and leaky ReLU jump at 0: `changed` counts activations that are on the other side than in
float64, and `same sides` is the difference if float64 takes the slopes of float32.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from rpgan_tf import command
from rpgan_tf.errors import UserError
from rpgan_tf.files import atomic

MODES = {
    "oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "oneDNN, AVX2": {"TF_ENABLE_ONEDNN_OPTS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "without": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}


def main(argv):
    """Compute in all modes, and print the differences."""
    parser = command.Parser(__doc__)
    parser.add_experiment()
    parser.add_argument("--write", metavar="FILE", help="write what this process computes in float32, and stop")
    arguments = parser.parse_args(argv)
    options = command.load_options(arguments.name, arguments.set, {"chunk": None, "precision": "float32"})
    if options.gan != "RPGAN" or options.pack > 1:
        raise UserError(
            f"expected gan = 'RPGAN' and pack = 1, received '{options.gan}' and {options.pack}; take another experiment"
        )
    found = {} if arguments.write else {mode: in_process(argv, environment) for mode, environment in MODES.items()}
    command.start_tensorflow()
    import rpgan_tf
    from rpgan_tf import data
    from rpgan_tf.studies import float64

    gan, real = rpgan_tf.build(options), next(iter(data.dataset(options)))
    if arguments.write:
        parts = float64.in_float32(gan, real)._asdict()
        arrays = {f"{name} {i}": array for name, part in parts.items() for i, array in enumerate(part)}
        atomic.save_arrays(arguments.write, arrays)
        return
    print("float32      | changed of activations | D differs  same sides | G differs  same sides")
    own = float64.in_float64(gan, real)
    for mode, arrays in found.items():
        of_g, of_d, sides = ([array for key, array in arrays.items() if key.startswith(name)] for name in own._fields)
        same = float64.in_float64(gan, real, sides)
        changed = sum(int((one != other).sum()) for one, other in zip(sides, own.sides))
        pairs = (of_d, own.of_d), (of_d, same.of_d), (of_g, own.of_g), (of_g, same.of_g)
        d, d_same, g, g_same = (float64.difference(*pair) for pair in pairs)
        counts = f"{changed:7d} {sum(side.size for side in sides):14,d}"
        print(f"{mode:12} | {counts} | {d:9.1e} {d_same:11.1e} | {g:9.1e} {g_same:11.1e}", flush=True)


def in_process(argv, environment):
    """Return the arrays that a process with this environment writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "arrays.npz")
        line = [sys.executable, __file__, *argv, "--write", str(path)]
        if subprocess.run(line, env=os.environ | environment).returncode:
            raise UserError(f"failed: {' '.join(line)}")
        return atomic.load_arrays(path)


if __name__ == "__main__":
    command.run(main)
