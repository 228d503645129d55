"""Show the learning rate and weight decay that a config gives each parameter, in groups with their layer ids.

convnext-dense param-groups CONFIG               a table of the groups
convnext-dense param-groups CONFIG --verbose     and the names of their parameters
convnext-dense param-groups CONFIG --freeze 2    what is left to train
convnext-dense param-groups CONFIG --json        for programs

No data or weights are needed, and no memory is allocated for the model.
"""

from __future__ import annotations

import argparse

from ..arguments import EXAMPLE_CONFIG, add_config_arguments, check_config
from .train import FREEZABLE

EXAMPLE = EXAMPLE_CONFIG


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    parser.add_argument('--freeze', choices=FREEZABLE, help='as in training: its parameters are in no group')
    parser.add_argument('--json', action='store_true', help='print a list of groups with the names of the parameters')
    parser.add_argument('--verbose', action='store_true', help='name the parameters')


def check(args: argparse.Namespace) -> None:
    check_config(args)
