"""A user's mistakes: one line, exit code 2, no traceback."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend.

    Its message is one line: what was wrong, what was expected, what was received and how to mend it.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown `name`: the nearest known name, or all of them if none is near."""
    lower = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f"did you mean '{lower[close[0]]}'?" if close else f"known: {', '.join(sorted(lower.values())) or 'none'}"
