"""Converting data sets on the command line."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.cli.arguments import DATA_FORMATS, WRITE_FORMATS, program
from convnext_dense.cli.commands import convert_data
from convnext_dense.cli.main import build_parser
from convnext_dense.data.formats import FORMATS
from convnext_dense.data.formats.write import WRITERS
from tests.helpers.labeled import image, triangle, write
from tests.helpers.run_tool import ROOT

PROG = program('convert-data', script=sys.argv[0].endswith('.py'))


@pytest.fixture
def source(tmp_path) -> Path:
    """A COCO data set with two images for training: three objects, of which one has no mask, and two crowds."""
    crowd = {'is_crowd': True}
    box = triangle(1)
    box.segmentation = None
    images = [
        image(tmp_path / 'a.png', triangle(), triangle(**crowd)),
        image(tmp_path / 'b.png', box, triangle(**crowd)),
    ]
    images[1].objects.append(triangle())
    write(tmp_path / 'coco', 'coco', *images)
    return tmp_path / 'coco'


@pytest.fixture
def boxes(tmp_path) -> Path:
    box = triangle()
    box.segmentation = None
    write(tmp_path / 'boxes', 'coco', image(tmp_path / 'c.png', box))
    return tmp_path / 'boxes'


def convert(*arguments: object) -> int:
    return run_verb('convert_data', [str(argument) for argument in arguments])


def test_one_line_says_what_was_written_changed_and_lost(source, tmp_path, capsys):
    assert convert(source, tmp_path / 'yolo', '--to', 'yolo') == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == (
        f'2 images, 3 annotations written to {tmp_path}/yolo; 2 images are hard links; '
        'lost: 2 crowds left out (YOLO has none), '
        '1 mask became a box (a YOLO file has boxes or polygons, and an object of the image has no mask)'
    )
    assert convert(source, tmp_path / 'voc', '--to', 'voc', '--images', 'copy') == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == (
        f'2 images, 5 annotations written to {tmp_path}/voc; 2 images are copies; '
        'lost: 2 masks became boxes (VOC has none), 2 crowds became difficult objects'
    )
    assert convert(source, tmp_path / 'coco2', '--to', 'coco', '--images', 'none') == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f'2 images, 5 annotations written to {tmp_path}/coco2; no images'


def test_faults_of_the_source_are_named(source, tmp_path, capsys):
    file = source / 'annotations/instances_train2017.json'
    content = json.loads(file.read_text())
    content['annotations'][0] |= {'bbox': [0, 0, 0, 0], 'segmentation': []}
    file.write_text(json.dumps(content))
    assert convert(source, tmp_path / 'out', '--to', 'labelme') == 0
    assert 'train2017: 1 annotation dropped: box of zero area (annotation id 1)' in capsys.readouterr().out


def test_label_maps_become_objects_and_objects_label_maps(source, tmp_path, capsys):
    assert convert(source, tmp_path / 'masks', '--to', 'masks') == 0
    assert '2 images, 2 label maps written' in capsys.readouterr().out
    assert convert(tmp_path / 'masks', tmp_path / 'again', '--to', 'coco') == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("label 0 of the masks is a class, 'background'")
    assert 'changed: ' in last and 'lost: 1 image with unlabeled pixels' in last
    assert convert(tmp_path / 'masks', tmp_path / 'zero', '--to', 'masks', '--label-zero', 'class') == 0
    one, other = (Image.open(tmp_path / f'{name}/annotations/training/a.png') for name in ('masks', 'zero'))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['no', 'out', '--to', 'yolo'], 'no data at no: check the path'),
        (['coco', 'coco/out', '--to', 'yolo'], 'coco/out is in the folder that is read: name a folder beside coco'),
        (['coco', 'boxes', '--to', 'yolo'], 'boxes is not empty: name a new folder, or empty it first'),
        (['coco', 'c.png', '--to', 'yolo'], 'c.png is a file: name a new folder'),
        (['x.py', 'out', '--to', 'yolo'], 'x.py is a config: give the root folder of a data set'),
        (
            ['boxes', 'out', '--to', 'masks'],
            'boxes has boxes without masks, of which no label maps are made: choose another format with --to',
        ),
        (
            ['boxes', 'out', '--to', 'yolo', '--label-zero', 'class'],
            '--label-zero is for masks, and boxes has objects',
        ),
        (
            ['boxes', 'out', '--to', 'yolo', '--classes', 'cat,cow'],
            "--classes names 'cow': there are 2 classes in boxes: cat, dog",
        ),
        (
            ['boxes', 'out', '--to', 'yolo', '--classes', 'cat', '--ignore-classes', 'cat'],
            "--classes and --ignore-classes both name 'cat'",
        ),
        (['boxes', 'out', '--to', 'yolo', '--val-split', '0.2'], 'unknown flag --val-split: '),
        (['boxes', 'out', '--to', 'darknet'], "--to: invalid choice: 'darknet'"),
        (['boxes', 'out'], '--to is missing, for example: {PROG} my_coco my_yolo --to yolo'),
    ],
)
def test_bad_input_is_refused_in_one_line(source, boxes, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert convert(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {message.replace("{PROG}", PROG)}')
    assert not Path('out').exists()


def test_classes_are_chosen(source, tmp_path, capsys):
    flags = ['--merge', 'cat,dog->pet', '--classes', 'pet']
    assert convert(source, tmp_path / 'yolo', '--to', 'yolo', *flags) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "train2017: 1 class of 2 by choice (pet): 5 annotations of cat, dog are 'pet'"
    assert '2 images, 3 annotations written' in last
    assert (tmp_path / 'yolo/classes.txt').read_text() == 'pet\n'
    assert {line[0] for file in (tmp_path / 'yolo/labels/train').iterdir() for line in file.open()} == {'0'}


@pytest.mark.parametrize('stop', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_half_is_left(tmp_path, stop):
    code = (
        'import sys, time\n'
        'from convnext_dense.io.files import atomic_folder\n'
        'with atomic_folder(sys.argv[1]) as folder:\n'
        '    (folder / "a").touch()\n'
        '    print("ready", flush=True)\n'
        '    time.sleep(60)\n'
    )
    out = tmp_path / 'out'
    with subprocess.Popen([sys.executable, '-c', code, out], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout.readline() == b'ready\n'
        process.send_signal(stop)
        process.wait(30)
    assert not out.exists()
    if stop == signal.SIGINT:
        assert os.listdir(tmp_path) == []
    time.sleep(0.1)
    (tmp_path / 'others').mkdir()
    write(tmp_path / 'out', 'coco', image(tmp_path / 'others/a.png', triangle()))
    assert sorted(os.listdir(tmp_path)) == ['others', 'out']  # what a killed process left is gone


def test_the_parsers_know_all_formats():
    assert tuple(WRITERS) == WRITE_FORMATS
    assert tuple(FORMATS) == DATA_FORMATS


def test_all_flags_are_read(source, tmp_path):
    """A flag that nothing reads would be ignored in silence."""
    read = set()

    class Noted(argparse.Namespace):
        def __getattribute__(self, name: str) -> object:
            read.add(name)
            return super().__getattribute__(name)

    parser = build_parser('convert_data')
    args = Noted(**vars(parser.parse_args([str(source), str(tmp_path / 'new'), '--to', 'yolo'])))
    read.clear()
    convert_data.run(args)
    flags = {action.dest for action in parser._actions} - {'help', 'debug'}  # which is for all verbs
    assert flags - read == set() and {'source', 'images', 'merge'} <= flags


@pytest.mark.parametrize(
    'flag', ['--val-split', '--folds', '--fold', '--split-group', '--replace-val', '--label-column']
)
def test_flags_of_training_are_unknown(flag, source, tmp_path, error):
    assert run_verb('convert_data', [str(source), str(tmp_path / 'new'), '--to', 'yolo', flag, '2']) == 2
    assert f'unknown flag {flag}' in error()
