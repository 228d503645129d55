"""Reading COCO files for a check: faults of annotations, and of images that they don't fit."""

import json
from pathlib import Path

import pytest
from PIL import Image

from convnext_dense.data.check import NOTE, PROBLEM, WARNING, CheckResult, check_dataset
from convnext_dense.data.detection.check import read_coco_files
from tests.helpers import coco_files
from tests.helpers.findings import found, turn


def checked_coco(root: Path) -> CheckResult:
    places = ((split, root / 'annotations' / f'instances_{split}2017.json') for split in ('train', 'val'))
    sources = {split: {'annotations': str(file), 'images': str(root / f'{split}2017')} for split, file in places}
    return check_dataset(read_coco_files(sources), 1)


@pytest.fixture
def coco(tmp_path) -> Path:
    """Both splits, with images of their own."""
    for number, split in enumerate(('train', 'val')):
        _, folder = coco_files.write(tmp_path / 'coco', coco_files.content(), split)
        for path in folder.iterdir():
            with Image.open(path) as image:
                image.putpixel((0, 0), (number, number, number))
                image.save(path)
    return tmp_path / 'coco'


def change(root: Path, split: str, change) -> None:
    file = root / 'annotations' / f'instances_{split}2017.json'
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_a_good_coco_file(coco):
    checked = checked_coco(coco)
    assert found(checked, PROBLEM) == found(checked, WARNING) == {}
    assert found(checked, NOTE) == {f'{s}: 1 image without annotations': ['009.png'] for s in ('train', 'val')}
    assert checked.data.classes == ['red', 'green', 'blue']
    counts = checked.class_counts[0]
    assert counts.units.tolist() == [2, 1, 2]  # without the crowd
    assert counts.images.tolist() == [2, 1, 2]


def test_annotations_that_cannot_be_used_are_named(coco):
    def spoil(content):
        content['annotations'][0]['bbox'][2] = 0
        content['annotations'][1].update(bbox=[0, 0, 0, 0], segmentation=None)
        content['annotations'][2].update(bbox='?', segmentation=None)
        content['annotations'][4]['bbox'] = ['70', '30', '12', '24']
        content['annotations'][4]['segmentation'] = [[70, 30, 82, 30, 82, 54, 70, 54]]
        content['annotations'][4].pop('area')
        content['annotations'][5]['image_id'] = '4'

    change(coco, 'train', spoil)
    checked = checked_coco(coco)
    assert found(checked, WARNING) == {
        'train: 1 annotation fixed: box of zero area, taken from the mask': ['annotation'],
        'train: 1 annotation dropped: box of zero area': ['annotation'],
        'train: 1 annotation ignored, the whole image: no box of four numbers': ['annotation'],
        'train: 1 annotation clipped: box partly outside its image': ['annotation'],
        'train: 1 annotation fixed: area missing, taken from the mask': ['annotation'],
        'train: 1 class of 3 without an example': ['green'],
    }
    assert {
        'train: 1 annotation fixed: numbers are text': ['annotation'],
        'train: 1 annotation fixed: image_id is not an integer': ['annotation'],
    }.items() <= found(checked, NOTE).items()
    (lost,) = found(checked, PROBLEM)
    assert '2 of 6 annotations (33%) are dropped or ignored, more than 5%' in lost
    assert checked.class_counts[0].units.tolist() == [2, 0, 1]


def test_a_file_that_cannot_be_used_is_a_problem_and_the_other_is_checked(coco):
    change(coco, 'train', lambda content: content['annotations'][0].update(category_id=99))
    (coco / 'val2017' / '001.png').write_bytes(b'')
    checked = checked_coco(coco)
    unusable, unreadable = (f for f in checked.findings if f.level == PROBLEM)
    assert 'unknown category_id 99' in unusable.message and unusable.split == 'train'
    assert "1 image that can't be decoded" in unreadable.message and unreadable.split == 'val'


def test_categories_are_joined_by_name(coco):
    change(coco, 'val', lambda content: content['categories'].reverse())
    change(coco, 'val', lambda content: content['annotations'].pop())  # a blue one
    checked = checked_coco(coco)
    assert found(checked, PROBLEM) == found(checked, WARNING) == {}
    assert checked.data.classes == ['red', 'green', 'blue']
    assert [counts.units.tolist() for counts in checked.class_counts] == [[2, 1, 2], [2, 1, 1]]


def test_val_may_have_some_of_the_categories_and_no_others(coco):
    def take_away(content):
        content['categories'] = content['categories'][1:]
        content['annotations'] = [a for a in content['annotations'] if a['category_id'] != 7]

    change(coco, 'val', take_away)
    checked = checked_coco(coco)
    assert found(checked, PROBLEM) == {}
    assert checked.class_counts[1].units.tolist() == [0, 1, 2]
    assert found(checked, NOTE)['val: 1 class of 3 without an example'] == ['red']
    change(coco, 'val', lambda content: content['categories'][0].update(name='gray'))
    checked = checked_coco(coco)
    (problem,) = found(checked, PROBLEM)
    assert 'val2017 has gray, and lacks red, green, where train has 3 categories' in problem
    assert checked.class_counts[1].units.tolist() == [0, 0, 2]


def test_nothing_but_crowds_is_a_problem(coco):
    def make_crowds(content):
        for annotation in content['annotations']:
            annotation['iscrowd'] = '1'

    change(coco, 'val', make_crowds)
    assert list(found(checked_coco(coco), PROBLEM)) == ['val: all 6 annotations are crowds (iscrowd) or ignored']


def test_boxes_in_another_convention_are_a_problem_unless_it_is_named(coco):
    def as_corners(content):
        for annotation in content['annotations']:
            x, y, w, h = annotation['bbox']
            annotation['bbox'] = [x, y, x + w, y + h]

    change(coco, 'train', as_corners)
    (problem,) = found(checked_coco(coco), PROBLEM)
    assert 'its boxes are probably corners [x1, y1, x2, y2] of their masks' in problem
    source = {
        'annotations': str(coco / 'annotations/instances_train2017.json'),
        'images': str(coco / 'train2017'),
        'box_format': 'xyxy',
    }
    data = read_coco_files({'train': source})
    assert [f for f in data.findings if f.level != NOTE] == []
    assert data.splits[0].images[0].instances[0]['bbox'] == [5, 6, 25, 36]


def test_boxes_without_masks_are_counted_where_masks_are_learned(coco):
    change(coco, 'train', lambda content: content['annotations'][0].update(segmentation=[]))
    change(coco, 'val', lambda content: content['annotations'][0].update(segmentation=[]))
    sources = {
        split: {
            'annotations': str(coco / f'annotations/instances_{split}2017.json'),
            'images': str(coco / f'{split}2017'),
            'pipeline': [dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=split == 'train')],
        }
        for split in ('train', 'val')
    }
    messages = [(f.level, f.split, f.message) for f in read_coco_files(sources).findings if f.level != NOTE]
    assert messages[0] == (WARNING, 'train', '1 annotation used as a box only: no mask, where others have one')
    assert messages[1] == (WARNING, 'train', 'without a mask, so ignored, since the pipeline loads masks: 1 object')
    assert messages[2][:2] == (PROBLEM, 'train') and '1 of 6 annotations (17%)' in messages[2][2]
    assert messages[4] == (WARNING, 'val', 'without a mask, so not counted in the AP of masks: 1 object')
    assert len(messages) == 5
    data = read_coco_files({split: dict(source, keeps_unmasked=True) for split, source in sources.items()})
    messages = [(f.level, f.split, f.message) for f in data.findings if f.level != NOTE]
    assert messages[1] == (WARNING, 'train', 'without a mask, so learned as boxes only: 1 object')
    assert [message[0] for message in messages] == [WARNING] * 4
    assert [i['ignore_flag'] for i in data.splits[0].images[0].instances] == [0, 0, 0]
    del sources['train']['pipeline'], sources['val']['pipeline']
    assert len([f for f in read_coco_files(sources).findings if f.level != NOTE]) == 2  # the boxes are all there


def test_images_of_another_size_and_turned_ones(coco):
    Image.new('RGB', (60, 80)).save(coco / 'train2017' / '000.png')  # 80 x 60, annotations: 60 x 80
    image = Image.new('RGB', (60, 80))  # 60 x 80 when upright: as annotated
    exif = image.getexif()
    exif[274] = 6
    image.save(coco / 'train2017' / '001.png', exif=exif)
    turn(coco / 'val2017' / '000.png', 3)  # upside down: no size says which way was annotated
    checked = checked_coco(coco)
    assert found(checked, PROBLEM) == {
        'train: 1 image of another size than the annotations were made for (height x width)': ['000.png']
    }
    assert found(checked, WARNING) == {
        'val: 1 image that EXIF would turn, and that the run takes as stored': ['000.png']
    }
    assert 'train: 1 image on their side by EXIF, taken the way that fits the annotations' in found(checked, NOTE)


def test_a_class_without_an_example(coco):
    for split in ('train', 'val'):
        change(coco, split, lambda content: content['categories'].append({'id': 50, 'name': 'gray'}))
    checked = checked_coco(coco)
    assert found(checked, WARNING) == {'train: 1 class of 4 without an example': ['gray']}
    assert found(checked, NOTE)['val: 1 class of 4 without an example'] == ['gray']


def test_a_detector_of_masks_needs_masks(coco):
    def take_away(content):
        for annotation in content['annotations']:
            del annotation['segmentation']

    change(coco, 'train', take_away)
    file = coco / 'annotations' / 'instances_train2017.json'
    source = {'annotations': str(file), 'images': str(coco / 'train2017')}
    for with_mask in (False, True):
        pipeline = [dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=with_mask)]
        data = read_coco_files({'train': {**source, 'pipeline': pipeline}})
        assert any('has no masks' in f.message for f in data.findings if f.level == PROBLEM) is with_mask
        fixes = ' '.join(f.fix for f in data.findings if f.level == PROBLEM)
        assert ('take a config for boxes, such as configs/det/cascade_rcnn_convnext_t_coco.py' in fixes) is with_mask
