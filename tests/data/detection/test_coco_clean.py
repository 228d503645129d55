"""Annotations that are repaired, dropped, or become ignore regions, and what is said of them."""

import math

import pytest

from convnext_dense.data.check import NOTE, WARNING
from convnext_dense.data.detection.coco_clean import clean_annotations, read_shapes
from convnext_dense.io.image_size import ImageSize
from tests.helpers import coco_files
from tests.helpers.coco_files import HEIGHT, WIDTH
from tests.helpers.coco_reading import flat, read


def change(data: dict, number: int, **values: object) -> dict:
    entry = next(a for a in data['annotations'] if a['id'] == number)
    entry.update(values)
    return {key: value for key, value in entry.items() if value is not ...}


POLYGON = [5, 6, 25, 6, 25, 36]
TEXT = [str(number) for number in POLYGON]


GOOD_RLE = coco_files.annotation(2, 0, 'green', [40, 10, 25, 12], form='rle')['segmentation']['counts']


ALL = HEIGHT * WIDTH


def spoiled_rle(counts: object, size: object = (HEIGHT, WIDTH)) -> dict:
    return {'segmentation': {'size': size, 'counts': counts}}


UNUSABLE_BOXES = [
    (None, 'no box'),
    ([], 'no box'),
    ([1, 2, 3], 'no box of four numbers'),
    (['1', '2', '3', 'x'], 'no box of four numbers'),
    ([1, 2, 3, True], 'no box of four numbers'),
    ([[1, 2], [3, 4]], 'no box of four numbers'),
    ({'x': 1}, 'no box of four numbers'),
    (5, 'no box of four numbers'),
    ([5, 6, math.nan, 30], 'box with NaN or infinity'),
    ([5, math.inf, 20, 30], 'box with NaN or infinity'),
    ([5, 6, 0, 30], 'box of zero area'),
    ([0, 0, 0, 0], 'box of zero area'),
    ([5, 6, 20, -1], 'box of negative size'),
    ([WIDTH, 6, 20, 30], 'box outside its image'),
    ([5, -30, 20, 30], 'box outside its image'),
]


@pytest.mark.parametrize(('box', 'said'), UNUSABLE_BOXES)
def test_an_unusable_box_is_taken_from_the_mask(tmp_path, box, said):
    """Of a polygon and both kinds of RLE."""
    expected = {1: [5, 6, 20, 30], 2: [40, 10, 25, 12], 3: [30, 40, 40, 15]}
    for numbers in ((1, 2), (3,)):
        spoiled = coco_files.content()
        for number in numbers:
            change(spoiled, number, bbox=box)
        coco = read(tmp_path, spoiled)
        assert [(f.message, f.ids) for f in coco.faults] == [(f'fixed: {said}, taken from the mask', list(numbers))]
        assert {number: flat(coco)[number]['bbox'] for number in (1, 2, 3)} == expected
        assert coco.lost == 0


@pytest.mark.parametrize('mask', [None, [[5, 6, 25, 6]], {'size': [1, 1], 'counts': [1]}])
@pytest.mark.parametrize(('box', 'said'), UNUSABLE_BOXES)
def test_without_a_mask_an_unusable_box_is_a_region_to_ignore_or_dropped(tmp_path, data, box, said, mask):
    change(data, 1, bbox=box, segmentation=mask)
    coco = read(tmp_path, data)
    (fault,) = coco.faults
    assert (fault.ids, fault.level, coco.lost) == ([1], WARNING, 1)
    if said in ('box of zero area', 'box outside its image'):
        assert fault.message == f'dropped: {said}'
        assert flat(coco).keys() == {2, 3, 4, 5, 6}
        return
    region = flat(coco)[1]
    expected = [5, 5, 20, 1] if said == 'box of negative size' else [0, 0, WIDTH, HEIGHT]
    assert fault.message == f'ignored, {"with its area" if "negative" in said else "the whole image"}: {said}'
    assert (region['bbox'], region['iscrowd'], region['ignored']) == (expected, 1, True)
    assert region['area'] == expected[2] * expected[3]
    assert coco.annotations[0][0] is region


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'segmentation': None}, 'no mask, where others have one'),
        ({'segmentation': []}, 'no mask, where others have one'),
        ({'segmentation': [[5, 6, 25, 6]]}, 'no polygon of three points'),
        ({'segmentation': [[*POLYGON, 9]]}, 'no polygon of three points'),
        ({'segmentation': [[*POLYGON, 5, math.nan]]}, 'no polygon of three points'),
        ({'segmentation': [['a'] * 6]}, 'no polygon of three points'),
        ({'segmentation': [None]}, 'no polygon of three points'),
        ({'segmentation': [5, 6, 7]}, 'no polygon of three points'),
        ({'segmentation': 'cat'}, 'broken RLE'),
        ({'segmentation': 7}, 'broken RLE'),
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
def test_an_object_without_a_usable_mask_keeps_its_box(tmp_path, data, values, said):
    change(data, 1, **values)
    change(data, 5, **values)
    coco = read(tmp_path, data)
    assert [(f.message, f.ids) for f in coco.faults] == [(f'used as a box only: {said}', [1, 5])]
    assert flat(coco).keys() == {1, 2, 3, 4, 5, 6}
    assert [number for number, a in flat(coco).items() if 'segmentation' not in a] == [1, 5]
    assert (flat(coco)[1]['bbox'], flat(coco)[1]['iscrowd']) == ([5, 6, 20, 30], 0)
    assert (coco.without_mask, coco.lost, coco.has_masks) == (2, 0, True)


RECTANGLE = [[5, 6, 25, 6, 25, 36, 5, 36]]


@pytest.mark.parametrize(
    ('mask', 'said', 'result'),
    [
        (POLYGON, 'fixed: polygon is not in a list of polygons', [POLYGON]),
        ([[5, 6], [25, 6], [25, 36]], 'fixed: polygon in pairs of coordinates', [POLYGON]),
        ([[[5, 6], [25, 6], [25, 36]]], 'fixed: polygon in pairs of coordinates', [POLYGON]),
        ([POLYGON, [[5, 6], [25, 6], [25, 36]]], 'fixed: polygon in pairs of coordinates', [POLYGON, POLYGON]),
        ([TEXT], 'fixed: numbers are text', [POLYGON]),
        ([['5.0', ' 6', '2.5e1', 6, 25, 36]], 'fixed: numbers are text', [POLYGON]),
        ([5, 6, 25, 36], 'fixed: mask is given as a rectangle', RECTANGLE),
        ([[5, 6, 25, 36]], 'fixed: mask is given as a rectangle', RECTANGLE),
        ([[5, 6, 20, 30]], 'fixed: mask is given as a rectangle', RECTANGLE),
        ([[25, 36], [5, 6]], 'fixed: mask is given as a rectangle', RECTANGLE),
        ([[['5', '6'], ['25', '36']]], 'fixed: mask is given as a rectangle', RECTANGLE),
    ],
)
def test_masks_in_other_forms(tmp_path, data, mask, said, result):
    change(data, 1, segmentation=mask)
    coco = read(tmp_path, data)
    assert [(f.message, f.ids, f.level) for f in coco.faults] == [(said, [1], NOTE)]
    assert flat(coco)[1]['segmentation'] == result


def test_several_differences_are_all_listed_and_an_rle_may_be_in_a_list(tmp_path, data):
    change(data, 1, segmentation=[TEXT[:2], TEXT[2:4], TEXT[4:]], bbox=['5', '6', '20', '30'], area='600')
    change(data, 2, segmentation=[{'size': [60.0, 80.0], 'counts': GOOD_RLE}])
    coco = read(tmp_path, data)
    assert [(f.message, f.ids) for f in coco.faults] == [
        ('fixed: numbers are text', [1, 1]),
        ('fixed: polygon in pairs of coordinates', [1]),
    ]
    assert (flat(coco)[1]['bbox'], flat(coco)[1]['area']) == ([5, 6, 20, 30], 600)
    assert flat(coco)[2]['segmentation'] == {'size': [60, 80], 'counts': GOOD_RLE}


def test_two_points_are_a_rectangle_and_its_box_but_four_numbers_alone_may_be_anything(tmp_path, data):
    change(data, 1, segmentation=[[5, 6], [25, 36]], bbox=None)
    change(data, 5, segmentation=[50, 30, 62, 54], bbox=None)
    coco = read(tmp_path, data)
    assert flat(coco)[1]['bbox'] == [5, 6, 20, 30]
    assert [(f.message, f.ids) for f in coco.faults if f.level == WARNING] == [
        ('fixed: no box, taken from the mask', [1]),
        ('ignored, the whole image: no box', [5]),
    ]


@pytest.mark.parametrize(
    ('values', 'said', 'result'),
    [
        ({'bbox': [-2, 6, 20, 30]}, 'clipped: box partly outside its image', {'bbox': [0, 6, 18, 30]}),
        (
            {'bbox': [5, 50, 100, 30], 'segmentation': [[5, 50, 105, 50, 105, 80, 5, 80]]},
            'clipped: box partly outside its image',
            {'bbox': [5, 50, 75, 10]},
        ),
        ({'bbox': [5, 6, WIDTH - 4.5, 30], 'segmentation': [[5, 6, 80, 6, 80, 36]]}, None, {'bbox': [5, 6, 75.5, 30]}),
        ({'bbox': [50, 6, 20, 30]}, 'used although box and mask differ by more than half', {'bbox': [50, 6, 20, 30]}),
        (
            {'segmentation': [[1, 2, 3, 4], POLYGON, [1, 2, 3, 4, 5]]},
            'fixed: polygons without three points left out',
            {'segmentation': [POLYGON]},
        ),
        ({'area': None}, 'fixed: area missing, taken from the mask', {'area': 600}),
        ({'area': math.nan}, 'fixed: area missing, taken from the mask', {'area': 600}),
        ({'area': 0}, 'fixed: area missing, taken from the mask', {'area': 600}),
        ({'area': '600.0'}, 'fixed: numbers are text', {'area': 600}),
        ({'area': True}, 'fixed: area missing, taken from the mask', {'area': 600}),
        ({'bbox': ['5', '6.0', '2e1', 30]}, 'fixed: numbers are text', {'bbox': [5, 6, 20, 30]}),
        ({'iscrowd': None}, None, {'iscrowd': 0}),
        ({'iscrowd': True}, None, {'iscrowd': 1}),
        ({'ignore': 1}, "used although marked with 'ignore', which COCO's evaluation does not know", {'iscrowd': 0}),
        ({'ignore': 'x'}, "used although marked with 'ignore', which COCO's evaluation does not know", {}),
        ({'ignore': '0'}, None, {'iscrowd': 0}),
        ({'ignore': 'false'}, None, {'iscrowd': 0}),
        ({'ignored': True}, None, {'iscrowd': 0}),  # a key of the file's own
    ],
)
def test_what_is_fixed_is_named(tmp_path, data, values, said, result):
    change(data, 1, **values)
    coco = read(tmp_path, data)
    assert [(f.message, f.ids) for f in coco.faults] == ([(said, [1])] if said else [])
    assert result.items() <= flat(coco)[1].items()
    assert flat(coco).keys() == {1, 2, 3, 4, 5, 6}
    assert not any('ignored' in a for a in flat(coco).values())


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


@pytest.mark.parametrize(
    ('box', 'region'), [([5, 6, 20, 30], [5, 6, 20, 30]), (None, [0, 0, WIDTH, HEIGHT]), ([WIDTH, 0, 5, 5], None)]
)
def test_an_unreadable_annotation_is_ignored_where_its_box_is(box, region):
    """Also if it has a mask, which is not taken for it."""
    annotation = {'id': 1, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'segmentation': [[1, 1, 9, 1, 9, 9]]}
    annotation |= {} if box is None else {'bbox': box}
    size = ImageSize(HEIGHT, WIDTH)
    shapes = [read_shapes(annotation, size, 'xywh')]
    cleaned = clean_annotations([annotation], shapes, {1: size}, {1: 'without a class'}, tells_areas=False)
    assert cleaned.lost == 1
    assert [(a['bbox'], a['ignored']) for a in cleaned.by_image[1]] == ([] if region is None else [(region, True)])
    where = 'dropped' if region is None else f'ignored, {"with its area" if box else "the whole image"}'
    assert [fault.message for fault in cleaned.faults] == [f'{where}: without a class']


def test_a_missing_area_is_no_fault_of_a_format_without_areas():
    annotation = {'id': 1, 'image_id': 1, 'category_id': 1, 'iscrowd': 0, 'bbox': [5, 6, 20, 30]}
    size = ImageSize(HEIGHT, WIDTH)
    cleaned = clean_annotations([annotation], [read_shapes(annotation, size, 'xywh')], {1: size}, tells_areas=False)
    assert cleaned.faults == []
    assert cleaned.by_image[1][0]['area'] == 600


@pytest.mark.parametrize(
    ('bbox', 'expected', 'line'),
    [
        ([5, 6, 20, 30], [5, 6, 20, 30], 'used as a box only: polygon far outside its image'),
        ([5, 6, 1e12, 30], [5, 6, WIDTH - 5, 30], 'ignored, with its area: polygon far outside its image'),
        (None, [0, 0, WIDTH, HEIGHT], 'ignored, the whole image: polygon far outside its image'),
    ],
)
@pytest.mark.parametrize('far', [1e12, -1e9, 101 * WIDTH])
def test_a_polygon_far_outside_its_image_is_never_drawn(tmp_path, data, far, bbox, expected, line):
    change(data, 1, segmentation=[[5, 6, far, 6, 25, 36]], bbox=bbox, area=None)
    coco = read(tmp_path, data)
    assert flat(coco)[1]['bbox'] == expected
    assert line in [fault.message for fault in coco.faults]
    crowd = flat(read(tmp_path, {**data, 'annotations': [{**a, 'iscrowd': 1} for a in data['annotations']]}))[1]
    assert crowd.get('segmentation', [[]]) != [[5, 6, far, 6, 25, 36]]


def test_a_polygon_near_its_image_is_drawn(tmp_path, data):
    change(data, 1, segmentation=[[5, 6, 99 * WIDTH, 6, 25, 36]], bbox=[5, 6, 20, 30])
    assert 'segmentation' in flat(read(tmp_path, data))[1]
