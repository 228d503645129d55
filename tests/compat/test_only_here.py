"""Other libraries are changed in compat/ and ops/ alone."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / 'convnext_dense'
ALLOWED = ('compat', 'ops')
OURS = ('convnext_dense', 'convnext_dense_doctor')
# Names of the standard library whose attributes count like those of another library.
SHARED = ('builtins', 'warnings', 'logging')
FILTERS = ('filterwarnings', 'simplefilter')
REDIRECTS = ('redirect_stdout', 'redirect_stderr')


def changes(source: str) -> list[str]:
    """List what a module changes in other libraries or in the interpreter, each with its line."""
    tree = ast.parse(source)
    foreign = set(foreign_names(tree))
    found = [f'{node.lineno}: {ast.unparse(node)}' for node in ast.walk(tree) if changes_foreign(node, foreign)]
    found += [f'{node.lineno}: {ast.unparse(node)}' for node in at_import(tree) if changes_process(node)]
    return found


def foreign_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names under which a module has other libraries and what it imports from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [(alias.name, alias.asname or alias.name.partition('.')[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [(node.module or '', alias.asname or alias.name) for alias in node.names]
        else:
            continue
        for module, name in modules:
            top = module.partition('.')[0]
            if top not in OURS and (top not in sys.stdlib_module_names or top in SHARED):
                yield name


def changes_foreign(node: ast.AST, foreign: set[str]) -> bool:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        targets = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ('setattr', 'delattr'):
        return root(node.args[0]) in foreign
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == 'update':
        # vars(x).update(...) and x.__dict__.update(...) set attributes past everything that guards them
        place = node.func.value
        if isinstance(place, ast.Attribute) and place.attr == '__dict__':
            return True
        return isinstance(place, ast.Call) and isinstance(place.func, ast.Name) and place.func.id == 'vars'
    if isinstance(node, ast.Attribute) and ast.unparse(node) in ('sys.meta_path', 'sys.modules', 'sys.path_hooks'):
        return True
    flat = [part for target in targets for part in ast.walk(target)]
    attributes = [part for part in flat if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load)]
    return any(root(part) in foreign or is_private_of_another(part) for part in attributes)


def is_private_of_another(target: ast.Attribute) -> bool:
    """Whether an attribute that begins with an underscore is set on something else than ``self`` or ``cls``."""
    return target.attr.startswith('_') and root(target) not in ('self', 'cls')


def root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: all but the bodies of functions."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from at_import(child)


def changes_process(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', None)
    return name in (*FILTERS, *REDIRECTS, 'addFilter', 'setNumThreads', 'set_num_threads')


def test_the_package_changes_other_libraries_in_compat_and_ops_alone():
    files = [path for path in PACKAGE.rglob('*.py') if path.relative_to(PACKAGE).parts[0] not in ALLOWED]
    assert len(files) > 100
    found = {str(path.relative_to(PACKAGE)): changes(path.read_text()) for path in files}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    'code',
    [
        'import mmdet.models\nmmdet.models.RPNHead.loss = 1',
        'from mmengine.runner import Runner as R\ndef f():\n    R.train = None',
        'from timm.data import transforms\nsetattr(transforms, "x", 1)',
        'import torch\ntorch.nn.Linear.forward.x += 1',
        'import torch\ndel torch.nn.Linear',
        'def f(crop):\n    vars(crop).update(x=1)',
        'class A:\n    def f(self, crop):\n        self.__dict__.update(vars(crop))',
        'def f(wrapper):\n    wrapper._counts = 2',
        'import sys\ndef f():\n    sys.meta_path.append(1)',
        'import warnings\nwarnings.filterwarnings("ignore")',
        'import contextlib\nwith contextlib.redirect_stdout(None):\n    import mmdet',
        'import builtins\nbuiltins.__import__ = None',
    ],
)
def test_a_change_is_found(code):
    assert len(changes(code)) == 1


@pytest.mark.parametrize(
    'code',
    [
        'import warnings\ndef f():\n    with warnings.catch_warnings():\n        warnings.simplefilter("ignore")',
        'from ..registry import MODELS\nMODELS.x = 1',
        'class A:\n    def f(self, cfg):\n        self._x = cfg.model.type = 1',
        'import torch\nx = torch.zeros(1)\nx.requires_grad = True',
    ],
)
def test_other_code_is_not(code):
    assert changes(code) == []


def test_importing_the_package_changes_nothing_but_where_mmcvs_ops_are_found():
    code = (
        'import builtins, sys, warnings; before = (builtins.__import__, list(sys.meta_path), list(warnings.filters)); '
        'import convnext_dense as c; after = (builtins.__import__, list(sys.meta_path), list(warnings.filters)); '
        'assert after == (before[0], [*before[1], c.ops.FINDER], before[2]); '
        'print(sorted({"torch", "mmengine", "mmcv", "mmdet", "cv2", "numpy"} & sys.modules.keys()))'
    )
    env = {**os.environ, 'PYTHONPATH': str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, env=env)
    assert (done.stdout, done.stderr) == ('[]\n', '')
