"""A user's mistakes: one line, exit code 2, no traceback."""

import difflib


class UserError(Exception):
    """A mistake that the user can mend.

    Its message is one line: what was wrong, what was expected, what was received and how to mend it.
    """


def nearest(name, known):
    """Return the end of a message about an unknown `name`: the nearest known one, else all of them."""
    lower = {other.lower(): other for other in known}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f"did you mean '{lower[close[0]]}'?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
