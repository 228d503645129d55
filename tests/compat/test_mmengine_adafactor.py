"""mmengine's optimizers without transformers, which a package of this name stands for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRANSFORMERS = """
import torch
class Adafactor(torch.optim.SGD):
    pass
"""
IMPORT = 'import sys, mmengine.optim; print("transformers" in sys.modules)\n'
DEFER = 'from convnext_dense.compat.mmengine_adafactor import FINDER, defer_adafactor\ndefer_adafactor()\n'
BUILD = """
import torch
from mmengine.optim import build_optim_wrapper
print('Adafactor' in mmengine.optim.optimizer.builder.OPTIMIZERS, FINDER in sys.meta_path)
model = torch.nn.Linear(2, 2)
stock = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='Adafactor', lr=0.5)))
ours = build_optim_wrapper(model, dict(
    type='OptimWrapper', constructor='convnext_dense.LayerDecayConstructor', optimizer=dict(type='Adafactor', lr=0.5)
))
for wrapper in (stock, ours):
    print(type(wrapper.optimizer).__module__, wrapper.param_groups[0]['lr'])
"""


@pytest.fixture
def run(tmp_path):
    """Runs code beside a transformers of other code, and gives the lines that it prints, or its error."""

    def run(transformers: str, code: str) -> list[str]:
        (tmp_path / 'transformers.py').write_text(transformers)
        env = {**os.environ, 'PYTHONPATH': os.pathsep.join((str(tmp_path), str(ROOT)))}
        done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=100, env=env)
        return done.stdout.split('\n')[:-1] if done.returncode == 0 else [done.stderr.strip().splitlines()[-1]]

    return run


def test_mmengine_itself_still_imports_transformers(run):
    assert run(TRANSFORMERS, IMPORT) == ['True'], 'mmengine does without transformers: remove mmengine_adafactor.py'
    assert run("raise RuntimeError('not made for this torch')", IMPORT) == ['RuntimeError: not made for this torch']


def test_transformers_is_imported_when_its_optimizer_is_built(run):
    assert run("raise RuntimeError('not made for this torch')", DEFER + IMPORT) == ['False']
    said = run(TRANSFORMERS, DEFER + IMPORT + BUILD)
    assert said[:2] == ['False', 'True False']
    assert [line for line in said[2:] if ' - ' not in line and 'Torch' not in line] == ['transformers 0.5'] * 2


def test_what_is_imported_already_is_left_alone(run):
    said = run(TRANSFORMERS, 'import transformers\n' + DEFER + IMPORT + 'print(FINDER in sys.meta_path)')
    assert said == ['True', 'False']
    said = run(TRANSFORMERS, IMPORT + DEFER + 'print(FINDER in sys.meta_path)')
    assert said == ['True', 'False']
