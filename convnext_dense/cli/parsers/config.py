"""Print a resolved config with the origin of each value: file and line, or command-line argument.

convnext-dense config CONFIG                            all values
convnext-dense config CONFIG optim_wrapper              those under a key
convnext-dense config CONFIG --data sample              with the settings for the sample (which is not drawn)
convnext-dense config CONFIG --data PATH                with the data set and its number of classes
convnext-dense config CONFIG --cfg-options KEY=VALUE    with values changed

Keys are printed in the notation of --cfg-options.
"""

from __future__ import annotations

import argparse

from ..arguments import EXAMPLE_CONFIG, add_config_arguments, check_config

EXAMPLE = EXAMPLE_CONFIG


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument('key', nargs='?', metavar='KEY', help='print only what is under this key: model.backbone')
    parser.add_argument('--json', action='store_true', help='print JSON')


def check(args: argparse.Namespace) -> None:
    check_config(args)
