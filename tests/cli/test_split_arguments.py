"""Flags that split a data set."""

import pytest

from convnext_dense.cli import run_verb
from tests.helpers.run_tool import ATTO


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        ('--val-split 1.5', '--val-split 1.5: take a share between 0 and 1, such as 0.2'),
        ('--folds 5', '--folds 5 needs the fold that is held out: add --fold 0 (to 4)'),
        ('--fold 1', '--fold 1 needs the number of folds: add --folds 5'),
        ('--folds 5 --fold 5', '--fold 5: the 5 folds are 0 to 4'),
        ('--folds 5 --fold 0 --val-split 0.2', '--val-split and --folds both say how to split: take one of them'),
        ('--split-group a', '--split-group says how to split images: add --val-split 0.2, or --folds 5 --fold 0'),
        ('--split-seed 0', '--split-seed says how to split images: add --val-split 0.2, or --folds 5 --fold 0'),
        ('--replace-val', '--replace-val says how to split images: add --val-split 0.2, or --folds 5 --fold 0'),
        ('--val-split 0.2 --split-group (', "--split-group '(' is no regular expression: missing ), unterminated"),
    ],
)
@pytest.mark.parametrize('verb', ['train', 'check_data', 'config'])
def test_flags_of_splits_that_make_no_sense(verb, flags, said, capsys):
    assert run_verb(verb, [ATTO, '--data', 'nowhere', *flags.split()]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f'error: {said}') and line.count('\n') == 1


def test_a_split_is_of_data_that_are_named(capsys):
    assert run_verb('check_data', [ATTO, '--val-split', '0.2']) == 2
    assert '--val-split 0.2: name the data set that is split with --data PATH' in capsys.readouterr().err
