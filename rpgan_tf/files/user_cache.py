"""The folder of files that are expensive to compute, and can be computed again."""

import os
import pathlib


def folder() -> pathlib.Path:
    """Return $RPGAN_TF_CACHE, or rpgan_tf in the user's cache."""
    if os.environ.get("RPGAN_TF_CACHE"):
        return pathlib.Path(os.environ["RPGAN_TF_CACHE"])
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "rpgan_tf"
