"""The one exception that means "the input is wrong, not the program"."""


class UserError(ValueError):
    """Bad input: the message is one line that names the thing and the fix.

    Every tool prints it without a traceback and exits with code 2
    (``--debug`` shows the traceback).
    """


class NoData(UserError):
    """There is no data set of the wanted kind at the place that was named."""
