"""Exceptions that do not indicate a bug, bad input and a stop by signal, and descriptions of all others."""

from __future__ import annotations

import traceback


class UserError(ValueError):
    """Bad input; the message is one line that names the problem and the fix.

    Every command prints the message without a traceback and exits with code 2 (``--debug`` shows the traceback).
    """


class BadImage(UserError):
    """An image that can't be read or used, which may be skipped, unlike other bad input."""


class NoData(UserError):
    """No data set of the expected kind at the given path."""


class UntrustedConfig(UserError):
    """A config that a run saved could run any code, so that it is taken only where it is given.

    Args:
        file: the config.
        reason: what could run code.
    """

    def __init__(self, file: object, reason: str) -> None:
        super().__init__(
            f'{file} is not taken for the config of the run, since it could run any code ({reason}): '
            'if you trust it, give it as CONFIG'
        )
        self.file = file


class WorkerOutOfMemory(UserError):
    """A loader worker that was killed, most likely for lack of memory.

    Args:
        event: what happened, as the beginning of a sentence.
        loader: the config's data loader, such as ``'train_dataloader'``.
        advice: what to do, where no command knows better.
    """

    def __init__(self, event: str, loader: str, advice: str) -> None:
        super().__init__(f'{event}: provide more, take smaller images with --image-size, or {advice}')
        self.event, self.loader = event, loader

    def __reduce__(self) -> tuple[type[UserError], tuple[str]]:
        return UserError, (str(self),)  # in another process it is told as it is


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


def describe_error(error: BaseException) -> str:
    """Describe an error of another library in a line: its message, or else the line of code that raised it."""
    message = str(error if isinstance(error, OSError) or not error.args else error.args[0]).split('. Please')[0]
    if message := ' '.join(message.split()):
        return message
    frames = traceback.extract_tb(error.__traceback__)
    return f'{type(error).__name__} at {frames[-1].line!r}' if frames else type(error).__name__


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, or else its type; for messages that quote a program line by line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
