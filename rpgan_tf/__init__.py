"""RP-GAN and the papers around it, for TensorFlow 2 and Keras 3.

options = rpgan_tf.config.load("digits")    # exp/digits.py, checked; TensorFlow is not imported yet
gan = rpgan_tf.build(options)               # a compiled keras.Model with .generator and .discriminator
gan.fit(rpgan_tf.data.dataset(options), steps_per_epoch=1000)
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from rpgan_tf.devices import processor

if "tensorflow" not in sys.modules:  # its import reads these; without AVX512_VNNI or AMX, oneDNN's default is off
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if not processor.onednn():
        os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # else each iteration maps its buffers anew

from rpgan_tf import config
from rpgan_tf.errors import UserError

if TYPE_CHECKING:
    from rpgan_tf.gan import GAN

__version__ = "0.2.0"
__all__ = ["UserError", "build", "checkpoint", "config", "data", "images"]


def build(options: types.SimpleNamespace) -> GAN:
    """Build the compiled GAN that `options` describe: see `rpgan_tf.factory.build`."""
    from rpgan_tf import factory

    return factory.build(options)


LATE = ("checkpoint", "data", "gan", "images", "projections")


def __getattr__(name: str) -> Any:
    if name in LATE:  # some import TensorFlow
        return importlib.import_module(f"rpgan_tf.{name}")
    raise AttributeError(f"module 'rpgan_tf' has no attribute '{name}'")
