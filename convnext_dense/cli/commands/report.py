"""Make one self-contained page from runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...analysis import METRICS_FILE, SHOW_FOLDER
from ...analysis.curves import find_runs
from ...analysis.report import page
from ...analysis.show import INDEX
from ...errors import UserError
from ..arguments import command_line

# Files in a work dir that `test` writes and the page shows.
RESULTS = {'test results': METRICS_FILE, 'images': f'{SHOW_FOLDER}/{INDEX}'}


def run(args: argparse.Namespace) -> None:
    folder = Path(args.folder)
    runs = find_runs(folder)
    out = Path(args.out or folder / 'report.html')
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page(folder.name, runs), encoding='utf-8', errors='backslashreplace')
    except OSError as error:
        raise UserError(f'{out} cannot be written ({error.strerror}): choose another with --out') from None
    for run in runs:
        missing = [what for what, file in RESULTS.items() if not (run / file).is_file()]
        if missing:
            command = command_line(args, 'test', run)
            print(f'the page has no {" and no ".join(missing)} of {run}: `{command}` makes them, then report again')
    print(f'the page is at {out.resolve()}')
