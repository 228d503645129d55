"""Argument parser of the verbs, with one-line errors that suggest corrections."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import UserError

# Flags of other training tools, with the corresponding keys of our configs.
KEYS = {
    'lr': 'optim_wrapper.optimizer.lr',
    'learning-rate': 'optim_wrapper.optimizer.lr',
    'weight-decay': 'optim_wrapper.optimizer.weight_decay',
    'wd': 'optim_wrapper.optimizer.weight_decay',
    'batch-size': 'train_dataloader.batch_size',
    'num-workers': 'train_dataloader.num_workers',
    'workers': 'train_dataloader.num_workers',
    'drop-path': 'model.backbone.drop_path_rate',
    'drop-path-rate': 'model.backbone.drop_path_rate',
}
# Flags of other training tools, with our names for them.
SYNONYMS = {
    'learning-rate': '--lr',
    'batch-size': '--batch',
    'load-from': '--pretrained',
    'weights': '--pretrained',
    'finetune': '--pretrained',
    'resume-from': '--resume',
    'max-epochs': '--epochs',
    'max-iters': '--iters',
    'data-path': '--data',
    'data-root': '--data',
    'dataset': '--data',
    'output': '--out',
    'output-dir': '--out-dir',
    'options': '--cfg-options',
}
SIZE = '--tile'  # takes height and width, or one number for both
NUMBER = re.compile(r'-\.?\d.*')


class Parser(argparse.ArgumentParser):
    """Parser that raises :class:`UserError` for errors and does not accept abbreviated flags.

    Args:
        prog: the command, such as ``'convnext-dense train'``.
        description: text that ``--help`` prints unchanged.
        example: valid arguments, for the message about a missing one.
    """

    def __init__(self, prog: str, description: str | None, example: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.example = example

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse the arguments.

        Raises:
            UserError: if an argument is unknown, missing or invalid.
        """
        argv = self._join_sizes(list(args or []))
        if not {'-h', '--help'} & set(argv):
            self._check_flags(argv)
        # flags may be between positional arguments, even if the first positional argument is optional
        ordered = '--' in argv or self._passes_arguments_on
        parse = self.parse_known_args if ordered else self.parse_known_intermixed_args
        parsed, unknown = parse(argv, namespace)
        if unknown:
            self.error(self._unexpected(unknown[0]))
        return parsed

    @property
    def flags(self) -> frozenset[str]:
        """The flags that it takes, with their dashes."""
        return frozenset(self._option_string_actions)

    @property
    def _passes_arguments_on(self) -> bool:
        """True if everything after the first positional argument is for another program."""
        return any(action.nargs == argparse.REMAINDER for action in self._actions)

    def _join_sizes(self, argv: list[str]) -> list[str]:
        """Join the one or two numbers of ``--tile`` with a comma: argparse would take all arguments that follow."""
        if SIZE not in self._option_string_actions or SIZE not in argv:
            return argv
        place = argv.index(SIZE) + 1
        if not all(argument.isdecimal() for argument in argv[place : place + 2]) or len(argv) < place + 2:
            return argv
        return [*argv[:place], ','.join(argv[place : place + 2]), *argv[place + 2 :]]

    def error(self, message: str) -> NoReturn:
        missing = message.removeprefix('the following arguments are required: ')
        if missing != message:
            names = missing.split(', ')
            problem = f'{" and ".join(names)} {"is" if len(names) == 1 else "are"} missing'
            message = f'{problem}, for example: {self.prog} {self.example}'
            if 'CONFIG' in names:
                message += ' (`convnext-dense list` shows all configs)'
        raise UserError(message.removeprefix('argument '))

    def _check_flags(self, argv: Sequence[str]) -> None:
        """Raise an error for the first unknown flag, before argparse reports a less clear one."""
        for place, argument in enumerate(argv):
            if argument == '--':
                return
            flag, has_value, value = argument.partition('=')
            if not argument.startswith('-') or argument == '-' or NUMBER.fullmatch(argument):
                if self._passes_arguments_on:
                    return
                continue
            if flag not in self._option_string_actions:
                if not has_value and place + 1 < len(argv) and not argv[place + 1].startswith('-'):
                    value = argv[place + 1]
                self.error(f'unknown flag {flag}: {self._suggestion(flag, value)}')

    def _suggestion(self, flag: str, value: str) -> str:
        """Suggest the flag that was probably meant."""
        known = [name for name in self._option_string_actions if name.startswith('--')]
        name = flag.strip('-').lower().replace('_', '-')
        options = '--cfg-options' in known
        if f'--{name}' in known:
            return f'did you mean --{name}?'
        if SYNONYMS.get(name) in known:
            return f'did you mean {SYNONYMS[name]}?'
        if options and name in KEYS:
            return f'did you mean --cfg-options {KEYS[name]}={value or "VALUE"}?'
        if options and '.' in flag:
            return f'did you mean --cfg-options {flag.strip("-")}={value or "VALUE"}?'
        near = [other for other in known if other.startswith(f'--{name}')][:2]
        near = near or difflib.get_close_matches(f'--{name}', known, n=2, cutoff=0.7)
        if near:
            return f'did you mean {" or ".join(near)}?'
        return f'{self.prog} --help lists all flags'

    def _unexpected(self, argument: str) -> str:
        if '=' in argument and '--cfg-options' in self._option_string_actions:
            return f'unexpected argument {argument}: did you mean --cfg-options {argument}?'
        return f'unexpected argument {argument}: see {self.prog} --help'
