"""The index of large annotations: what it gives back, and when it is not taken."""

import json
import os

import numpy as np
import pytest

from convnext_dense.data.class_choice import ClassChoice, Merge
from convnext_dense.data.detection import coco, index
from convnext_dense.data.detection.coco import has_masks, read_coco, read_header
from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.formats.base import Source
from convnext_dense.errors import UserError
from tests.helpers import coco_files
from tests.helpers.drawn_truth import check_trains_alike
from tests.helpers.small_files import write_files


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of its own, in which an index is kept of every file."""
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(index, 'LARGE_BYTES', 0)
    return tmp_path / 'cache'


@pytest.fixture
def source(tmp_path) -> Source:
    """Masks in all forms, a crowd, a missing and a broken box, an object without a mask."""
    content = coco_files.content()
    annotation = content['annotations'][0]
    two = {'segmentation': [[5, 6, 25, 6, 25, 36], [5, 6, 25, 36.5, 5, 36]]}
    content['annotations'] += [
        {**annotation, 'id': 7, **two},
        {**annotation, 'id': 8, 'bbox': None, 'segmentation': []},
        {**annotation, 'id': 9, 'segmentation': [], 'category_id': 2},
        {**annotation, 'id': 10, 'bbox': [50, 30, 0, 24], 'segmentation': []},
    ]
    coco_files.write(tmp_path, content, 'train', drawn=coco_files.content())
    return Source(tmp_path / 'annotations/instances_train2017.json', tmp_path / 'train2017')


def plain(data: coco.CocoData) -> dict:
    """All fields, with lists in place of arrays."""
    fields = data._asdict()
    by_image = {}
    for number, of_image in fields.pop('annotations').items():
        by_image[number] = [{**one} for one in of_image]
        for one in by_image[number]:
            if isinstance(one.get('segmentation'), list):
                one['segmentation'] = [np.asarray(polygon).tolist() for polygon in one['segmentation']]
    images = [{key: image[key] for key in ('id', 'file_name', 'height', 'width')} for image in fields.pop('images')]
    return {**fields, 'images': images, 'annotations': by_image, 'faults': [tuple(one) for one in fields['faults']]}


def only_kept_keys(content: dict) -> dict:
    """Leave out what nothing reads, such as attributes."""
    kept = ('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'ignored', 'segmentation')
    for number, of_image in content['annotations'].items():
        content['annotations'][number] = [{k: v for k, v in one.items() if k in kept} for one in of_image]
    return content


def forbid_reading(monkeypatch):
    def read(*args):
        raise AssertionError('the file is read again')

    monkeypatch.setattr(type(FORMATS['coco']), 'read', read)
    monkeypatch.setattr(type(FORMATS['coco']), 'read_categories', read)
    monkeypatch.setattr(type(FORMATS['coco']), 'has_masks', read)


def test_an_index_gives_back_what_was_read(source, cache, monkeypatch):
    monkeypatch.setattr(index, 'LARGE_BYTES', 10**9)
    direct = read_coco(source)
    assert not cache.exists()
    monkeypatch.setattr(index, 'LARGE_BYTES', 0)
    first = read_coco(source)
    header = read_header(source)
    forbid_reading(monkeypatch)
    second = read_coco(source)
    assert plain(first) == plain(second) == only_kept_keys(plain(direct))
    assert len(direct.faults) >= 3
    assert read_header(source) == header == (direct.name, direct.classes)
    assert has_masks(source)


def test_training_from_an_index_is_the_same(source, cache, tmp_path, monkeypatch):
    copy = source._replace(annotations=tmp_path / 'copy.json')
    copy.annotations.write_bytes(source.annotations.read_bytes())
    read_coco(copy)
    text = copy.annotations.read_text()
    assert len(list(cache.glob('*.safetensors'))) == 1
    monkeypatch.setattr(index, 'LARGE_BYTES', len(text) * 2)  # the other one is read directly
    source.annotations.write_text(text)
    for masks in (True, False):
        check_trains_alike(copy, source, masks)


@pytest.mark.parametrize('change', ['content', 'time', 'image', 'settings'])
def test_an_index_of_other_files_or_settings_is_not_taken(source, cache, change):
    before = read_coco(source)
    content = json.loads(source.annotations.read_text())
    if change == 'content':
        content['annotations'][4]['bbox'] = [50, 30, 12, 23.5]
        source.annotations.write_text(json.dumps(content))
        assert read_coco(source).annotations[1][1]['bbox'] == [50, 30, 12, 23.5]
    elif change == 'time':  # the same size
        text = source.annotations.read_text().replace('"red"', '"odd"')
        source.annotations.write_text(text)
        os.utime(source.annotations, ns=(1, 1))
        assert 'odd' in read_coco(source).classes
        assert 'odd' in read_header(source).classes
    elif change == 'image':
        (source.images / before.images[0]['file_name']).unlink()
        with pytest.raises(UserError, match='1 image of 4 not in'):
            read_coco(source)
    else:
        with pytest.raises(UserError, match="box_format 'corners' does not exist"):
            read_coco(source, 'corners')
        assert read_coco(source, 'xywh').total == before.total
        assert len(list(cache.glob('*.safetensors'))) == 2


def test_a_damaged_index_is_written_again(source, cache):
    before = read_coco(source)
    (file,) = cache.glob('*.safetensors')
    whole = file.read_bytes()
    for damaged in (b'', whole[:100], whole[:-7], b'x' * len(whole)):
        file.write_bytes(damaged)
        assert index.load(file, index.find_state(source), source.images) is None
        assert plain(read_coco(source)) == plain(before)
        assert index.load(file, index.find_state(source), source.images) is not None


def test_sizes_that_are_read_from_images_are_read_every_time(source, cache):
    content = json.loads(source.annotations.read_text())
    del content['images'][0]['height']
    source.annotations.write_text(json.dumps(content))
    read_coco(source)
    assert not list(cache.glob('*.safetensors'))


def test_a_cache_that_cannot_be_written_is_said_and_no_hindrance(source, cache, caplog):
    cache.write_text('a file')
    assert read_coco(source).total == 10
    assert 'cannot cache the annotations' in caplog.text
    assert 'CONVNEXT_DENSE_CACHE' in caplog.text


def test_ids_beyond_64_bits_are_read_every_time(source, cache):
    content = json.loads(source.annotations.read_text())
    content['annotations'][0]['id'] = 2**70
    source.annotations.write_text(json.dumps(content))
    assert read_coco(source).annotations[0][0]['id'] == 2**70
    assert not list(cache.glob('*.safetensors'))


def test_small_files_have_no_index(source, tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    read_coco(source)
    assert not (tmp_path / 'cache').exists()


def test_each_choice_of_classes_has_an_index_of_its_own(source, cache):
    choices = [None, ClassChoice(('red',)), ClassChoice((), (Merge(('red', 'blue'), 'warm'),), ('green',))]
    first = [read_coco(source, choice=choice) for choice in choices]
    again = [read_coco(source, choice=choice) for choice in choices]
    assert len(list(cache.glob('*.safetensors'))) == 3
    assert [plain(data) for data in again] == [plain(data) for data in first]
    assert [data.classes for data in again] == [('red', 'green', 'blue'), ('red',), ('warm',)]
    assert read_header(source).classes == first[2].own_classes == ('red', 'green', 'blue')


YOLO_FILES = {'images/train/a.png': None, 'images/val/b.png': None}


@pytest.mark.parametrize(
    ('config', 'text', 'names'),
    [
        ('data.yaml', 'names: n.list\ntrain: images/train\nval: images/val\n', 'n.list'),
        ('obj.data', 'names = d/n.txt\ntrain = images/train\nvalid = images/val', 'd/n.txt'),
        ('c/data.yaml', 'path: ..\ntrain: images/train\nval: images/val\n', 'c/classes.txt'),
    ],
)
def test_an_index_is_not_taken_when_the_file_of_names_has_changed(cache, tmp_path, config, text, names):
    labels = {f'labels/{one}.txt': '0 .5 .5 .2 .4\n1 .3 .3 .1 .1\n' for one in ('train/a', 'val/b')}
    write_files(tmp_path, {**YOLO_FILES, **labels, config: text, names: 'cat\ndog\n'})
    source = find_sources(str(tmp_path / config))['train']
    assert read_coco(source).classes == read_coco(source).classes == ('cat', 'dog')
    (tmp_path / names).write_text('bear\ncat\n')
    assert read_coco(source).classes == read_header(source).classes == ('bear', 'cat')


BOX, POINTS = '<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>', '<pt><x>2</x><y>2</y></pt>'
TRIANGLE = '<polygon><pt><x>1</x><y>1</y></pt><pt><x>9</x><y>1</y></pt><pt><x>9</x><y>9</y></pt></polygon>'


def voc(inside: str) -> dict:
    xml = f'<annotation><object><name>cat</name><bndbox>{BOX}</bndbox>{inside}</object>'
    xml += f'<object><name>cat</name><bndbox>{BOX.replace("9", "8")}</bndbox></object></annotation>'
    return {'train/a.png': None, 'train/a.xml': xml, 'val/b.png': None, 'val/b.xml': xml}


def labelme(kind: str, points: list, **extra) -> dict:
    shapes = [{'label': 'cat', 'shape_type': 'rectangle', 'points': [[1, 1], [9, 9]]}]
    shapes.append({'label': 'dog', 'shape_type': kind, 'points': points, **extra})
    text = json.dumps({'imagePath': 'a.png', 'imageData': None, 'shapes': shapes})
    return {'train/a.png': None, 'train/a.json': text, 'val/a.png': None, 'val/a.json': text}


def yolo(line: str) -> dict:
    labels = {f'labels/{one}.txt': f'0 .5 .5 .2 .4\n{line}\n' for one in ('train/a', 'val/b')}
    return {**YOLO_FILES, **labels, 'data.yaml': 'names: [cat]\ntrain: images/train\nval: images/val\n'}


def coco_file(segmentation) -> dict:
    annotation = {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [1, 1, 9, 9], 'segmentation': segmentation}
    images, categories = [{'id': 1, 'file_name': 'a.png', 'height': 20, 'width': 40}], [{'id': 1, 'name': 'cat'}]
    text = json.dumps({'images': images, 'categories': categories, 'annotations': [annotation]})
    return {f'{split}/_annotations.coco.json': text for split in ('train', 'valid')} | dict.fromkeys(
        ('train/a.png', 'valid/a.png')
    )


@pytest.mark.parametrize(
    ('files', 'masks'),
    [
        (coco_file([[1, 1, 5, 5]]), True),
        (coco_file({'size': [3, 3], 'counts': [4]}), True),
        (coco_file([[1, 1, 10, 1, 10, 10]]), True),
        (coco_file([]), False),
        (voc(''), False),
        (voc(TRIANGLE), True),
        (voc(f'<polygon>{POINTS}</polygon>'), True),
        (voc(f'{TRIANGLE}<difficult>1</difficult>'), False),
        (labelme('rectangle', [[2, 2], [8, 8]]), False),
        (labelme('polygon', [[2, 2], [8, 2], [8, 8]]), True),
        (labelme('polygon', [[2, 2], ['x', 2], [8, 8]]), False),
        (labelme('polygon', [[2, 2], [8, 2], [8, 8]], difficult=True), False),
        (yolo('0 .2 .2 .1 .1'), False),
        (yolo('0 .1 .1 .3 .1 .3 .5'), True),
        (yolo('0 .1 .1 .3 nan .3 .5'), False),
        (yolo('0 .1 .1 .3 x .3 .5'), False),
    ],
)
def test_a_file_with_masks_has_them_at_each_start(cache, tmp_path, files, masks):
    write_files(tmp_path, files)
    source = find_sources(str(tmp_path))['train']
    assert has_masks(source) is masks
    read_coco(source)
    assert list(cache.glob('annotations-*.safetensors'))
    assert has_masks(source) is masks
