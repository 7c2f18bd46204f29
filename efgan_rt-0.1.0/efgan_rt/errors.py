"""The one error that a user can mend.

The command line prints the message of an `EfganError` (or of `engines.base.EngineError`) without a
traceback and exits with status 1. Every other exception is a bug and shows its traceback.
"""


class EfganError(Exception):
    """Something the user can mend; the message says what was found, expected, and what to do."""
