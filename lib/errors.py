"""Errors that a user can mend, told apart from defects of the program."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A user's mistake: the message says what was given, what is allowed, where, and what to do.

    Scripts print the message on one line without a traceback and exit with code 2.
    """


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Hint for a misspelt name: ``" (did you mean 'RTM-37'?)"``, or an empty string if nothing is close."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean '{by_lower[close[0]]}'?)" if close else ""
