"""Images, points and labels: where they are, in which order they come, and what becomes of their pixels."""

import importlib

LATE = ("dataset", "digits", "distributed", "find_fault", "held_out", "once")  # they import TensorFlow


def __getattr__(name):
    if name in LATE:
        module = "rpgan_tf.factory" if name == "dataset" else "rpgan_tf.data.stream"  # it asks the GAN's schedule
        return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'rpgan_tf.data' has no attribute '{name}'")
