"""Bad input ends with one line that names the thing and the fix, exit code 2, and no traceback."""

import json
import os
import shlex
import subprocess
import sys

import pytest
import torch

from convnext_dense.cli import main as cli
from convnext_dense.engine import Runner
from convnext_dense.errors import UserError
from convnext_dense_doctor.load import Load, LoadMeter
from tests.helpers.run_tool import ATTO, ROOT, SMALL, test, train


def test_config_that_does_not_exist(error):
    assert cli.run_verb('train', ['configs/classification/convnext_tt.py']) == 2
    assert 'no config at configs/classification/convnext_tt.py: did you mean' in error()


def test_config_that_does_not_parse(error, tmp_path):
    (tmp_path / 'c.py').write_text('model = = 1\n')
    assert cli.run_verb('train', [str(tmp_path / 'c.py')]) == 2
    assert 'c.py line 1 does not parse' in error()


def test_unknown_option(error, image_folder, tmp_path):
    assert train(image_folder, tmp_path, options=('trian_cfg.max_epochs=1',)) == 2
    assert 'did you mean train_cfg?' in error()


def test_a_config_can_ask_to_be_compiled_as_the_command_line_can(image_folder, tmp_path, checkpoint, monkeypatch):
    seen = []

    def from_cfg(cfg):
        seen.append(cfg.get('compile_backbone'))
        raise UserError('seen')

    monkeypatch.setattr(Runner, 'from_cfg', from_cfg)
    for arguments, options in (((), ()), (('--compile',), ()), ((), ('compile_backbone=True',))):
        train(image_folder, tmp_path, *arguments, options=options)
        test(image_folder, checkpoint, *arguments, options=options)
    assert seen == [None, None, True, True, True, True]


def test_data_that_are_absent(error, tmp_path):
    assert train(tmp_path / 'nothing', tmp_path / 'w') == 2
    line = error()
    assert 'train/<class>/*.jpg' in line
    assert '--data sample' in line


def test_amp_that_cannot_work(error, image_folder, tmp_path):
    if torch.cuda.is_available():
        pytest.skip('this machine can')
    assert train(image_folder, tmp_path, '--amp', 'fp16') == 2
    assert '--amp fp16 needs a GPU' in error()


@pytest.mark.parametrize(
    ('verb', 'arguments'),
    [('train', ('--pretrained', '{}')), ('train', ('--resume', '{}')), ('test', ())],
)
def test_checkpoint_that_is_missing_or_truncated(error, image_folder, tmp_path, checkpoint, verb, arguments):
    cut = tmp_path / 'cut.pth'
    cut.write_bytes(checkpoint.read_bytes()[:600])
    for path, said in ((tmp_path / 'absent.pth', 'no checkpoint at'), (cut, 'truncated or damaged')):
        if verb == 'train':
            assert train(image_folder, tmp_path / 'w', *(a.format(path) for a in arguments)) == 2
        else:
            assert test(image_folder, path) == 2
        line = error()
        assert said in line
        assert str(path) in line


@pytest.mark.parametrize('verb', ['test', 'diagnose', 'demo', 'export-onnx', 'convert-weights', 'push', 'train'])
def test_a_file_that_is_no_checkpoint_is_what_the_error_is_about(error, tmp_path, verb):
    text = tmp_path / 'README.md'
    text.write_text('# About')
    own = {
        'demo': [ATTO, str(text), str(text)],
        'export-onnx': [ATTO, str(text), str(tmp_path / 'x.onnx')],
        'convert-weights': [str(text), str(tmp_path / 'x.pth')],
        'push': [str(text), str(tmp_path / 'out'), '--to', 'timm'],
        'train': [ATTO, '--pretrained', str(text)],
    }
    assert cli.run_verb(verb, own.get(verb, [ATTO, str(text)])) == 2
    assert error().startswith(f'error: {text} is not a checkpoint: expected a file of torch.save or safetensors')


def test_folders_are_not_made_for_a_mistyped_place(error, tmp_path, monkeypatch, checkpoint, own_image_folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'records.npz').touch()
    (tmp_path / 'other.npz').touch()
    model, data = [ATTO, str(checkpoint)], str(own_image_folder)
    for verb, arguments in (
        ('adapt', ['mmdet:fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py', '--arch', 'tiny', '--out', 'no/x/a.py']),
        ('benchmark', ['--out', 'no/x/b']),
        ('check-data', [ATTO, '--data', data, '--json', 'no/x/a.json']),
        ('check-data', [ATTO, '--data', data, '--sheet', 'no/x/a.png']),
        ('compare', ['run', 'other.npz', '--out', 'no/x/a.json']),
        ('compare', ['run', 'other.npz', '--out-page', 'no/x/a.html']),
        ('convert-data', [data, 'no/x/a', '--to', 'yolo']),
        ('convert-weights', [str(checkpoint), 'no/x/a.pth']),
        ('demo', [*model, data, '--out-dir', 'no/x/a']),
        ('diagnose', [*model, '--out', 'no/x/a']),
        ('export-onnx', [*model, 'no/x/a.onnx']),
        ('find-lr', [ATTO, '--data', data, '--out', 'no/x/a']),
        ('plot-log', ['run', '--out', 'no/x/a.png']),
        ('push', [str(checkpoint), 'no/x/a', '--to', 'timm']),
        ('report', ['run', '--out', 'no/x/a.html']),
        ('roadmap', ['--out', 'no/x/a']),
        ('sample', ['--format', 'yolo', 'no/x/a']),
        ('test', [*model, '--data', data, '--out', 'no/x/a.json']),
        ('test', [*model, '--data', data, '--out-predictions', 'no/x/a.json']),
        ('test', [*model, '--data', data, '--show-dir', 'no/x/a']),
    ):
        assert cli.run_verb(verb, arguments) == 2, verb
        assert 'there is no folder no/x: make it first, or name another place' in error(), verb
        assert not (tmp_path / 'no').exists(), verb


@pytest.mark.parametrize('module', ['convnext_dense', 'convnext_dense.cli.main'])
def test_the_package_runs_as_a_module(module, tmp_path):
    command = [sys.executable, '-W', 'ignore', '-m', module, 'train']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and done.stdout == ''
    assert done.stderr.startswith('error: CONFIG is missing, for example: convnext-dense train ')


def test_options_without_a_value(error, image_folder, tmp_path):
    assert train(image_folder, tmp_path, options=('randomness.seed',)) == 2
    assert "'randomness.seed' is not KEY=VALUE" in error()


def test_a_loaded_machine_is_said_by_train_and_test(image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(LoadMeter, 'read', lambda _: Load(2, 1.3))
    assert train(image_folder, tmp_path / 'run', '--epochs', '1') == 0
    assert test(image_folder, tmp_path / 'run') == 0
    assert capsys.readouterr().out.count('WARNING - other processes use 1.3 of 2 cores: steps take longer') == 2


def test_unknown_verb_and_no_verb(capsys):
    assert cli.main(['trian']) == 2
    assert capsys.readouterr().err == "error: unknown verb 'trian': did you mean train?\n"
    assert cli.main(['xyz']) == 2
    assert 'take one of train, test' in capsys.readouterr().err
    assert cli.main([]) == 2
    assert cli.main(['--help']) == 0
    assert 'report' in capsys.readouterr().out


def test_a_verb_without_anything_says_what_to_give_it(error):
    assert cli.run_verb('train', []) == 2
    line = error()
    assert line.startswith('error: CONFIG is missing, for example: ') and '`convnext-dense list` shows' in line
    assert cli.run_verb('test', ['configs/classification/convnext_a.py']) == 2
    assert error().startswith('error: CHECKPOINT is missing, a file or the work dir of a run: ')


def test_debug_shows_the_traceback(capsys):
    assert cli.run_verb('train', ['absent.py', '--debug']) == 2
    assert 'Traceback' in capsys.readouterr().err


def test_worker_errors_lose_their_traceback(monkeypatch, capsys):
    def fail(args):
        raise UserError('Caught UserError in DataLoader worker process 0.\nTraceback\nx.UserError: bad image a.jpg\n')

    monkeypatch.setattr('convnext_dense.cli.commands.report.run', fail)
    assert cli.run_verb('report', ['x']) == 2
    assert capsys.readouterr().err == 'error: bad image a.jpg\n'


def test_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr('convnext_dense.cli.commands.report.run', interrupt)
    assert cli.run_verb('report', ['x']) == 130
    assert capsys.readouterr().err == 'interrupted\n'


@pytest.mark.parametrize('rank', [None, '1'])
def test_a_process_of_a_distributed_run_ends_before_python_is_finalized(rank):
    """Threads of a communication library abort a process that Python finalizes under them."""
    code = """
import atexit, os, sys
from convnext_dense.cli import run_command, main

class Finalized:
    write = os.write
    def __del__(self):
        self.write(1, b'finalized')

kept = [Finalized()]
kept.append(kept)
atexit.register(os.write, 1, b'exit functions, ')
main.main = lambda: print('a command', end=', ') or 143
sys.exit(run_command())
"""
    environment = {key: value for key, value in os.environ.items() if key != 'RANK'}
    environment |= {} if rank is None else {'RANK': rank}
    ended = subprocess.run([sys.executable, '-c', code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (143, '')
    assert sorted(ended.stdout.rstrip(', ').split(', ')) == ['a command', 'exit functions'] + ['finalized'] * (
        not rank
    )


def test_interrupt_while_torch_is_imported_ends_with_130(tmp_path):
    """The import of mmengine is where Ctrl-C mostly falls when a command is taken back at once."""
    (tmp_path / 'mmengine').mkdir()
    (tmp_path / 'mmengine' / '__init__.py').write_text('raise KeyboardInterrupt')
    command = [sys.executable, 'tools/param_groups.py', ATTO]
    environment = {**os.environ, 'PYTHONPATH': f'{tmp_path}:{ROOT}'}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, 'interrupted\n')


def test_a_broken_installation_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'convnext_dense.cli.commands.report', None)
    assert cli.run_verb('report', ['x']) == 1
    said = capsys.readouterr().err
    assert said.startswith('error: the installation is broken (ModuleNotFoundError: ') and said.count('\n') == 1
    assert '`convnext-dense doctor` explains why' in said
    assert cli.run_verb('report', ['x', '--debug']) == 1
    assert 'Traceback' in capsys.readouterr().err


# Runs in a fresh interpreter: each line of its input is a command, which must be answered without a heavy import.
LIGHT = """
import contextlib, io, json, resource, sys
from convnext_dense.cli import main as cli

sys.argv[0] = 'convnext-dense'
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(json.loads(line))
        except SystemExit as end:
            code = end.code
    heavy = sorted({'torch', 'mmengine', 'mmcv', 'cv2', 'numpy', 'timm', 'matplotlib', 'rich'} & sys.modules.keys())
    print(json.dumps([code, out.getvalue(), err.getvalue(), heavy]), flush=True)
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps(use.ru_utime + use.ru_stime))
"""


def answers(*commands: list[str]) -> tuple[list[list], float]:
    """For each command its exit code, output, error and the heavy modules it imported; seconds of processor time."""
    done = subprocess.run(
        [sys.executable, '-c', LIGHT],
        input='\n'.join(map(json.dumps, commands)),
        capture_output=True,
        text=True,
        timeout=100,
    )
    *found, seconds = map(json.loads, done.stdout.splitlines())
    assert len(found) == len(commands), done.stderr
    return found, seconds


def test_every_verb_answers_wrong_arguments_without_a_heavy_import(tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    commands: list[list[str]] = []
    for verb in cli.VERBS:
        commands += [[verb, '--help'], [verb, '--work_dirr', 'x']]
        parser = cli.build_parser(verb)
        names = [action.metavar for action in parser._actions if not action.option_strings]
        if 'CONFIG' in names:
            values = {'CONFIG': 'configs/classification/absent.py', 'CHECKPOINT': str(tmp_path / 'epoch_1.pth')}
            commands.append([verb, *(values.get(name, 'x.onnx') for name in names)])
        if 'CHECKPOINT' in names:
            values = {'CONFIG': ATTO, 'CHECKPOINT': 'absent.pth'}
            commands.append([verb, *(values.get(name, 'x.onnx') for name in names)])
    commands += [['trian'], ['demo', ATTO, str(tmp_path / 'epoch_1.pth'), 'absent.jpg']]
    found, _ = answers(*commands)
    for command, (code, out, err, heavy) in zip(commands, found, strict=True):
        assert not heavy, (command, heavy)
        if command[1:] == ['--help']:
            assert code == 0 and out.startswith(f'usage: convnext-dense {command[0]} ') and not err
        else:
            assert code == 2, command
            assert err.startswith('error: ') and err.count('\n') == 1, (command, err)


@pytest.mark.parametrize(
    'command', [['train', '--help'], ['train', ATTO, '--work_dir', 'x'], ['train', 'absent.py'], ['trian']]
)
def test_an_answer_takes_little_processor_time(command):
    """0.05 to 0.1 s; importing torch and mmengine would take seconds."""
    assert min(answers(command)[1] for _ in range(3)) < 0.5


@pytest.mark.parametrize('verb', [verb for verb in cli.VERBS if verb != 'doctor'])
def test_every_verb_has_help_and_an_example_that_parse(verb):
    parser = cli.build_parser(verb)
    assert 'convnext-dense ' + verb in parser.description
    assert all(action.help for action in parser._actions)
    assert cli.build_parser(verb.replace('-', '_')).format_help() == parser.format_help()
    parser.parse_args(parser.example.split())
    for line in parser.description.splitlines():
        if line.startswith('convnext-dense '):  # the lines of the description, too; spaces part off the explanation
            parser.parse_args(shlex.split(line.split('   ')[0])[2:])


def test_core_stays_light():
    """Classification never imports mmdet or mmseg, nor anything of mmcv's ops."""
    code = 'import sys, convnext_dense.cli, convnext_dense.cli.commands.train; print(*sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=100)
    loaded = {name.split('.')[0] for name in done.stdout.split()}
    assert 'convnext_dense' in loaded
    assert not loaded & {'mmdet', 'mmseg', 'mmcv', 'mmpretrain', 'timm'}


def test_the_small_options_fit_the_config(image_folder):
    """The helpers of these tests would hide a renamed key otherwise."""
    from convnext_dense.config.read import read_config

    cfg = read_config(ATTO, data=str(image_folder))
    for option in SMALL:
        node = cfg
        for key in option.split('=')[0].split('.'):
            assert key in node, option
            node = node[key]
