"""The exceptions that mean something else than "the program is wrong"."""


class UserError(ValueError):
    """Bad input: the message is one line that names the thing and the fix.

    Every tool prints it without a traceback and exits with code 2
    (``--debug`` shows the traceback).
    """


class NoData(UserError):
    """There is no data set of the wanted kind at the place that was named."""


class Stopped(SystemExit):
    """A signal has stopped the run; the exit code is 128 + the signal's number, as a shell has it.

    Args:
        number: of the signal.
        at_once: whether it stopped in the middle of something, so that nothing can be saved.
    """

    code: int

    def __init__(self, number: int, at_once: bool = False) -> None:
        super().__init__(128 + number)
        self.number = number
        self.at_once = at_once
