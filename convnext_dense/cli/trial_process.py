"""The process of a trial: ``train``, which stops when the process that has started it ends for any reason.

Standard input is a pipe that nobody writes to, whose other end only that process has: at its end, SIGTERM stops the
training as it does otherwise, after a step, with its state saved.

Arguments: the beginning of the command line that is recorded, and the arguments of ``train``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from .main import run_command


def main() -> None:
    """Run ``train`` with the arguments of this process."""
    threading.Thread(target=_stop_with_parent, args=(os.dup(0),), daemon=True).start()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # nothing that training starts holds the pipe
    sys.argv = sys.argv[1:]
    sys.exit(run_command('train'))


def _stop_with_parent(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == '__main__':
    main()
