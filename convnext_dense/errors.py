"""Exceptions that do not indicate a bug: bad input, and a stop by signal."""


class UserError(ValueError):
    """Bad input; the message is one line that names the problem and the fix.

    Every command prints the message without a traceback and exits with code 2 (``--debug`` shows the traceback).
    """


class NoData(UserError):
    """No data set of the expected kind at the given path."""


class Stopped(SystemExit):
    """Exit because a signal stopped the run; the exit code is 128 + the signal's number, as in a shell.

    Args:
        number: the signal's number.
        at_once: True if the run stopped in the middle of a step, so that nothing can be saved.
    """

    code: int

    def __init__(self, number: int, at_once: bool = False) -> None:
        super().__init__(128 + number)
        self.number = number
        self.at_once = at_once
