"""The sample on the command line, in all formats."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from convnext_dense.cli import run_verb
from convnext_dense.cli.arguments import WRITE_FORMATS, program
from convnext_dense.cli.commands import sample as command
from convnext_dense.cli.parsers.sample import PANOPTIC
from convnext_dense.data.panoptic.files import find_panoptic_splits
from convnext_dense.data.panoptic.read import read_panoptic
from convnext_dense.sample_data.aerial.create import LargeSize, ensure_large_sample, large_root
from convnext_dense.sample_data.create import SampleSize, ensure_sample

PROG = program('sample', script=sys.argv[0].endswith('.py'))


@pytest.fixture(scope='module')
def drawn(tmp_path_factory) -> Path:
    size = SampleSize(train_portraits=14, val_portraits=6, train_scenes=6, val_scenes=3)
    return ensure_sample(tmp_path_factory.mktemp('drawn'), workers=1, size=size)


@pytest.fixture
def sample(drawn, monkeypatch, tmp_path):
    """``sample ARGUMENTS`` in an empty folder, of a small sample; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, 'ensure_sample', lambda: drawn)
    return lambda *arguments: run_verb('sample', list(arguments))


def count(folder: str) -> int:
    return sum(path.suffix == '.jpg' for path in Path(folder).rglob('*'))


def test_without_a_format_its_place_is_printed(sample, drawn, capsys):
    assert sample() == 0
    assert capsys.readouterr().out == f'{drawn}\n'


@pytest.mark.parametrize('name', WRITE_FORMATS)
def test_every_format_has_the_scenes(sample, name, capsys):
    assert sample('--format', name, 'out') == 0
    assert capsys.readouterr().out.startswith('9 images, ')
    assert count('out') == 9


def test_a_number_of_images(sample, capsys):
    assert sample('--format', 'yolo', 'out', '--images', '5') == 0
    assert (count('out/images/train'), count('out/images/val')) == (5, 1)
    assert sample('--format', 'yolo', 'more', '--images', '500') == 0
    assert count('more') == 9


def test_panoptic_files_have_the_segments_of_their_images(sample, drawn):
    assert sample('--format', 'coco-panoptic', 'all') == 0
    assert count('all') == 9
    written = {str(path.relative_to('all')): path.read_bytes() for path in Path('all').rglob('*.*') if path.is_file()}
    pngs = [name for name in written if name.endswith('.png')]
    assert len(pngs) == 9 and len(written) == 20
    for name, content in written.items():
        assert content == (drawn / 'coco' / name).read_bytes() or name.endswith('.json')
    for split, images in (('train', 6), ('val', 3)):
        files = [Path(root, f'annotations/panoptic_{split}2017.json') for root in ('all', drawn / 'coco')]
        one, other = (json.loads(file.read_text()) for file in files)
        assert one == other and len(one['images']) == images
    assert sample('--format', 'coco-panoptic', 'some', '--images', '2') == 0
    data = read_panoptic(find_panoptic_splits('some')['train'])
    whole = read_panoptic(find_panoptic_splits('all')['train'])
    assert [one.image for one in data.images] == [one.image for one in whole.images[:2]] and count('some') == 3


def test_class_folders_with_classes_in_turn(sample, drawn, capsys):
    assert sample('--format', 'folder', 'all') == 0
    assert capsys.readouterr().out == '20 images written to all\n'
    files = {path.relative_to(drawn / 'classification') for path in (drawn / 'classification').rglob('*.jpg')}
    assert {path.relative_to('all') for path in Path('all').rglob('*.jpg')} == files
    assert sample('--format', 'folder', 'some', '--images', '13') == 0
    per_class = Counter(path.parent.name for path in Path('some/train').rglob('*.jpg'))
    assert sorted(per_class.values()) == [1] * 11 + [2] and count('some/val') == 2


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['out'], '--format is missing, for example: {PROG} --format yolo my_yolo'),
        (['--images', '3'], '--format is missing'),
        (['--format', 'voc'], 'DIR is missing, for example: {PROG} --format voc my_voc'),
        (['--format', 'voc', 'out', '--images', '0'], '--images 0: take at least 1'),
        (['--data', 'sample-large', '--format', 'folder', 'out'], '--format folder is for portraits, which sample-la'),
        (['--data', 'sample-huge'], "--data: invalid choice: 'sample-huge'"),
        (['--format', 'voc', 'full'], 'full is not empty: name a new folder, or empty it first'),
        (['--format', 'darknet', 'out'], "--format: invalid choice: 'darknet'"),
    ],
)
def test_bad_input_is_refused_in_one_line(sample, capsys, arguments, message):
    Path('full/x').mkdir(parents=True)
    assert sample(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {message.replace("{PROG}", PROG)}')
    assert not Path('out').exists()


def test_the_large_sample_is_drawn_and_written_by_name(monkeypatch, capsys, tmp_path):
    size = LargeSize(train=1, val=1, scale=0.1, density=4)
    monkeypatch.setattr(
        command, 'ensure_large_sample', lambda bands: ensure_large_sample(tmp_path, bands=bands, size=size, workers=1)
    )
    monkeypatch.setattr(command, 'ensure_sample', lambda: 1 / 0)
    monkeypatch.chdir(tmp_path)
    root = large_root(tmp_path, size=size)
    assert run_verb('sample', ['--data', 'sample-large']) == 0
    assert capsys.readouterr().out == f'{root}\n'
    for name in ('yolo', 'masks', PANOPTIC):
        assert run_verb('sample', ['--data', 'sample-large', '--format', name, name]) == 0
        written = {path.read_bytes() for path in Path(name).rglob('*.tif')}
        assert written == {(root / f'images/{split}/0001.tif').read_bytes() for split in ('train', 'val')}
    assert large_root(tmp_path, bands=True, size=size).exists() is False
