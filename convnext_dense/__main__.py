"""``python -m convnext_dense VERB ...``, which is ``convnext-dense VERB ...``."""

import sys

from .cli import run_command

if __name__ == '__main__':
    sys.exit(run_command())
