"""Data that `lfile` names instead of a path, told apart by their text. Needs no NumPy and no TensorFlow."""

from rpgan_tf.errors import UserError, nearest

STACKED = "digits:stacked"
DIGITS = ("digits", "digits:train", "digits:test", STACKED)
MIXTURE, HELD_OUT = "mixture:", ":test"  # mixture:<name>, or mixture:<name>:test for other points of it
TFDS = "tfds:"
EXPECTED = (
    "a text file with one image path a line, a folder or a .zip of images, tfds:<name>[/<config>][:<split>], "
    "digits[:train|:test|:stacked], or mixture:<name>"
)


def is_mixture(lfile: str) -> bool:
    """Return whether `lfile` names a mixture, whose data are points."""
    return lfile.startswith(MIXTURE)


def is_tfds(lfile: str) -> bool:
    """Return whether `lfile` names a data set of tensorflow-datasets."""
    return lfile.startswith(TFDS)


def is_computed(lfile: str) -> bool:
    """Return whether `lfile` names data that are computed or come with a library: none of them can be faulty."""
    return lfile in DIGITS or is_mixture(lfile)


def check_digits(option: str, lfile: str) -> None:
    """Raise a `UserError` if `lfile`, the value of an option, names a part of the digits that does not exist."""
    if lfile.partition(":")[0] == "digits" and lfile not in DIGITS:
        raise UserError(f"no digits '{lfile}' for {option}; {nearest(lfile, DIGITS)}")
