"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
from typing import Any

from mmengine.config import DictAction


class Options(DictAction):
    """``KEY=VALUE ...``; anything else is the command line's error."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        try:
            super().__call__(parser, *args, **kwargs)
        except ValueError:
            parser.error('--cfg-options: expected KEY=VALUE, such as train_dataloader.batch_size=64')


def add_config_arguments(parser: argparse.ArgumentParser, roots: bool = True) -> None:
    """The arguments of every verb that takes a config, with ``roots`` of one that can take data from anywhere."""
    parser.add_argument('config', metavar='CONFIG', help='config file, such as configs/classification/convnext_t.py')
    if roots:
        parser.add_argument(
            '--data',
            metavar='PATH|sample',
            help="root of the data set (default: the config's own); 'sample' draws a small one and needs no download",
        )
    else:
        parser.add_argument('--data', choices=('sample',), help='the model was trained with --data sample')
    add_cfg_options(parser)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, of every verb that reads a config."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Options,
        default={},
        metavar='KEY=VALUE',
        help='change the config, such as train_dataloader.batch_size=64',
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every verb that runs a config on data."""
    add_config_arguments(parser)
    parser.add_argument(
        '--on-bad-image',
        choices=('stop', 'skip'),
        default='stop',
        help='what an unreadable image does: stop the run, or be skipped and counted (default: stop)',
    )


def add_compile_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the backbone with torch.compile: faster steps after a slow first one; needs a C++ compiler',
    )


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """The only way to have objects unpickled."""
    parser.add_argument(
        '--trust-pickle',
        action='store_true',
        help='read that checkpoint even if it holds Python objects; whoever made it can run any code with this',
    )
