"""``tune``: its plan, the commands of its trials, what it says, and what it refuses, with training that is played."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from convnext_dense.cli import build_parser, run_verb
from convnext_dense.cli.arguments import parse_options
from convnext_dense.cli.commands import tune
from convnext_dense.cli.parsers.tune import training_arguments
from convnext_dense.engine import Runner
from convnext_dense.errors import UserError
from convnext_dense.tuning import trial_run
from tests.conftest import write_image_folder
from tests.helpers import fake_training
from tests.helpers.run_tool import ATTO

SMALL = ['--epochs', '4', '--pruner', 'none', '--only', 'lr,drop_path', '--search', 'lr=1e-5:1e-1']
OWN = ['optim_wrapper.optimizer.lr=2e-5']
WITH = ['--cfg-options', *OWN]


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp('data') / 'images', train=8, val=2)


class Played(fake_training.FakeTraining):
    """Training whose parameters are in the options of the command line."""

    commands: list[list[str]] = []

    def __init__(self, folder, arguments, program):
        self.commands.append(list(arguments))
        options = dict(one.partition('=')[::2] for one in arguments if '=' in one)
        lr = options['optim_wrapper.optimizer.lr']
        super().__init__(folder, [f'lr={lr}', f'drop_path={options.get("model.backbone.drop_path_rate", 0)}'])


@pytest.fixture
def run(monkeypatch, data, tmp_path, capsys):
    """Run ``tune``; returns the exit code and what it printed."""
    monkeypatch.setattr(tune, 'Training', Played)
    monkeypatch.setattr(trial_run, 'POLL', 0)
    monkeypatch.setattr(trial_run.watch, '__defaults__', (0, 0))
    Played.commands.clear()
    Played.started.clear()

    def tuned(*arguments: str, folder: str = 'work') -> tuple[int, str]:
        code = run_verb('tune', [ATTO, '--data', str(data), '--work-dir', str(tmp_path / folder), *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return tuned


def test_trials_are_runs_of_train_with_options(run, tmp_path, data):
    code, out = run('--trials', '5', *SMALL, *WITH)
    assert code == 0
    first, *others = Played.commands
    begin = [ATTO, '--data', str(data), '--epochs', '4', *WITH]
    assert first == [*begin, '--work-dir', str(tmp_path / 'work' / 'trial_000')]
    for number, command in enumerate(others, start=1):
        folder = ['--work-dir', str(tmp_path / 'work' / f'trial_00{number}')]
        assert command[:-3] == [*begin, *folder]
        assert re.fullmatch(r'optim_wrapper.optimizer.lr=\S+', command[-2])
        assert re.fullmatch(r'model.backbone.drop_path_rate=\S+', command[-1])
        build_parser('train').parse_args(command)
    found = json.loads((tmp_path / 'work' / 'tune.json').read_text())
    assert len(found['trials']) == 5 and found['metric'] == 'raw/top1'
    best = found['best']
    assert best['value'] == max(trial['value'] for trial in found['trials']) > found['trials'][0]['value']
    of_best = found['trials'][best['number']]['command']
    assert shlex.split(of_best)[2:] == Played.commands[best['number']]
    folders = [str(tmp_path / 'work' / name) for name in (best['folder'], 'best')]
    assert best['command'] == of_best.replace(f'--work-dir {folders[0]}', f'--work-dir {folders[1]}') != of_best
    assert f'best: {best["folder"]}, raw/top1 {best["value"]:.2f}, lr' in out and best['command'] in out
    assert '5 trials for the highest raw/top1: lr 1e-05 to 0.1, drop_path 0 to 0.2' in out
    assert 'not searched, since --only does not name them: weight_decay, layer_decay, mixup' in out
    assert len(re.findall(r'^trial_00\d: lr \S+, drop_path \S+: raw/top1 [\d.]+', out, re.MULTILINE)) == 5
    assert '`convnext-dense test' in out or '`python tools/test.py' in out


def test_the_command_of_the_best_trial_is_one_that_train_accepts(run, tmp_path, monkeypatch, capsys):
    def accepted(cfg):
        raise UserError(f'accepted for {cfg.train_cfg.max_epochs} epochs in {cfg.work_dir}')

    monkeypatch.setattr(Runner, 'from_cfg', accepted)
    for folder in ('best', 'best_2'):
        code, out = run('--trials', '2', *SMALL, *WITH)
        command = json.loads((tmp_path / 'work' / 'tune.json').read_text())['best']['command']
        assert code == 0 and command in out.splitlines()
        for trial in (tmp_path / 'work').glob('trial_*'):
            (trial / 'epoch_4.pth').touch()  # a run is there, as after real training
        assert run_verb('train', [*shlex.split(command)[2:], '--epochs', '8']) == 2
        assert f'accepted for 8 epochs in {tmp_path / "work" / folder}\n' in capsys.readouterr().err
        (tmp_path / 'work' / folder).mkdir()
        (tmp_path / 'work' / folder / 'epoch_8.pth').touch()


def test_what_is_searched_beside_and_what_is_not_is_said_with_the_reason(run):
    code, out = run('--trials', '1', '--epochs', '4', '--pretrained', 'none', '--search', 'lr=1e-5:1e-1', *WITH)
    assert code == 0
    assert 'not searched: layer_decay (for runs that start from weights; --only names it)' in out
    assert 'erasing are searched beside what --search names: --only lr leaves them out' in out


def test_same_command_changes_nothing_and_more_trials_continue(run, tmp_path):
    assert run('--trials', '2', *SMALL, *WITH)[0] == 0
    code, out = run('--trials', '2', *SMALL, *WITH)
    assert code == 0 and 'goes on: 2 trials of 2 ended' in out and len(Played.commands) == 2
    code, out = run('--trials', '3', *SMALL, *WITH)
    assert code == 0 and len(Played.commands) == 3 and Played.started[-1] == ('trial_002', 0)


def test_study_with_other_settings_is_refused_with_the_difference(run, tmp_path):
    assert run('--trials', '1', *SMALL, *WITH)[0] == 0
    for arguments, line in (
        (['--epochs', '5', *SMALL[2:], *WITH], 'arguments of train'),
        ([*SMALL[:-1], 'lr=1e-4:1e-1', *WITH], 'searches lr in 1e-05:0.1 and this command in 0.0001:0.1'),
        ([*SMALL, '--seed', '7', *WITH], "seed '0', not '7'"),
    ):
        code, out = run('--trials', '2', *arguments)
        assert code == 2 and line in out and out.count('\n') == 1, out
    assert len(Played.commands) == 1


def test_interrupted_study_says_how_it_goes_on(run, tmp_path, monkeypatch):
    class Slow(Played):
        def poll(self):
            if self.done == 2 and self.code is None and not (tmp_path / 'sent').exists():
                (tmp_path / 'sent').touch()
                os.kill(os.getpid(), signal.SIGTERM)
            return super().poll()

    monkeypatch.setattr(tune, 'Training', Slow)
    code, out = run('--trials', '2', *SMALL, *WITH)
    assert code == 128 + signal.SIGTERM
    assert '0 of 2 trials have ended; continue with: ' in out and '--trials 2 --epochs 4' in out
    (tmp_path / 'work' / 'trial_000' / 'epoch_2.pth').touch()
    code, out = run('--trials', '2', *SMALL, *WITH)
    assert code == 0 and 'trial_000: taken up where it was interrupted' in out
    assert Played.commands[1].count('--resume') == 1 and Played.commands[2].count('--resume') == 0
    place = Played.commands[1].index('--resume')
    assert Played.commands[1][place + 1] == '--work-dir', '--resume takes no path'
    assert build_parser('train').parse_args(Played.commands[1]).resume == ''
    resumed_at = [done for folder, done in Played.started if folder == 'trial_000']
    assert resumed_at[0] == 0 and resumed_at[1] >= 2


def test_two_processes_share_a_study(run, tmp_path, data):
    results = []
    argv = [ATTO, '--data', str(data), '--work-dir', str(tmp_path / 'work'), '--trials', '8', *SMALL, *WITH]
    threads = [threading.Thread(target=lambda: results.append(run_verb('tune', list(argv)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert results == [0, 0]
    assert sorted(folder for folder, _ in Played.started) == [f'trial_00{k}' for k in range(8)]
    assert len(json.loads((tmp_path / 'work' / 'tune.json').read_text())['trials']) == 8


def test_seed_is_of_the_search_and_of_the_training(run, tmp_path):
    lrs = []
    for folder, seed in (('a', '1'), ('b', '1'), ('c', '2')):
        assert run('--trials', '3', *SMALL, '--seed', seed, *WITH, folder=folder)[0] == 0
        lrs.append(
            [one['values']['lr'] for one in json.loads((tmp_path / folder / 'tune.json').read_text())['trials']]
        )
    assert lrs[0] == lrs[1] != lrs[2]
    assert all(command[command.index('--seed') + 1] == '1' for command in Played.commands[:6])


def test_recipe_gives_the_own_values(run, tmp_path):
    plan = plan_of(run, tmp_path, '--only', 'lr', '--recipe', 'small')
    assert 0 < plan.own['lr'] < 1e-3, 'as for few images, not 4e-3 for a batch of 4096'


def plan_of(run, tmp_path, *arguments: str):
    words = [ATTO, '--data', str(tmp_path / 'data'), *arguments]
    if not (tmp_path / 'data').exists():
        write_image_folder(tmp_path / 'data', train=8, val=2)
    args = build_parser('tune').parse_args(words)
    args.prog, args.command_line = 'convnext-dense tune', shlex.join(['convnext-dense', 'tune', *words])
    args.cfg_options = parse_options(args.cfg_options or [])
    return tune.make_plan(args, 'work')[2]


@pytest.mark.parametrize(
    'arguments', [['--freeze', 'backbone'], ['--freeze', '4'], ['--cfg-options', 'model.backbone.frozen_stages=4']]
)
def test_frozen_backbone_has_no_layer_decay_to_search(run, tmp_path, arguments):
    frozen = plan_of(run, tmp_path, '--search', 'lr=1e-4:1e-2', '--pretrained', 'timm:convnext_atto', *arguments)
    assert 'lr' in frozen.ranges and not {'drop_path', 'layer_decay'} & frozen.ranges.keys()


def test_part_of_a_backbone_that_trains_is_searched(run, tmp_path):
    assert {'drop_path', 'lr'} <= plan_of(run, tmp_path).ranges.keys()
    assert 'drop_path' in plan_of(run, tmp_path, '--freeze', '3').ranges
    weights = plan_of(run, tmp_path, '--pretrained', 'timm:convnext_atto')
    assert 'layer_decay' in weights.ranges and 'layer_decay' not in plan_of(run, tmp_path).ranges


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--trials', '0'], '--trials 0: run at least 1'),
        (['--search', 'lr=1:0.1'], '--search: lr=1:0.1 is the wrong way round: lr=0.1:1'),
        (['--search', 'momentum=0:1'], "--search: no setting 'momentum' to search"),
        (['--only', 'scale_jitter'], f'{ATTO} (classification) has no scale_jitter to search: it has lr,'),
        (['--epochs', '0'], '--epochs 0: train at least 1'),
        (['--storage', 'sqlite:////nowhere/x.db'], '--storage sqlite:////nowhere/x.db cannot be used'),
        (['--resume'], 'unknown flag --resume'),
        (['--launcher', 'pytorch'], 'unknown flag --launcher'),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    code, out = run(*arguments)
    assert code == 2 and message in out and out.count('\n') == 1, out


def test_config_without_validation_is_refused(run, tmp_path, monkeypatch, capsys):
    folder = write_image_folder(tmp_path / 'no_val', train=8, val=1)
    shutil.rmtree(folder / 'val')
    code = run_verb('tune', [ATTO, '--data', str(folder), '--work-dir', str(tmp_path / 'w')])
    assert code == 2 and '--val-split 0.2' in capsys.readouterr().err
    assert not (tmp_path / 'w').exists()


def test_run_in_the_folder_is_refused(run, tmp_path):
    (tmp_path / 'work').mkdir()
    (tmp_path / 'work' / 'epoch_1.pth').touch()
    code, out = run()
    assert code == 2 and 'holds a training run (epoch_1.pth): choose another with --work-dir' in out


def test_missing_package_is_one_line(run, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    code, out = run()
    assert code == 2 and out == 'error: tune needs the package optuna: pip install optuna\n'


def test_arguments_for_training_are_all_others():
    argv = [
        'CONFIG',
        '--trials',
        '3',
        '--data',
        'sample',
        '--search',
        'lr=1:2',
        '--only',
        'lr',
        '--debug',
        '--seed',
        '1',
    ]
    argv += [
        '--pruner',
        'none',
        '--storage',
        'x',
        '--study',
        'y',
        '--work-dir=z',
        '--epochs',
        '2',
        '--cfg-options',
        'a=b',
    ]
    assert training_arguments(argv) == ['CONFIG', '--data', 'sample', '--epochs', '2', '--cfg-options', 'a=b']


def test_flags_are_those_of_train_but_some():
    def flags(verb: str) -> set[str]:
        return {flag for action in build_parser(verb)._actions for flag in action.option_strings}

    assert flags('train') - flags('tune') == {'--resume', '--launcher', '--check-data'}
    assert flags('tune') - flags('train') == {'--trials', '--search', '--only', '--pruner', '--storage', '--study'}


def test_help_starts_without_torch_and_optuna():
    code = 'import sys; from convnext_dense.cli import run_verb; run_verb("tune", ["x.py", "--search", "lr=2:1"]);'
    code += 'print([name for name in ("torch", "optuna", "mmengine", "numpy") if name in sys.modules])'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '[]\n' and 'wrong way round' in done.stderr


def test_lines_say_what_became_of_a_trial():
    assert tune.describe_values({'lr': 1e-4, 'drop_path': 0.25}) == 'lr 0.0001, drop_path 0.25'
