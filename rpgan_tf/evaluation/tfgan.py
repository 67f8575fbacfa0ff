"""Import of TensorFlow-GAN, which needs stand-ins. No other module imports it: it is slow, and only metrics need it."""

import importlib.util
import sys
import types
import warnings

from rpgan_tf.errors import UserError


def check() -> None:
    """Raise a `UserError` if TensorFlow-GAN is not installed; nothing is imported."""
    if importlib.util.find_spec("tensorflow_gan") is None:
        raise UserError("this needs TensorFlow-GAN: pip install 'rpgan_tf[metrics]'")


def load() -> types.ModuleType:
    """Import `tensorflow_gan` and return it.

    Version 2.1.0 needs `tf.estimator`, which TensorFlow dropped in 2.16 (github.com/tensorflow/gan/issues/55). An empty
    stand-in is enough for its losses and metrics.

    Raises:
        UserError: it is not installed.
    """
    import tensorflow as tf

    if not hasattr(tf, "estimator"):
        tf.estimator = _Empty("estimator")
        sys.modules.setdefault("tensorflow_gan.python.estimator", types.ModuleType("estimator"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about deprecated interfaces in it and its dependencies
        try:
            import tensorflow_gan
        except ImportError as error:
            raise UserError(f"this needs TensorFlow-GAN: pip install 'rpgan_tf[metrics]'; {error}") from None
    return tensorflow_gan


class _Empty(types.ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})
