import subprocess
import sys

import pytest

from convnext_dense.tuning.pruners import PRUNERS, make_pruner


@pytest.mark.parametrize(
    ('name', 'kind'), [('none', 'NopPruner'), ('median', 'MedianPruner'), ('hyperband', 'HyperbandPruner')]
)
def test_pruners_are_those_that_are_named(name, kind):
    assert name in PRUNERS and len(PRUNERS) == 3
    assert type(make_pruner(name, 4)).__name__ == kind
    assert type(make_pruner(name, 1)).__name__ == 'NopPruner'  # nothing is left to save after the only validation


def test_names_are_known_without_optuna():
    check = 'import sys, convnext_dense.tuning.pruners; sys.exit("optuna" in sys.modules or "torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', check]).returncode == 0
