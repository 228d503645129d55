"""COCO files: where they are looked for, what is fixed in them, what is refused."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as rle

from convnext_dense.data.detection.coco import (
    AnnotationFault,
    CocoData,
    check_same_categories,
    describe_faults,
    read_coco,
)
from convnext_dense.data.detection.coco_mask import decompress, mask_area, rle_fits
from convnext_dense.data.detection.find import CocoPaths, find_coco
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from tests.helpers import coco_files
from tests.helpers.coco_files import HEIGHT, WIDTH


@pytest.fixture
def data() -> dict:
    return coco_files.content()


def read(tmp_path: Path, data: dict) -> CocoData:
    file, folder = tmp_path / 'annotations/instances_train2017.json', tmp_path / 'train2017'
    if not folder.exists():
        coco_files.write(tmp_path, coco_files.content())
    file.write_text(json.dumps(data))
    return read_coco(CocoPaths(file, folder))


def flat(coco: CocoData) -> dict[int, dict]:
    return {a['id']: a for of_image in coco.annotations.values() for a in of_image}


# ------------------------------------------------------------------ what is kept


def test_a_good_file_is_kept_as_it_is(tmp_path, data):
    coco = read(tmp_path, data)
    assert (coco.name, coco.has_masks, coco.faults) == ('train2017', True, [])
    assert coco.classes == ('red', 'green', 'blue')
    assert coco.category_ids == (7, 2, 0)
    assert coco.images == data['images']
    assert {image: [a['id'] for a in of_it] for image, of_it in coco.annotations.items()} == {
        0: [1, 2, 3],
        1: [4, 5],
        4: [6],
        9: [],
    }
    assert list(flat(coco).values()) == data['annotations']


def change(data: dict, number: int, **values: object) -> dict:
    entry = next(a for a in data['annotations'] if a['id'] == number)
    entry.update(values)
    return {key: value for key, value in entry.items() if value is not ...}


POLYGON = [5, 6, 25, 6, 25, 36]
GOOD_RLE = coco_files.annotation(2, 0, 'green', [40, 10, 25, 12], form='rle')['segmentation']['counts']
ALL = HEIGHT * WIDTH


def spoiled_rle(counts: object, size: object = (HEIGHT, WIDTH)) -> dict:
    return {'segmentation': {'size': size, 'counts': counts}}


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'bbox': None}, 'no box'),
        ({'bbox': []}, 'no box'),
        ({'bbox': [1, 2, 3]}, 'no box of four numbers'),
        ({'bbox': ['1', '2', '3', '4']}, 'no box of four numbers'),
        ({'bbox': 5}, 'no box of four numbers'),
        ({'bbox': [5, 6, math.nan, 30]}, 'box with NaN or infinity'),
        ({'bbox': [5, math.inf, 20, 30]}, 'box with NaN or infinity'),
        ({'bbox': [5, 6, 0, 30]}, 'box of zero area'),
        ({'bbox': [5, 6, 20, -1]}, 'box of zero area'),
        ({'bbox': [WIDTH, 6, 20, 30]}, 'box outside its image'),
        ({'bbox': [5, -30, 20, 30]}, 'box outside its image'),
        ({'segmentation': None}, 'no mask, where others have one'),
        ({'segmentation': []}, 'no mask, where others have one'),
        ({'segmentation': [[5, 6, 25, 6]]}, 'no polygon of three points'),
        ({'segmentation': [[*POLYGON, 9]]}, 'no polygon of three points'),
        ({'segmentation': [[*POLYGON, 5, math.nan]]}, 'no polygon of three points'),
        ({'segmentation': POLYGON}, 'no polygon of three points'),
        ({'segmentation': [[*'567890']]}, 'no polygon of three points'),
        ({'segmentation': 'cat'}, 'broken RLE'),
        (spoiled_rle([10, 20]), 'broken RLE'),
        (spoiled_rle([ALL + 5, -5]), 'broken RLE'),
        (spoiled_rle([]), 'broken RLE'),
        (spoiled_rle(None), 'broken RLE'),
        (spoiled_rle([ALL], (WIDTH, HEIGHT)), 'broken RLE'),
        (spoiled_rle([ALL], None), 'broken RLE'),
        (spoiled_rle(GOOD_RLE[:-1]), 'broken RLE'),
        (spoiled_rle(GOOD_RLE + '1'), 'broken RLE'),
        (spoiled_rle(GOOD_RLE, (WIDTH, HEIGHT)), 'broken RLE'),
        (spoiled_rle('~no!'), 'broken RLE'),
        (spoiled_rle('ä'), 'broken RLE'),
        (spoiled_rle(''), 'broken RLE'),
        (spoiled_rle('o' * 40), 'broken RLE'),
        (spoiled_rle('0fT'), 'broken RLE'),  # 0, and the beginning of a number
        (spoiled_rle('PfT' + 'P' * 12 + '0'), 'broken RLE'),  # all pixels, with 60 zero bits before the number
        ({'segmentation': {'counts': [ALL]}}, 'broken RLE'),
    ],
)
def test_what_is_dropped_is_named(tmp_path, data, values, said):
    change(data, 1, **values)
    change(data, 5, **values)
    coco = read(tmp_path, data)
    assert coco.faults == [AnnotationFault('train2017', f'dropped: {said}', [1, 5])]
    assert flat(coco).keys() == {2, 3, 4, 6}
    assert describe_faults(coco.faults) == [f'train2017: 2 annotations dropped: {said} (annotation ids 1, 5)']


@pytest.mark.parametrize(
    ('values', 'said', 'result'),
    [
        ({'bbox': [-2, 6, 20, 30]}, 'clipped: box partly outside its image', {'bbox': [0, 6, 18, 30]}),
        ({'bbox': [5, 50, 100, 30]}, 'clipped: box partly outside its image', {'bbox': [5, 50, 75, 10]}),
        ({'bbox': [5, 6, WIDTH - 4.5, 30]}, None, {'bbox': [5, 6, WIDTH - 4.5, 30]}),
        (
            {'segmentation': [[1, 2, 3, 4], POLYGON, [1, 2, 3, 4, 5]]},
            'fixed: polygons without three points left out',
            {'segmentation': [POLYGON]},
        ),
        ({'area': None}, 'fixed: area missing, taken from the mask', {'area': 600}),
        ({'area': math.nan}, 'fixed: area missing, taken from the mask', {'area': 600}),
        ({'area': 0}, 'fixed: area missing, taken from the mask', {'area': 600}),
        ({'iscrowd': None}, None, {'iscrowd': 0}),
        ({'iscrowd': True}, None, {'iscrowd': 1}),
        ({'ignore': 1}, "used although marked with 'ignore', which COCO's evaluation does not know", {'iscrowd': 0}),
    ],
)
def test_what_is_mended_is_named(tmp_path, data, values, said, result):
    change(data, 1, **values)
    coco = read(tmp_path, data)
    assert coco.faults == ([AnnotationFault('train2017', said, [1])] if said else [])
    assert result.items() <= flat(coco)[1].items()
    assert flat(coco).keys() == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(('number', 'pixels'), [(1, 600), (2, 300), (3, 600)])
def test_missing_areas_come_from_masks_of_any_form(tmp_path, data, number, pixels):
    change(data, number, area=None)
    assert flat(read(tmp_path, data))[number]['area'] == pixels


def test_missing_keys(tmp_path, data):
    for key in ('iscrowd', 'area', 'segmentation'):
        data['annotations'][0].pop(key)
    data['annotations'][1].pop('bbox')
    coco = read(tmp_path, data)
    assert [(p.message, p.annotation_ids) for p in coco.faults] == [
        ('dropped: no box', [2]),
        ('dropped: no mask, where others have one', [1]),
    ]


@pytest.mark.parametrize(
    ('mask', 'said'),
    [(None, None), ([], None), ([[1, 2]], 'without its mask: no polygon of three points'), ({}, None)],
)
def test_a_file_without_masks_has_boxes(tmp_path, data, mask, said):
    for entry in data['annotations']:
        entry['segmentation'] = mask
    data['annotations'][0]['area'] = None
    coco = read(tmp_path, data)
    assert not coco.has_masks
    assert len(flat(coco)) == 6
    assert not any('segmentation' in a for a in flat(coco).values())
    assert flat(coco)[1]['area'] == 20 * 30
    assert [p.message for p in coco.faults if 'area' not in p.message] == ([said] if said else [])


def test_the_report_counts_all_and_names_the_first():
    faults = ('dropped: no box', list(range(3, 20))), ('clipped', [8])
    lines = describe_faults(AnnotationFault('val', *fault) for fault in faults)
    assert lines == [
        'val: 17 annotations dropped: no box (annotation ids 3, 4, 5, 6, 7, ...)',
        'val: 1 annotation clipped (annotation id 8)',
    ]


def test_the_name_of_roboflows_files_is_their_folder(tmp_path):
    files = 'train/_annotations.coco.json', 'valid/_annotations.coco.json'
    coco_files.lay_out(tmp_path, *files, folders=('train', 'valid'))
    assert [read_coco(source).name for source in find_coco(str(tmp_path)).values()] == ['train', 'valid']


# ------------------------------------------------------------------ what is refused


def put(key: str, place: int, **values: object):
    return lambda data: data[key][place].update(values)


@pytest.mark.parametrize(
    ('spoiling', 'said'),
    [
        (put('images', 1, id=0), r'images with the same id \(image id 0\)'),
        (put('annotations', 1, id=6), r'annotations with the same id \(annotation id 6\)'),
        (put('categories', 1, id=7), r'categories with the same id \(category id 7\)'),
        (put('images', 1, id='b'), r"number 2 of its images has the id 'b'"),
        (lambda data: data['annotations'][3].pop('id'), r'number 4 of its annotations has the id None'),
        (put('categories', 0, name='blue'), r'categories with the same name \(blue\)'),
        (put('categories', 0, name=None), r'categories without a name \(category id 7\)'),
        (put('annotations', 4, category_id=3), r'1 annotation with unknown category_id 3 \(annotation id 5\)'),
        (put('annotations', 4, image_id=77), r'1 annotation with unknown image_id 77 \(annotation id 5\)'),
        (put('annotations', 4, image_id=[1]), r'image_id \[1\] \(annotation id 5\)'),
        (lambda data: data['annotations'][0].pop('image_id'), r'image_id None \(annotation id 1\)'),
        (put('images', 2, width=None), r'1 image without height and width \(image id 4\)'),
        (put('images', 2, height=0), r'1 image without height and width \(image id 4\)'),
        (lambda data: data['images'][3].pop('file_name'), r'1 image without file_name \(image id 9\)'),
        (put('images', 3, file_name='none.png'), r'1 image of 4 not in .*train2017 \(none.png\)'),
        (put('images', 3, file_name='no/where.png'), r'1 image of 4 not in .*train2017 \(no/where.png\)'),
        (lambda data: data['annotations'].clear(), 'has no annotations'),
        (lambda data: data.pop('annotations'), 'has no annotations'),
        (lambda data: data['categories'].clear(), 'has no categories'),
        (lambda data: data['images'].clear(), 'has no images'),
        (lambda data: data.update(annotations={}), 'its annotations must be a list of objects'),
        (lambda data: data.update(images=['a.png']), 'its images must be a list of objects'),
        (
            lambda data: [a.update(bbox=[0, 0, 0, 0]) for a in data['annotations']],
            r'has no annotation that can be used: train2017: 6 annotations dropped: box of zero area \(.* 1, 2,',
        ),
    ],
)
def test_what_makes_a_file_unusable_is_named(tmp_path, data, spoiling, said):
    spoiling(data)
    with pytest.raises(UserError, match=said) as error:
        read(tmp_path, data)
    assert str(tmp_path / 'annotations/instances_train2017.json') in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('text', [b'', b'{"images": [', b'\xff\xfe\x00', b'[' * 100_000])
def test_what_is_no_json_is_named(tmp_path, text):
    (tmp_path / 'a.json').write_bytes(text)
    with pytest.raises(UserError, match=r'a\.json are not JSON'):
        read_coco(CocoPaths(tmp_path / 'a.json', tmp_path))


def test_json_of_another_kind(tmp_path):
    (tmp_path / 'a.json').write_text('[1, 2]')
    with pytest.raises(UserError, match=r"not in COCO's format"):
        read_coco(CocoPaths(tmp_path / 'a.json', tmp_path))
    with pytest.raises(UserError, match='cannot be read'):
        read_coco(CocoPaths(tmp_path / 'none.json', tmp_path))


def test_all_missing_images_are_counted(tmp_path, data):
    read(tmp_path, data)
    for name in ('000.png', '009.png'):
        (tmp_path / 'train2017' / name).unlink()
    with pytest.raises(UserError, match=r'2 images of 4 not in .*train2017 \(000.png, 009.png\)'):
        read(tmp_path, data)
    shutil.rmtree(tmp_path / 'train2017')
    with pytest.raises(UserError, match=r'4 images of 4 not in .*, 004.png, \.\.\.\)'):
        read_coco(CocoPaths(tmp_path / 'annotations/instances_train2017.json', tmp_path / 'train2017'))


def test_images_in_folders_are_found(tmp_path, data):
    read(tmp_path, data)
    (tmp_path / 'train2017' / 'a').mkdir()
    (tmp_path / 'train2017' / '000.png').rename(tmp_path / 'train2017' / 'a' / '000.png')
    data['images'][0]['file_name'] = 'a/000.png'
    assert len(read(tmp_path, data).images) == 4


def coco_of(name: str, *classes: str) -> CocoData:
    return CocoData(name, classes, tuple(range(len(classes))), [], {}, True, [])


@pytest.mark.parametrize(
    ('val', 'said'),
    [
        (('a', 'c', 'b'), 'from number 2 on: t has b, c; v has c, b'),
        (('a', 'b'), 'from number 3 on: t has c; v has no more'),
        (('a', 'b', 'c', 'd'), 'from number 4 on: t has no more; v has d'),
    ],
)
def test_categories_must_be_the_same_in_the_same_order(val, said):
    check_same_categories(coco_of('t', 'a', 'b', 'c'), coco_of('v', 'a', 'b', 'c'))
    with pytest.raises(UserError, match=said):
        check_same_categories(coco_of('t', 'a', 'b', 'c'), coco_of('v', *val))


# ------------------------------------------------------------------ masks


def random_masks(count: int) -> list[np.ndarray]:
    """Noise, blocks, full and empty masks, of many sizes."""
    rng = np.random.default_rng(0)
    masks = [np.zeros((3, 4), np.uint8), np.ones((5, 2), np.uint8)]
    for _ in range(count):
        height, width = rng.integers(1, 70, 2)
        coarse = rng.random((height // 8 + 1, width // 8 + 1)) < rng.random()
        masks.append(np.kron(coarse, np.ones((8, 8)))[:height, :width].astype(np.uint8))
        masks.append((rng.random((height, width)) < 0.5).astype(np.uint8))
    return masks


def test_compressed_rle_unpacks_to_the_runs_of_the_pixels():
    for mask in random_masks(60):
        packed = rle.encode(np.asfortranarray(mask))['counts'].decode()
        assert decompress(packed) == coco_files.runs(mask)
        assert rle_fits({'size': list(mask.shape), 'counts': packed}, ImageSize(*mask.shape))
    large = {'size': [1, 1_000_000], 'counts': [300_000, 1, 699_999]}
    assert decompress(rle.frPyObjects(large, 1, 1_000_000)['counts'].decode()) == large['counts']


def test_no_part_of_a_compressed_rle_fits():
    for mask in random_masks(20):
        packed = rle.encode(np.asfortranarray(mask))['counts'].decode()
        size = list(mask.shape)
        for end in range(len(packed)):
            part = {'size': size, 'counts': packed[:end]}
            whole = end and not (ord(packed[end - 1]) - 48) & 32 and sum(decompress(packed[:end])) == mask.size
            assert rle_fits(part, ImageSize(*size)) == bool(whole)


def test_areas_are_those_of_the_pixels():
    for mask in random_masks(10):
        height, width = mask.shape
        packed = rle.encode(np.asfortranarray(mask))
        packed = {**packed, 'counts': packed['counts'].decode()}
        for form in (packed, {'size': packed['size'], 'counts': coco_files.runs(mask)}):
            assert mask_area(form, ImageSize(height, width)) == mask.sum()
    assert mask_area([[1, 1, 11, 1, 11, 6, 1, 6], [20, 20, 24, 20, 24, 22, 20, 22]], ImageSize(30, 30)) == 50 + 8
