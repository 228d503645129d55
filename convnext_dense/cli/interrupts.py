"""Ctrl-C while modules are being imported, which waits until the import is over.

Libraries import Python modules from C++ while they are set up, torch above all: a KeyboardInterrupt there would not
reach Python again, but abort the process (``terminate called after throwing ...``), or leave a module half imported.
"""

from __future__ import annotations

import signal
import threading
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

IMPORTLIB = '<frozen importlib'
"""Begins the file names of the code that imports."""
RETRY = 0.05
"""Seconds after which an interrupt that came in an import is tried again."""


@contextmanager
def interrupts_after_imports() -> Iterator[None]:
    """Context in which Ctrl-C raises KeyboardInterrupt outside of imports only.

    It changes nothing in other threads than the main one, nor where SIGINT is not handled as Python does by default.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    handler = _Handler()
    signal.signal(signal.SIGINT, handler)
    try:
        try:
            yield
        finally:
            is_waiting = handler.end()
        if is_waiting:  # in an import that was the last thing
            raise KeyboardInterrupt
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Handler:
    """Handler of SIGINT that tries an interrupt again later if it came in an import; several count as one."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None
        self._waits = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not _imports(frame):
            raise KeyboardInterrupt
        if not self._waits:
            self._waits = True
            self._timer = threading.Timer(RETRY, self._try_again)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> bool:
        """Try nothing any more, and tell whether an interrupt was waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # so that nothing comes when another handler is there
        return self._waits

    def _try_again(self) -> None:
        self._waits = False
        interrupt_main()


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(IMPORTLIB):
            return True
        frame = frame.f_back
    return False
