"""List the packaged configs with their tasks, models, parameters and published results.

convnext-dense list                     all of them
convnext-dense list upernet             those with "upernet" in their path, task or model
convnext-dense list 'convnext_?_384'    those whose path, name, task or model matches a pattern
convnext-dense list --count             count the parameters that are not published

Scores are published ones, in percent: by the authors of ConvNeXt, or by those who are named behind them.
"""

from __future__ import annotations

import argparse

EXAMPLE = 'upernet'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('pattern', nargs='?', metavar='PATTERN', help='part of a path, task or model, or a glob')
    parser.add_argument('--count', action='store_true', help='count the parameters that are not published (a minute)')
    parser.add_argument('--json', action='store_true', help='print JSON')
