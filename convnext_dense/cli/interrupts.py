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
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is _interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not _imports(frame):
        raise KeyboardInterrupt
    again = threading.Timer(RETRY, interrupt_main)
    again.daemon = True
    again.start()


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(IMPORTLIB):
            return True
        frame = frame.f_back
    return False
