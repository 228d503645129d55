"""The table of architectures, which the command line reads before it imports torch."""

import subprocess
import sys

import pytest

from convnext_dense import models
from convnext_dense.archs import ARCHS, ISOTROPIC_ARCHS


def test_archs_are_those_of_the_papers() -> None:
    assert ARCHS['huge'] == ((3, 3, 27, 3), (352, 704, 1408, 2816))
    assert ARCHS['atto'] == ((2, 2, 6, 2), (40, 80, 160, 320))
    assert ISOTROPIC_ARCHS['large'] == (36, 1024)
    assert (models.ARCHS, models.ISOTROPIC_ARCHS) == (ARCHS, ISOTROPIC_ARCHS)


@pytest.mark.parametrize('module', ['convnext_dense.archs', 'convnext_dense.roadmap.steps'])
def test_importing_the_names_imports_neither_torch_nor_mmengine(module: str) -> None:
    program = f'import sys, {module}; print([name for name in ("torch", "mmengine", "numpy") if name in sys.modules])'
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
