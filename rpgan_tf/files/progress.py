"""Progress bar of images that are read or written."""

import sys

import tqdm


def bar(total: int, title: str, first: int = 0) -> tqdm.tqdm:
    """Return a bar of `total` images, `first` of which are done; its `update` counts on.

    It appears after a second and is redrawn every half second on a terminal, else every half minute.
    """
    interval = 0.5 if sys.stderr.isatty() else 30
    return tqdm.tqdm(
        total=total, initial=first, desc=title, unit="image", delay=1, mininterval=interval, leave=False, ncols=100
    )
