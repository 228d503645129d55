"""``train``: arguments and folders that it refuses, and the command to continue with."""

import sys
from types import SimpleNamespace

import pytest

from convnext_dense.cli.commands import train as train_command
from convnext_dense.cli.parsers import train as train_parser
from tests.helpers.run_tool import train


def test_work_dir_that_cannot_be_written(error, image_folder, tmp_path):
    (tmp_path / 'file').touch()
    assert train(image_folder, tmp_path / 'file' / 'w') == 2
    assert 'choose another with --work-dir' in error()


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
        (('--value-range', '5', '5'), '--value-range 5 5: the second number, white, must be larger'),
        (('--value-range', '0', 'nan'), '--value-range 0 nan: the second number, white, must be larger'),
        (('--skip-nan', '-1'), '--skip-nan -1: skip 0 steps or more'),
        (('--resume', '--pretrained', 'x.pth'), 'leave out --pretrained'),
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


def test_bad_image_stops_the_run_with_its_path(error, own_image_folder, tmp_path):
    bad = own_image_folder / 'train' / 'red' / '02.jpg'
    bad.write_bytes(bad.read_bytes()[:200])
    assert train(own_image_folder, tmp_path / 'w', options=('train_dataloader.num_workers=1',)) == 2
    line = error()
    assert f'bad image {bad}' in line
    assert '--on-bad-image skip' in line
