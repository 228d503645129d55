"""The time that torch's threads wait in a loop is set by commands, before torch is imported, and by nobody else."""

import os
import subprocess
import sys

import pytest

from convnext_dense import cli
from convnext_dense.cli import openmp
from tests.helpers.run_tool import ATTO, ROOT

# Stands in for torch, and prints what it finds in the environment at its import.
TORCH = """
import os
print({name: os.environ[name] for name in %r if name in os.environ}, flush=True)
raise SystemExit(7)
"""
CONSOLE = 'import sys; from convnext_dense_doctor import console; sys.exit(console())'
COMMANDS = {
    'tools': ['tools/param_groups.py', ATTO],
    'console': ['-c', CONSOLE, 'param-groups', ATTO],
    'Python': ['-c', f'from convnext_dense.cli import run_verb; run_verb("param-groups", ["{ATTO}"])'],
    'main': ['-c', f'from convnext_dense.cli.main import main; main(["param-groups", "{ATTO}"])'],
    'import': ['-c', 'import convnext_dense.cli; convnext_dense.ConvNeXt'],
}


@pytest.fixture(scope='module')
def torch_finds(tmp_path_factory):
    """A function that runs Python with these arguments, and returns what torch finds in the environment."""
    site = tmp_path_factory.mktemp('site')
    (site / 'torch').mkdir()
    (site / 'torch' / '__init__.py').write_text(TORCH % (openmp.CHOICES,))
    unset = {name: value for name, value in os.environ.items() if name not in openmp.CHOICES}

    def run(arguments: list[str], own: dict[str, str]) -> dict[str, str]:
        env = {**unset, **own, 'PYTHONPATH': f'{site}:{ROOT}'}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 7, done.stderr
        return eval(done.stdout)

    return run


@pytest.mark.parametrize('command', ['tools', 'console'])
def test_a_command_sets_it_before_torch_is_imported(torch_finds, command):
    assert torch_finds(COMMANDS[command], {}) == {'GOMP_SPINCOUNT': openmp.SPIN_COUNT}


@pytest.mark.parametrize('own', [{'OMP_WAIT_POLICY': 'active'}, {'GOMP_SPINCOUNT': '7'}, {'KMP_BLOCKTIME': '200'}])
def test_a_users_own_choice_stays(torch_finds, own):
    assert torch_finds(COMMANDS['tools'], own) == own


@pytest.mark.parametrize('way', ['Python', 'main', 'import'])
def test_the_environment_of_who_imports_the_package_stays(torch_finds, way):
    assert torch_finds(COMMANDS[way], {}) == {}


def test_a_verb_that_is_run_from_python_leaves_the_environment(monkeypatch):
    for name in openmp.CHOICES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, 'argv', ['train.py', 'absent.py'])
    before = dict(os.environ)
    assert cli.run_verb('train') == 2
    assert dict(os.environ) == before


def test_every_tool_starts_as_a_command():
    tools = [path for path in (ROOT / 'tools').glob('*.py') if path.stem != 'doctor']  # computes nothing itself
    assert len(tools) > 10
    for path in tools:
        assert f"sys.exit(run_command('{path.stem}'))" in path.read_text().replace('-', '_'), path
