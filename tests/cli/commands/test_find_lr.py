"""``find-lr``: what it prints and writes, its own bad input, and that nothing of a run is touched."""

import argparse
import json
import math

import pytest

from convnext_dense.cli import run_verb
from convnext_dense.cli.commands.find_lr import describe, train_command
from convnext_dense.cli.main import build_parser
from convnext_dense.engine import TrainLoop
from convnext_dense.engine.lr_range import Step, Suggestion, ramp
from tests.helpers.run_tool import ATTO, SMALL
from tests.helpers.small_run import ARCH

CURVE = [Step(lr, 1.0) for lr in ramp(1e-7, 1.0, 100)]


def find_lr(data, out, *arguments, options=()):
    argv = [ATTO, '--data', str(data), '--out', str(out), *arguments]
    small = [*SMALL, f'model.backbone.arch={ARCH}', *options]
    return run_verb('find-lr', [*argv, '--cfg-options', *small])


def test_a_test_is_deterministic_and_writes_nothing_else(image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lrs, run_iter = [], TrainLoop.run_iter

    def spied(self, idx, batch):
        lrs.append([group['lr'] for group in self.runner.optim_wrapper.optimizer.param_groups])
        return run_iter(self, idx, batch)

    monkeypatch.setattr(TrainLoop, 'run_iter', spied)
    for name in ('a', 'b'):
        assert find_lr(image_folder, tmp_path / name, '--steps', '20', '--end', '1e-3') == 0
    facts = [json.loads((tmp_path / name / 'find_lr.json').read_text()) for name in ('a', 'b')]
    assert facts[0]['losses'] == facts[1]['losses'] and len(facts[0]['losses']) == 20
    assert facts[0]['lrs'] == pytest.approx(ramp(1e-7, 1e-3, 20))
    assert facts[0]['own_lr'] == 1e-3  # of SMALL
    assert [max(of_step) for of_step in lrs[:20]] == pytest.approx(facts[0]['lrs'])
    assert (tmp_path / 'a' / 'find_lr.png').stat().st_size > 5_000
    assert {path.name for path in tmp_path.glob('*/*')} == {'find_lr.json', 'find_lr.png'}
    assert 'total batch 8 = 8 per process' in capsys.readouterr().out


def test_curves_of_other_commands_are_kept(own_image_folder, error, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ['--cfg-options', *SMALL, f'model.backbone.arch={ARCH}']

    def losses(folder):
        return json.loads((tmp_path / folder / 'find_lr.json').read_text())['losses']

    def find(*arguments):
        argv = [ATTO, '--data', str(own_image_folder), '--end', '1e-3', *arguments, *small]
        return run_verb('find-lr', argv)

    assert find('--steps', '20', '--work-dir', 'w') == 0
    assert 'w/find_lr/find_lr.png, its values are in w/find_lr/find_lr.json\n' in capsys.readouterr().out
    assert find('--steps', '21', '--work-dir', 'w') == 0
    assert 'in w/find_lr_2/find_lr.json; w/find_lr has that of another command\n' in capsys.readouterr().out
    assert [len(losses(f'w/{name}')) for name in ('find_lr', 'find_lr_2')] == [20, 21]
    assert find('--steps', '20', '--work-dir', 'w') == 0  # once more, into its own folder
    assert sorted(path.name for path in (tmp_path / 'w').iterdir()) == ['find_lr', 'find_lr_2']
    capsys.readouterr()
    assert find('--steps', '20', '--out', 'w/find_lr') == 2
    said = error()
    assert 'error: --out w/find_lr has the curve of another test, `' in said and said.endswith('name another folder')
    assert len(losses('w/find_lr')) == 20
    (tmp_path / 'w/find_lr/find_lr.json').write_text('not JSON')
    assert find('--steps', '20', '--out', 'w/find_lr') == 2


def test_flags_of_whole_runs_are_not_its_own():
    flags = build_parser('find-lr').flags
    assert {'--batch', '--amp', '--pretrained', '--seed', '--image-size', '--steps', '--out', '--work-dir'} <= flags
    assert not {'--resume', '--epochs', '--lr'} & flags


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--steps', '5'), '--steps 5: a curve of fewer than 20 steps tells nothing'),
        (('--start', '1', '--end', '0.1'), '--start 1 is not below --end 0.1'),
        (('--start', '0'), "'0' is no learning rate"),
        (('--resume',), 'unknown flag --resume'),
    ],
)
def test_bad_input(error, image_folder, tmp_path, arguments, said):
    assert find_lr(image_folder, tmp_path, *arguments) == 2
    assert said in error()


def test_too_few_images(error, image_folder, tmp_path):
    options = ('train_dataloader.batch_size=64', 'train_cfg.total_batch_size=64')
    assert find_lr(image_folder, tmp_path, options=options) == 2
    assert '48 training images are fewer than one batch' in error()


def test_a_first_loss_that_is_not_finite(error, image_folder, tmp_path, monkeypatch):
    def not_taken(self, *args):
        self.runner.optim_wrapper.zero_grad()
        return False

    monkeypatch.setattr('convnext_dense.engine.non_finite.NonFiniteGuard.step_if_finite', not_taken)
    assert find_lr(image_folder, tmp_path) == 2
    assert 'not finite at the first step, whose learning rate of 1e-07 can not be why' in error()


def test_lines():
    found = Suggestion(steepest=1e-4, at_minimum=5e-3, still_falling=False)
    lines = describe(CURVE, found, 4e-3, 'the loss was above 4 times its best', 'atto', 'train X --lr')
    assert lines == [
        'atto: 100 steps from 1e-07; the ramp ended at 1, since the loss was above 4 times its best',
        'suggested: 0.0001, where the loss fell fastest; it was least at 0.005, a tenth of which (0.0005) is the '
        'cautious choice',
        "that is 1/40.0 of the config's own, 0.004: try both, for instance `train X --lr 0.0001`",
    ]
    assert (
        describe(CURVE, found, 1.5e-4, None, 'atto', '')[-1] == "the config's own, 0.00015, is about the same: keep it"
    )
    assert 'nothing is suggested' in describe(CURVE, None, 1e-3, None, 'atto', '')[-1]
    assert math.isclose(found.cautious, 5e-4)


def test_the_command_to_train_has_the_flags_of_the_test():
    line = "python tools/find_lr.py a.py --data 'my data' --steps 50 --out x --batch 2 --cfg-options a.b=1"
    args = argparse.Namespace(prog='python tools/find_lr.py', command_line=line)
    assert train_command(args) == "python tools/train.py a.py --data 'my data' --batch 2 --cfg-options a.b=1 --lr"


def test_lr_of_train(error, image_folder, tmp_path):
    argv = [ATTO, '--data', str(image_folder), '--work-dir', str(tmp_path / 'run'), '--lr', '1e-5']
    assert run_verb('train', [*argv, '--cfg-options', *SMALL]) == 2
    assert '--lr 1e-05 and --cfg-options optim_wrapper.optimizer.lr=0.001 differ: leave out one' in error()
    options = [option for option in SMALL if 'lr=' not in option]
    assert run_verb('train', [*argv, '--epochs', '1', '--cfg-options', *options]) == 0
    assert 'lr=1e-05' in next((tmp_path / 'run').glob('*.py')).read_text()


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize('config', ['det/dino_convnext_a_coco', 'seg/upernet_convnext_a_ade20k'])
def test_other_tasks(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = [f'configs/{config}.py', '--data', 'sample', '--pretrained', 'none', '--steps', '20', '--end', '1e-3']
    assert run_verb('find-lr', [*argv, '--out', 'out', '--cfg-options', 'train_dataloader.num_workers=0']) == 0
    assert len(json.loads((tmp_path / 'out' / 'find_lr.json').read_text())['losses']) == 20
    assert 'the curve is out/find_lr.png' in capsys.readouterr().out
