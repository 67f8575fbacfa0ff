"""Images, points and labels: where they are, their order, their pixels.

`rpgan_tf.data.dataset(options)` is for users; in this library, data are handed the number of batches by their caller.
"""

import importlib


def __getattr__(name: str):
    if name == "dataset":  # it imports TensorFlow
        return importlib.import_module("rpgan_tf.factory").dataset
    raise AttributeError(f"module 'rpgan_tf.data' has no attribute '{name}'")
