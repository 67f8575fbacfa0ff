"""What tests of training share: commands in this process, and what a run has saved."""

import contextlib
import io
import sys
import types

import numpy as np

from rpgan_tf import checkpoint, command
from rpgan_tf.files import atomic


def run(main, *arguments):
    """Run a command's `main` in this process, as `tests.conftest.command` does in one of its own."""
    texts, argv = [io.StringIO() for _ in range(2)], sys.argv
    sys.argv = [sys.modules[main.__module__].__file__, *map(str, arguments)]
    code = 0
    try:
        with contextlib.redirect_stdout(texts[0]), contextlib.redirect_stderr(texts[1]):
            command.run(main)
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = argv
    return types.SimpleNamespace(returncode=code, stdout=texts[0].getvalue(), stderr=texts[1].getvalue())


def weights(folder, iteration):
    kinds = ("gmodel", "dmodel", "state")
    return [atomic.load_arrays(checkpoint.path_of(folder, iteration, kind)) for kind in kinds]


def assert_same(one, other):
    for arrays, others in zip(one, other):
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            assert np.array_equal(array, others[name]), name


def with_folder(options, folder, **changes):
    return type(options)(**vars(options) | {"wts_dir": str(folder)} | changes)


def looks_of(losses=0.5, accuracy=0.8, norms=1.0, g_loss=1.0, num=1):
    """Looks every ten iterations: each argument a number, or a list over the looks of numbers or of lists of K."""
    length = max(len(value) for value in (losses, accuracy, norms, g_loss) if isinstance(value, list))
    named = {"real_loss": losses, "accuracy": accuracy, "gradient_norm": norms, "g_loss": g_loss}
    return [
        {"iteration": 10 * (i + 1), "fake_loss": [0.0] * num, "chance_loss": [1.0] * num}
        | {
            key: list(np.broadcast_to(np.float64(value[i] if isinstance(value, list) else value), num))
            for key, value in named.items()
        }
        for i in range(length)
    ]
