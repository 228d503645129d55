"""Annotations that are dropped or corrected, and what is said of them."""

import math

import pytest

from convnext_dense.data.detection.coco import (
    AnnotationFault,
    describe_faults,
)
from tests.helpers import coco_files
from tests.helpers.coco_files import HEIGHT, WIDTH
from tests.helpers.coco_reading import flat, read


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
