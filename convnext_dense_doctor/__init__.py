"""Check an installation and a machine, and print a fix for each problem.

doctor           print the findings, each problem with its fix
doctor --json    print them for programs

It checks versions, packages that are incompatible or overwrite each other, failing imports and their causes, mmcv's
ops and their results, the GPU, cores and their load, memory, and output folders. The exit code is 1 if there are
problems.

It works on machines where the package, torch or mmcv cannot be imported: it uses only the standard library, and
imports other packages in a separate process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from . import imports, machine, packages
from .findings import PROBLEM, WARNING, Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='print the findings as JSON')


def run(args: argparse.Namespace) -> int:
    if not args.json:
        print(f'pip below is {sys.executable} -m pip', flush=True)
    findings: list[Finding] = []
    for look in (packages.look, imports.look, machine.look):
        if look is imports.look and sys.stderr.isatty():
            print('importing all packages, which may take a minute ...', file=sys.stderr)
        for finding in look():
            findings.append(finding)
            if not args.json:
                print(finding, flush=True)
    counts = {level: sum(finding.level == level for finding in findings) for level in (PROBLEM, WARNING)}
    if args.json:
        content = {
            'python': sys.executable,
            'problems': counts[PROBLEM],
            'warnings': counts[WARNING],
            'findings': [finding._asdict() for finding in findings],
        }
        print(json.dumps(content, indent=1))
    else:
        totals = [f'{count} {level}{"" if count == 1 else "s"}' for level, count in counts.items() if count]
        print(', '.join(totals) or 'no problems found')
    return 1 if counts[PROBLEM] else 0


def main(argv: Sequence[str] | None = None, prog: str = 'tools/doctor.py') -> int:
    """Run ``argv``, by default the process's arguments, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(argv))
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130


def console() -> int:
    """Run the command ``convnext-dense``; its verb ``doctor`` works without the package."""
    if sys.argv[1:2] == ['doctor']:
        return main(sys.argv[2:], 'convnext-dense doctor')
    try:
        from convnext_dense.cli.main import run_command
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130
    except Exception as error:
        hint = '`convnext-dense doctor` explains why and how to fix it'
        print(f'error: the package cannot be imported ({error}): {hint}', file=sys.stderr)
        return 1
    return run_command()
