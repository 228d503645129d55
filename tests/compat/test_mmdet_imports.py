"""mmdet and mmseg imported quickly and quietly, with all that they register."""

import builtins
import json
import os
import subprocess
import sys
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from convnext_dense.compat import mmdet_imports
from convnext_dense.compat.mmdet_imports import DEFERRED, HIDDEN, Deferred, light_imports

ROOT = Path(__file__).parents[2]
LIBRARIES = (*DEFERRED, *HIDDEN)
CODE = """
import json, sys
import convnext_dense
from convnext_dense.compat.mmengine_adafactor import defer_adafactor
defer_adafactor()
{block}
    import mmdet.models, mmdet.datasets, mmseg.models, mmseg.datasets
    import mmdet.models.task_modules.assigners.hungarian_assigner as hungarian
from mmdet.registry import MODELS, TASK_UTILS, TRANSFORMS
from mmseg.registry import MODELS as SEG_MODELS, TRANSFORMS as SEG_TRANSFORMS
registries = (MODELS, TASK_UTILS, TRANSFORMS, SEG_MODELS, SEG_TRANSFORMS)
registered = [sorted(registry.module_dict) for registry in registries]
imported = [name for name in {libraries} if name in sys.modules]
used = hungarian.linear_sum_assignment([[1, 0], [0, 1]]) and 'scipy.optimize' in sys.modules
print(json.dumps([registered, imported, bool(used)]))
"""
LIGHT = 'from convnext_dense.compat.mmdet_imports import light_imports\nwith light_imports():'


@pytest.fixture(scope='module')
def runs(tmp_path_factory) -> dict[str, list[str]]:
    """Lines that are printed when mmdet and mmseg are imported as they are, and lightly."""
    processes = {}
    for name, block in (('stock', 'if True:'), ('light', LIGHT)):
        code = CODE.format(libraries=LIBRARIES, block=block)
        command = [sys.executable, '-W', 'ignore', '-c', code]
        env = {**os.environ, 'PYTHONPATH': str(ROOT)}
        processes[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    return {name: process.communicate(timeout=110)[0].splitlines() for name, process in processes.items()}


def test_mmdet_still_imports_each_of_these_libraries_and_prints(runs):
    *printed, last = runs['stock']
    _, imported, _ = json.loads(last)
    installed = [name for name in LIBRARIES if find_spec(name)]
    assert imported == installed, 'mmdet does without the others: take them out of mmdet_imports.py'
    assert any('OneDL' in line for line in printed), 'nothing is printed any more: redirect no output'


def test_nothing_is_imported_printed_or_missing(runs):
    assert len(runs['light']) == 1
    registered, imported, used = json.loads(runs['light'][0])
    # scipy is here for the test that the assigner's function imports it
    assert used and imported == []
    assert registered == json.loads(runs['stock'][-1])[0]
    assert all(len(names) > 50 for names in registered[:3])


@pytest.fixture
def mmdets(monkeypatch):
    """A module of mmdet's, which imports by a statement."""
    for name in ('a_library', 'a_library.part'):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def run(statement: str, name: str = 'mmdet.models.x') -> dict:
        module = {'__name__': name, '__builtins__': builtins}
        exec(statement, module)
        return module

    return run


@pytest.fixture
def library(tmp_path, monkeypatch) -> types.SimpleNamespace:
    """A library whose parts are deferred: (package) a_library, a_library.part."""
    folder = tmp_path / 'a_library'
    folder.mkdir()
    (folder / '__init__.py').write_text('')
    (folder / 'part.py').write_text(
        'TABLE = {"a": 1}\ndef double(x):\n    return 2 * x\nclass Base:\n    name = "base"\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(mmdet_imports, 'DEFERRED', ('a_library', 'not_installed'))
    monkeypatch.setattr(mmdet_imports, 'HIDDEN', ('a_hidden_one',))
    return types.SimpleNamespace(imported=lambda: 'a_library.part' in sys.modules)


@pytest.mark.parametrize(
    'statement',
    ['import a_library.part as part', 'from a_library import part', 'import a_library.part\npart = a_library.part'],
)
def test_a_deferred_library_is_imported_when_it_is_used(mmdets, library, statement):
    with light_imports():
        part = mmdets(statement)['part']
    double = part.double
    assert isinstance(double, Deferred) and not library.imported()
    assert double(21) == 42 and library.imported()
    assert part.TABLE['a'] == 1 and list(part.TABLE) == ['a']

    class Derived(part.Base):
        pass

    assert Derived.name == 'base' and isinstance(Derived(), part.Base) and not isinstance(1, part.Base)


def test_only_mmdets_modules_get_a_stand_in_and_only_in_the_block(mmdets, library):
    with light_imports():
        assert isinstance(mmdets('import a_library')['a_library'], Deferred)
        assert isinstance(mmdets('import a_library', 'timm.data')['a_library'], types.ModuleType)
        mmdets('import a_library.part', 'timm.data')
        assert isinstance(mmdets('import a_library.part as part')['part'], types.ModuleType)  # imported already
        with pytest.raises(ModuleNotFoundError, match='not_installed'):
            mmdets('import not_installed')
        with pytest.raises(ModuleNotFoundError, match='hidden from mmdet, import it first'):
            mmdets('from a_hidden_one import x')
    assert builtins.__import__.__module__ == 'builtins'


def test_what_is_printed_in_the_block_is_not_seen_and_garbage_is_collected_afterwards(capsys):
    import gc

    with pytest.raises(ValueError, match='x'), light_imports():
        print('OneDL')
        assert not gc.isenabled()
        raise ValueError('x')
    assert gc.isenabled() and capsys.readouterr().out == ''


def test_scipys_names_are_found_through_the_stand_in():
    rows, columns = Deferred('scipy.optimize', 'linear_sum_assignment')(np.array([[4, 1], [2, 8]]))
    assert rows.tolist() == [0, 1] and columns.tolist() == [1, 0]
    assert Deferred('scipy', 'linalg', 'det')(np.eye(2)) == 1
