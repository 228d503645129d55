"""The drawn scenes as YOLO data sets in the layouts of many programs."""

import json
import shutil

import pytest
from labelformat.formats.coco import COCOObjectDetectionInput
from labelformat.formats.yolov8 import YOLOv8ObjectDetectionOutput

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.base import WHOLE, Source
from convnext_dense.data.formats.yolo import YoloFormat
from tests.helpers import drawn_yolo
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, drawn_images, write_coco
from tests.helpers.drawn_yolo import box_line, polygon_line, with_polygons
from tests.helpers.read_source import write_and_read as read
from tests.helpers.small_yolo import CONFIG, SMALL

YOLO = YoloFormat()


def ultralytics(root, names):
    (root / 'data.yaml').write_text(
        'path: .\ntrain: images/train  # 6 images\nval: images/val\ntest:\n\n'
        f'nc: {len(names)}\nnames:\n' + ''.join(f'  {number}: {name}\n' for number, name in enumerate(names))
    )
    return 'images/{}', 'labels/{}', 'data.yaml'


def roboflow(root, names):
    (root / 'data.yaml').write_text(
        f'train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: {len(names)}\n'
        f'names: {json.dumps(names)}\nroboflow:\n  workspace: me\n  license: CC BY 4.0\n'
    )
    return '{valid}/images', '{valid}/labels', 'data.yaml'


def another_machine(root, names):
    (root / 'dataset.yaml').write_text(
        'path: /home/me/sets/toys\ntrain: ./images/train/\nval: C:\\sets\\toys\\images\\val\n'
        f'names: {json.dumps(names)}\n'
    )
    return 'images/{}', 'labels/{}', 'dataset.yaml'


def list_files(root, names):
    (root / 'my.yml').write_text(f'train: train.txt\nval: [lists/val.txt]\nnames: {json.dumps(names)}\n')
    (root / 'train.txt').write_text(''.join(f'./images/train/00000000000{n}.jpg\r\n' for n in range(1, 7)))
    (root / 'lists').mkdir()
    (root / 'lists/val.txt').write_text(''.join(f'/content/x/images/val/00000000000{n}.jpg\n' for n in range(1, 4)))
    return 'images/{}', 'labels/{}', 'my.yml'


def cvat(root, names):
    (root / 'obj.names').write_text('\n'.join(names))
    (root / 'obj.data').write_text(
        f'classes = {len(names)}\nnames = data/obj.names\ntrain = data/train.txt\nvalid = data/valid.txt\n'
        'backup = backup/\n'
    )
    for split, numbers in {'train': range(1, 7), 'valid': range(1, 4)}.items():
        lines = (f'data/obj_{split}_data/00000000000{n}.jpg' for n in numbers)
        (root / f'{split}.txt').write_text('\n'.join(lines))
    return 'obj_{valid}_data', 'obj_{valid}_data', 'obj.data'


def roboflow_darknet(root, names):
    for split in ('train', 'valid'):
        (root / split).mkdir()
        (root / split / '_darknet.labels').write_text('\n'.join(names))
    return '{valid}', '{valid}', ''


def without_config(root, names):
    (root / 'classes.txt').write_text('\ufeff' + '\r\n'.join(names) + '\r\n', 'utf-8')
    return 'images/{}', 'labels/{}', ''


def names_with_the_labels(root, names):
    for split in ('train', 'validation'):
        (root / 'labels' / split).mkdir(parents=True)
        (root / 'labels' / split / 'classes.txt').write_text('\n'.join(names))
    return 'Images/{validation}', 'labels/{validation}', ''


LAYOUTS = [
    ultralytics, roboflow, another_machine, list_files, cvat, roboflow_darknet, without_config, names_with_the_labels,
]  # fmt: skip


def write_drawn(root, drawn, layout, line=box_line, images=drawn_images):
    """Write the drawn scenes in a layout, and return the images of both splits."""
    root.mkdir(exist_ok=True)
    names = class_names(drawn)
    image_folder, labels, _ = layout(root, names)
    by_split = {}
    for split in ('train', 'val'):
        other = {'train': 'train', 'val': 'valid'}[split]
        longer = {'train': 'train', 'val': 'validation'}[split]
        places = [root / one.format(split, valid=other, validation=longer) for one in (image_folder, labels)]
        by_split[split] = images(drawn, split)
        drawn_yolo.lay_out(by_split[split], *places, names, line)
    return by_split


@pytest.mark.parametrize('layout', LAYOUTS, ids=lambda layout: layout.__name__)
def test_boxes_equal_what_is_drawn(tmp_path, drawn, layout):
    by_split = write_drawn(tmp_path / 'toys', drawn, layout)
    sources = find_sources(str(tmp_path / 'toys'))
    assert sources.keys() == {'train', 'val'}
    for split, images in by_split.items():
        check_equals_drawn(sources[split], images, masks=False)
        assert read_coco(sources[split]).classes == tuple(class_names(drawn))
    file = layout(tmp_path, class_names(drawn))[2]
    if file:
        assert find_sources(str(tmp_path / 'toys' / file)) == sources


def test_several_folders_are_one_split(tmp_path):
    files = {'data.yaml': CONFIG.replace('images/train', '[images/train, images/val]')}
    coco = read(tmp_path, {**SMALL, **files})
    assert [image['file_name'] for image in coco.images] == [
        'images/train/a.png',
        'images/train/b.png',
        'images/val/c.png',
    ]
    assert coco.total == 3


@pytest.mark.parametrize(
    ('images', 'labels', 'others'),
    [
        ('images', 'labels', 'classes.txt'),
        ('images', 'labels', 'notes.json'),
        ('.', '.', 'classes.txt'),
        ('data', 'data', 'obj.names'),
        ('JPEGImages', 'labels', 'voc.names'),
    ],
)
def test_data_in_no_split(tmp_path, drawn, images, labels, others):
    names = class_names(drawn)
    notes = json.dumps({'categories': [{'id': n, 'name': name} for n, name in enumerate(names)], 'info': {}})
    (tmp_path / others).write_text(notes if others == 'notes.json' else '\n'.join(names))
    scenes = drawn_images(drawn, 'train')
    drawn_yolo.lay_out(scenes, tmp_path / images, tmp_path / labels, names)
    assert YOLO.find(tmp_path) == {WHOLE: Source(tmp_path, tmp_path, 'yolo')}
    check_equals_drawn(find_sources(str(tmp_path), 'train')['train'], scenes, masks=False)


def test_training_equals_coco(tmp_path, drawn):
    names = class_names(drawn)
    for masks in (False, True):
        choose = (lambda *which: with_polygons(drawn_images(*which))) if masks else drawn_images
        line = polygon_line if masks else lambda *one: box_line(*one, digits=17)
        images = write_drawn(tmp_path / str(masks), drawn, ultralytics, line, choose)['train']
        source = find_sources(str(tmp_path / str(masks)))['train']
        check_equals_drawn(source, images, masks)
        assert YOLO.has_masks(source) == masks
        coco = write_coco(tmp_path / 'coco.json', images, names, masks)
        check_trains_alike(Source(coco, drawn / 'coco/train2017'), source, masks)


def test_what_labelformat_writes(tmp_path, drawn):
    images = drawn_images(drawn, 'train')
    coco, root = write_coco(tmp_path / 'coco.json', images, class_names(drawn), masks=False), tmp_path / 'yolo'
    root.mkdir()
    output = YOLOv8ObjectDetectionOutput(root / 'data.yaml', 'train')
    output.save(COCOObjectDetectionInput(coco))
    shutil.copytree(drawn / 'coco/train2017', root / 'images')
    sources = find_sources(str(root))
    check_equals_drawn(sources['train'], images, masks=False)
