"""``train``: arguments and folders that it refuses, and the command to continue with."""

import re
import shlex
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from convnext_dense.cli import run_verb
from convnext_dense.cli.arguments import is_module, is_script
from convnext_dense.cli.commands import train as train_command
from convnext_dense.cli.parsers import train as train_parser
from tests.helpers.mask_folder import relabel, write_mask_folder
from tests.helpers.run_tool import ATTO, ROOT, SMALL, train


def test_work_dir_that_cannot_be_written(error, image_folder, tmp_path):
    (tmp_path / 'file').touch()
    assert train(image_folder, tmp_path / 'file' / 'w') == 2
    assert 'choose another with --work-dir' in error()


def test_weights_that_are_absent_are_said_before_data_are_looked_at(error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('convnext_dense.config.read.point_at', lambda *_: 1 / 0)
    detector = ['configs/det/cascade_convnext_a_coco.py', '--data', 'absent', '--work-dir', 'run']
    assert run_verb('train', detector) == 2
    assert (
        'the config starts from work_dirs/convnext_a/epoch_300.pth, which does not exist: make it first with `python '
        'tools/train.py configs/classification/convnext_a.py --data PATH`, or take other weights with --pretrained '
        'timm:convnext_atto.d2_in1k or none'
    ) in error().replace('convnext-dense train', 'python tools/train.py')
    assert run_verb('train', [*detector, '--cfg-options', 'pretrained=my.pth']) == 2
    assert 'the config starts from weights that do not exist: no checkpoint at my.pth' in error()
    with pytest.raises(ZeroDivisionError):  # others are given
        run_verb('train', [*detector, '--pretrained', 'none'])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('labels', 'names', 'arguments', 'said'),
    [
        ((0, 1), 'crack', (), "show one class only, 'crack' (label 1)"),
        ((0, 1), None, ('--label-zero', 'ignore'), "show one class only, 'class_1' (label 1)"),
        ((0, 255), 'background\ncrack', ('--label-zero', 'class', '--mask-labels', 'index'), 'no label but 0 and 255'),
        ((0, 1, 2, 3), None, (), 'is not decidable'),
    ],
)
def test_masks_that_teach_nothing_or_do_not_say_what_0_is(
    error, tmp_path, monkeypatch, labels, names, arguments, said
):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    root = relabel(write_mask_folder(tmp_path / 'data'), lambda drawn: np.array(labels)[drawn % len(labels)])
    (root / 'classes.txt').unlink()
    if names:
        (root / 'classes.txt').write_text(names)
    argv = ['configs/seg/upernet_convnext_a_ade20k.py', '--data', str(root), '--work-dir', str(tmp_path / 'run')]
    assert run_verb('train', [*argv, '--pretrained', 'none', *arguments]) == 2
    assert said in error()
    assert run_verb('check_data', [*argv[:3], '--workers', '1', *arguments]) == 1


def test_masks_of_0_and_255_are_of_two_classes(tmp_path, monkeypatch, capsys):
    """What 0 is need not be said: it is the background."""
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    root = relabel(write_mask_folder(tmp_path / 'data'), lambda drawn: np.array([0, 255])[drawn % 2])
    (root / 'classes.txt').write_text('background\ncrack')
    for flags in ((), ('--label-zero', 'class')):
        argv = ['configs/seg/upernet_convnext_a_ade20k.py', '--data', str(root), '--workers', '1', *flags]
        run_verb('check_data', argv)
        said = capsys.readouterr().out
        assert '\ncrack            4  47.35%' in said and '1 problem, ' in said  # the images are the same in both
        assert 'problem  2 images that val shares with train' in said


def test_images_of_one_class_are_not_learned(error, own_image_folder, tmp_path):
    for folder in own_image_folder.glob('*/*'):
        if folder.name != 'red':
            shutil.rmtree(folder)
    assert train(own_image_folder, tmp_path / 'run') == 2
    assert "are of one class only, 'red', so that there is nothing to learn" in error()
    assert run_verb('check_data', [ATTO, '--data', str(own_image_folder), '--workers', '1']) == 1


def test_the_command_that_follows_a_run_with_modules_of_its_own_works(own_image_folder, tmp_path, monkeypatch, capsys):
    """Such a run is tested with the config that it saved, given as CONFIG; the command without it names the other."""
    (tmp_path / 'my_modules_of_a_run.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, 'argv', ['convnext-dense'])
    config, run = tmp_path / 'mine.py', tmp_path / 'a run'
    config.write_text(
        f"_base_ = {str(Path(ATTO).resolve())!r}\ncustom_imports = dict(imports=['my_modules_of_a_run'])\n"
    )
    options = [option for option in SMALL if not option.startswith('optim_wrapper')]
    argv = [str(config), '--data', str(own_image_folder), '--work-dir', str(run), '--epochs', '1']
    assert run_verb('train', [*argv, '--cfg-options', *options]) == 0
    log = next(run.glob('*/*.log')).read_text()
    [tested] = re.findall(r'; `convnext-dense test (.*)` tests it', log)
    assert shlex.split(tested) == [str(run / 'mine.py'), str(run)]
    [warned] = [line for line in log.splitlines() if 'the total batch that the lr is for' in line]
    assert 'WARNING' in warned and "is 8, the config's own 4096, and the lr is still 0.004" in warned
    capsys.readouterr()
    assert run_verb('test', ['--weights', 'raw', str(run), '--show', '1']) == 2
    said = capsys.readouterr().err
    assert 'it imports my_modules_of_a_run): if you trust it, give it as CONFIG: `convnext-dense test ' in said
    [full] = re.findall(r'`convnext-dense test (.*)`', said)
    assert shlex.split(full) == ['--weights', 'raw', str(run / 'mine.py'), str(run), '--show', '1']
    assert run_verb('test', shlex.split(full)) == 0


def test_resume_without_a_checkpoint(error, image_folder, tmp_path):
    assert train(image_folder, tmp_path, '--resume') == 2
    assert 'no checkpoint' in error()


def test_resume_from_weights_alone(error, image_folder, tmp_path, checkpoint):
    assert train(image_folder, tmp_path, '--resume', str(checkpoint)) == 2
    assert 'is of another model than this config: backbone.stages.0.0.gamma is (7,) instead of (40,)' in error()


def test_work_dir_that_holds_a_run(error, image_folder, tmp_path):
    (tmp_path / 'epoch_7.pth').touch()
    assert train(image_folder, tmp_path) == 2
    assert 'holds a run already (epoch_7.pth): continue it with --resume' in error()


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--launcher', 'pytorch'), 'start with torchrun'),
        (('--launcher', 'slurm'), 'start with srun'),
        (('--launcher', 'pytorch', '--check-data'), 'check with tools/check_data.py first'),
        (('--seed', '-1'), '--seed -1 is out of range'),
        (('--epochs', '0'), '--epochs 0: train at least 1'),
        (('--image-size', '16', '320'), '--image-size 16 320: take sides of at least 32 pixels'),
        (('--image-size', '64', '96'), '--image-size 64 96: classification takes squares'),
        (('--image-size', '64', '64'), 'both set train_dataloader.dataset.transform.input_size: leave out one'),
        (('--value-range', '5', '5'), 'value range 5 5: the second number, white, must be larger'),
        (('--value-range', '0', 'nan'), 'value range 0 nan: the second number, white, must be larger'),
        (('--skip-nan', '-1'), '--skip-nan -1: skip 0 steps or more'),
        (('--resume', '--pretrained', 'x.pth'), 'leave out --pretrained'),
        (('--lora', '0'), '--lora 0: take a rank of at least 1, such as 8'),
        (('--lora', '8', '--pretrained', 'none'), '--lora 8 adapts weights that are kept as they are: name them'),
        (('--lora', 'eight'), "--lora: invalid int value: 'eight'"),
        (('--lora', '8'), 'LoRA adapts weights that are kept as they are: name them with --pretrained WEIGHTS'),
        (('--track', 'absent'), 'needs the package absent: pip install -r requirements/optional.txt'),
    ],
)
def test_arguments_that_cannot_work(error, image_folder, tmp_path, monkeypatch, arguments, said):
    for name in ('RANK', 'SLURM_PROCID'):
        monkeypatch.delenv(name, raising=False)
    if '--check-data' in arguments:
        for name, value in (('RANK', '0'), ('WORLD_SIZE', '2'), ('LOCAL_RANK', '0')):
            monkeypatch.setenv(name, value)
    monkeypatch.setitem(train_parser.TRACKERS, 'absent', 'AbsentVisBackend')
    assert train(image_folder, tmp_path, *arguments) == 2
    assert said in error()


def test_adapters_need_peft(error, image_folder, tmp_path, monkeypatch):
    find_spec = train_parser.importlib.util.find_spec
    monkeypatch.setattr(train_parser.importlib.util, 'find_spec', lambda n: None if n == 'peft' else find_spec(n))
    assert train(image_folder, tmp_path, '--lora', '8') == 2
    assert error() == 'error: --lora 8 needs the package peft: pip install peft'


@pytest.mark.parametrize(
    ('script', 'prog'),
    [('tools/train.py', 'python tools/train.py'), ('/v/bin/convnext-dense', 'convnext-dense train')],
)
def test_the_command_to_go_on_with_names_a_script_that_torchrun_finds(monkeypatch, script, prog):
    monkeypatch.setattr(sys, 'argv', [script])
    for name in ('WORLD_SIZE', 'LOCAL_WORLD_SIZE'):
        monkeypatch.setenv(name, '2')
    line = f'{prog} c.py --resume auto --launcher pytorch --pretrained x.pth'
    verb = ['train'] if 'convnext-dense' in prog else []
    wanted = ['torchrun', '--nproc_per_node=2', script, *verb, 'c.py', '--launcher', 'pytorch', '--resume']
    assert train_command.resume_command(SimpleNamespace(command_line=line, launcher='pytorch')).split() == wanted


@pytest.mark.parametrize('program', ['/v/ipykernel_launcher.py', 'battery.py', '/v/pytest/__main__.py'])
def test_the_command_to_go_on_with_from_another_program_has_its_verb(monkeypatch, program):
    monkeypatch.setattr(sys, 'argv', [program])
    arguments = SimpleNamespace(command_line='python tools/train.py c.py --data d', launcher='none')
    assert train_command.resume_command(arguments) == 'convnext-dense train c.py --data d --resume'


def test_the_command_to_go_on_with_of_the_module(monkeypatch):
    monkeypatch.setattr(sys, 'argv', [str(ROOT / 'convnext_dense' / '__main__.py')])
    assert is_module() and not is_script()
    arguments = SimpleNamespace(command_line='convnext-dense train c.py --data d', launcher='none')
    assert train_command.resume_command(arguments) == 'python -m convnext_dense train c.py --data d --resume'
    for name in ('WORLD_SIZE', 'LOCAL_WORLD_SIZE'):
        monkeypatch.setenv(name, '2')
    arguments.launcher = 'pytorch'
    wanted = 'torchrun --nproc_per_node=2 -m convnext_dense train c.py --data d --resume'
    assert train_command.resume_command(arguments) == wanted


def test_bad_image_stops_the_run_with_its_path(error, own_image_folder, tmp_path):
    bad = own_image_folder / 'train' / 'red' / '02.jpg'
    bad.write_bytes(bad.read_bytes()[:200])
    assert train(own_image_folder, tmp_path / 'w', options=('train_dataloader.num_workers=1',)) == 2
    line = error()
    assert f'bad image {bad}' in line
    assert '--on-bad-image skip' in line


def test_without_validation_data_a_run_trains_and_says_so(own_image_folder, tmp_path, capsys):
    shutil.rmtree(own_image_folder / 'val')
    work_dir = tmp_path / 'run'
    options = ('default_hooks.checkpoint.best=raw/top1', 'default_hooks.checkpoint.interval=2')
    assert train(own_image_folder, work_dir, '--epochs', '3', options=options) == 0
    log = next(work_dir.glob('*/*.log')).read_text()
    [said] = [line for line in log.splitlines() if 'no validation data' in line]
    assert said.endswith(
        f'WARNING - there are no validation data beside {own_image_folder}: this run measures nothing, and '
        'keeps its last checkpoints, but no best.pth; --val-split 0.2 holds out a fifth of the images'
    )
    assert sorted(path.name for path in work_dir.glob('*.pth')) == ['epoch_2.pth', 'epoch_3.pth']
    assert 'val/' not in log and 'tests it' not in log
    capsys.readouterr()
    assert train(own_image_folder, work_dir, '--epochs', '3', '--resume') == 0  # finished: nothing is made up for
    assert run_verb('test', [str(work_dir)]) == 2
    assert f'no data at {own_image_folder}/val' in capsys.readouterr().err


def test_a_run_is_not_started_without_training_data(error, own_image_folder, tmp_path):
    shutil.rmtree(own_image_folder / 'train')
    assert train(own_image_folder, tmp_path / 'run') == 2
    assert f'no data at {own_image_folder}/train' in error()
