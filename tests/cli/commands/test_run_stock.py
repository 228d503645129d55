"""Scripts of other packages, run as they are: arguments, exit code and traceback are theirs."""

import subprocess
import sys
from pathlib import Path

import pytest

from convnext_dense import ops
from convnext_dense.cli import run_verb
from convnext_dense.cli.parsers.run_stock import find_script
from convnext_dense.errors import UserError

SCRIPT = """
import importlib.util, sys
from mmengine.registry import MODELS
import a_neighbor
print(__name__, sys.argv[1:], sys.argv[0] == __file__, sys.path[0])
assert importlib.util.find_spec('mmcv._ext') is not None
assert MODELS.get('convnext_dense.ConvNeXt').__module__ == 'convnext_dense.models.convnext'
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a script of this code in the process of the test."""

    def run(code: str, *arguments: str) -> int:
        script = tmp_path / 'script.py'
        script.write_text(code)
        monkeypatch.setattr(sys, 'argv', ['convnext-dense'])
        monkeypatch.setattr(sys, 'path', list(sys.path))
        return run_verb('run-stock', [str(script), *arguments])

    return run


def test_a_script_is_main_with_its_arguments_our_scope_and_the_ops(run, tmp_path, capsys):
    (tmp_path / 'a_neighbor.py').write_text('')
    arguments = ['x', '--help', '--debug', '--cfg-options', 'a=1', '--', '-h']
    assert run(SCRIPT, *arguments) == 0
    assert capsys.readouterr().out.strip() == f'__main__ {arguments} True {tmp_path}'
    assert ops.FINDER in sys.meta_path


def test_a_script_reads_configs_on_packaged_ones(run, tmp_path, capsys):
    (tmp_path / 'c.py').write_text("_base_ = 'convnext_dense::det/faster_rcnn_convnext_a_coco.py'\n")
    code = 'import sys\nfrom mmengine.config import Config\nprint(Config.fromfile(sys.argv[1]).model.backbone.arch)'
    assert run(code, str(tmp_path / 'c.py')) == 0
    assert capsys.readouterr().out == 'atto\n'


@pytest.mark.parametrize(('end', 'code'), [('sys.exit(7)', 7), ('sys.exit()', None), ("sys.exit('no')", 'no')])
def test_the_exit_code_is_the_scripts(run, end, code):
    with pytest.raises(SystemExit) as stopped:
        run(f'import sys\n{end}')
    assert stopped.value.code == code


@pytest.mark.parametrize('error', ['ValueError', 'UserError', 'BrokenPipeError'])
def test_the_traceback_begins_in_the_script(run, capsys, error, tmp_path):
    code = f'from convnext_dense.errors import UserError\ndef f():\n    raise {error}("no")\nf()\n'
    assert run(code) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        'Traceback (most recent call last):',
        f'  File "{tmp_path / "script.py"}", line 4, in <module>',
    ]
    assert lines[-1].endswith(f'{error}: no') and 'runpy' not in ''.join(lines)


def test_an_interrupt_and_a_syntax_error_end_as_in_python(run, capsys):
    assert run('raise KeyboardInterrupt') == 130
    assert 'KeyboardInterrupt' in capsys.readouterr().err
    assert run('x = = 1') == 1
    assert capsys.readouterr().err.rstrip().endswith('SyntaxError: invalid syntax')


def test_scripts_of_installed_packages_are_found():
    test, arguments = find_script('mmdet/tools/test.py', ['c.py', 'x.pth'])
    assert test.is_file() and test.parts[-2:] == ('tools', 'test.py') and arguments == ['c.py', 'x.pth']
    assert find_script('mmdet', ['tools/test.py', 'c.py', 'x.pth']) == (test, arguments)
    assert 'mmseg' in find_script('mmseg/tools/train.py', [])[0].parts


@pytest.mark.parametrize(
    ('name', 'arguments', 'said'),
    [
        ('mmdet/tools/tset.py', [], 'no script at mmdet/tools/tset.py: did you mean mmdet/tools/test.py'),
        ('mmdet', ['tools/trian.py'], 'no script at mmdet/tools/trian.py: did you mean mmdet/tools/train.py'),
        ('mmdet', ['config.txt'], 'no script at mmdet: name a file'),
        ('absent/x.py', [], 'no script at absent/x.py: name a file, or a script such as mmdet/tools/test.py'),
        ('no such.py', [], 'no script at no such.py'),
    ],
)
def test_a_script_that_is_not_there_is_named(name, arguments, said, capsys):
    with pytest.raises(UserError, match=said):
        find_script(name, arguments)
    assert run_verb('run_stock', [name, *arguments]) == 2
    assert capsys.readouterr().err.startswith(f'error: {said}')


def test_the_command_exits_as_the_script_does(tmp_path):
    (tmp_path / 'script.py').write_text("import sys\nsys.exit('stopped')")
    tool = Path(__file__).parents[3] / 'tools' / 'run_stock.py'
    done = subprocess.run([sys.executable, tool, tmp_path / 'script.py'], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, 'stopped\n')
