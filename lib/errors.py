"""Errors that a user can mend, told apart from defects of the program."""

from __future__ import annotations

import difflib
import errno
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn


class UserError(ValueError):
    """A user's mistake: the message says what was given, what is allowed, where, and what to do.

    Scripts print the message on one line without a traceback and exit with code 2.
    """


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Hint for a misspelt name: ``" (did you mean 'RTM-37'?)"``, or an empty string if nothing is close."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean '{by_lower[close[0]]}'?)" if close else ""


def error_line(error: UserError | OSError) -> str:
    """What went wrong and what to do, on one line."""
    if isinstance(error, UserError):
        return f"error: {error}"
    cures = {
        errno.ENOSPC: "free some space or name another --out_path",
        errno.EFBIG: "files may not be so large here: name another --out_path",
        errno.EACCES: "you may not write or read there: name another --out_path",
        errno.EROFS: "nothing can be written there: name another --out_path",
        errno.EEXIST: "there is a file of that name: name another --out_path",
        errno.ENOTDIR: "a part of the path is a file: name another --out_path",
    }
    where = f" {error.filename}" if error.filename else ""
    cure = f"; {cures[error.errno]}" if error.errno in cures else ""
    return f"error: cannot read or write{where}: {error.strerror or error}{cure}"


def run_script(main: Callable[[], int | None]) -> NoReturn:
    """Leave with what ``main`` returns, or after a user's mistake with one line and code 2."""
    try:
        sys.exit(main())
    except (UserError, OSError) as error:
        sys.stderr.write(error_line(error) + "\n")
        sys.exit(2)
