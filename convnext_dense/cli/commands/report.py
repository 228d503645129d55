"""Make one self-contained page from runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...analysis.curves import find_runs
from ...analysis.report import page
from ...errors import UserError


def run(args: argparse.Namespace) -> None:
    folder = Path(args.folder)
    runs = find_runs(folder)
    out = Path(args.out or folder / 'report.html')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page(folder.name, runs), encoding='utf-8', errors='backslashreplace')
    except OSError as error:
        raise UserError(f'{out} cannot be written ({error.strerror}): choose another with --out') from None
    print(f'the page is at {out.resolve()}')
