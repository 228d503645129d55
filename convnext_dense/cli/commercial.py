"""The flag ``--commercial``: weights whose license forbids commercial use are refused, before anything is written."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable


def add_commercial_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--commercial',
        action='store_true',
        help='refuse weights, and what was trained from them, whose license forbids commercial use',
    )


def check_commercial(args: argparse.Namespace, sources: Iterable[str]) -> None:
    """Check the licenses of sources of weights if ``--commercial`` is given; warn of unknown ones.

    Raises:
        UserError: if one forbids commercial use.
    """
    if not args.commercial:
        return
    from ..checkpoints.origins import check_commercial_sources  # which imports torch

    for warning in check_commercial_sources(sources, args.trust_pickle):
        print(f'warning: {warning}', file=sys.stderr)
