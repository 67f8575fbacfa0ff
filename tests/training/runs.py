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
