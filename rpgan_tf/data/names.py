"""Data that `lfile` names instead of a path: tells the kinds apart by their text. Needs no NumPy and no TensorFlow."""

STACKED = "digits:stacked"
DIGITS = ("digits", "digits:train", "digits:test", STACKED)
MIXTURE, HELD_OUT = "mixture:", ":test"  # mixture:<name>, or mixture:<name>:test for other points of it
TFDS = "tfds:"


def is_mixture(lfile: str) -> bool:
    """Return whether `lfile` names a mixture, whose data are points."""
    return lfile.startswith(MIXTURE)


def is_tfds(lfile: str) -> bool:
    """Return whether `lfile` names a data set of tensorflow-datasets."""
    return lfile.startswith(TFDS)


def is_computed(lfile: str) -> bool:
    """Return whether `lfile` names data that are computed or come with a library: none of them can be faulty."""
    return lfile in DIGITS or is_mixture(lfile)
