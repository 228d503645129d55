"""Make one self-contained page from runs."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from ...analysis.page.build import write_page
from ..arguments import command_line


def run(args: argparse.Namespace) -> None:
    folder = Path(args.folder)
    out = Path(args.out or folder / 'report.html')
    page = write_page(folder, out, partial(command_line, args), args.max_images, args.images_beside)
    for problem in page.problems:
        print(problem.replace('`', ''))
    for work_dir, missing in page.missing.items():
        if missing:
            verb = 'test' if 'test results' in missing else 'diagnose'
            command = command_line(args, verb, work_dir, *(['--diagnose'] if len(missing) > 1 else []))
            what = ' and no '.join(missing)
            print(f'the page has no {what} of {work_dir}: `{command}` adds what is missing, then report again')
    print(f'the page is at {out.resolve()}')
