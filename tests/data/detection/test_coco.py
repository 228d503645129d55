"""COCO files: what is kept of them, and what is refused."""

import json
import math
import shutil

import pytest

from convnext_dense.data.check import NOTE, WARNING
from convnext_dense.data.detection.coco import Header, check_enough_is_left, read_coco, read_header
from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.coco import find_coco
from convnext_dense.errors import NoData, UserError
from tests.helpers import coco_files
from tests.helpers.coco_reading import flat, read

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


def test_missing_keys(tmp_path, data):
    for key in ('iscrowd', 'area', 'segmentation'):
        data['annotations'][0].pop(key)
    data['annotations'][1].pop('bbox')
    coco = read(tmp_path, data)
    assert [(fault.message, fault.ids) for fault in coco.faults] == [
        ('used as a box only: no mask, where others have one', [1]),
        ('fixed: area missing, taken from the box', [1]),
        ('fixed: no box, taken from the mask', [2]),
    ]
    assert flat(coco)[2]['bbox'] == [40, 10, 25, 12]
    assert (coco.total, coco.lost, coco.without_mask) == (6, 0, 1)


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
        (put('categories', 1, id=7), r'categories with the same id \(category id 7\)'),
        (put('images', 1, id='b'), r"number 2 of its images has the id 'b'"),
        (put('images', 1, id=True), r'number 2 of its images has the id True'),
        (put('images', 1, id=1.5), r'number 2 of its images has the id 1.5'),
        (put('images', 1, id='0'), r'images with the same id \(image id 0\)'),
        (put('categories', 0, name=None), r'categories without a name \(category id 7\)'),
        (put('annotations', 4, category_id=3), r'1 annotation with unknown category_id 3 \(annotation id 5\)'),
        (put('annotations', 4, image_id=77), r'1 annotation with unknown image_id 77 \(annotation id 5\)'),
        (put('annotations', 4, image_id=[1]), r'image_id \[1\] \(annotation id 5\)'),
        (lambda data: data['annotations'][0].pop('image_id'), r'image_id None \(annotation id 1\)'),
        (put('categories', 0, name=' '), r'categories without a name \(category id 7\)'),
        (put('categories', 0, name=True), r'categories without a name \(category id 7\)'),
        *[
            (put('annotations', 2, iscrowd=value), rf'1 annotation with iscrowd {said} \(annotation id 3\): write 0')
            for value, said in ((math.nan, 'nan'), ('no', "'no'"), (2, '2'), (-1, '-1'), ([0], r'\[0\]'), ('', "''"))
        ],
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
            lambda data: [a.update(bbox=[0, 0, 0, 0], segmentation=[]) for a in data['annotations']],
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
    with pytest.raises(UserError, match=r'a\.json is not JSON'):
        read_coco(Source(tmp_path / 'a.json', tmp_path))


def test_json_of_another_kind(tmp_path):
    (tmp_path / 'a.json').write_text('[1, 2]')
    with pytest.raises(UserError, match=r"not in COCO's format"):
        read_coco(Source(tmp_path / 'a.json', tmp_path))
    with pytest.raises(UserError, match='cannot be read'):
        read_coco(Source(tmp_path / 'none.json', tmp_path))


def test_all_missing_images_are_counted(tmp_path, data):
    read(tmp_path, data)
    for name in ('000.png', '009.png'):
        (tmp_path / 'train2017' / name).unlink()
    with pytest.raises(UserError, match=r'2 images of 4 not in .*train2017 \(000.png, 009.png\)'):
        read(tmp_path, data)
    shutil.rmtree(tmp_path / 'train2017')
    with pytest.raises(UserError, match=r'4 images of 4 not in .*, 004.png, \.\.\.\)'):
        read_coco(Source(tmp_path / 'annotations/instances_train2017.json', tmp_path / 'train2017'))


def test_images_in_folders_are_found(tmp_path, data):
    read(tmp_path, data)
    (tmp_path / 'train2017' / 'a').mkdir()
    (tmp_path / 'train2017' / '000.png').rename(tmp_path / 'train2017' / 'a' / '000.png')
    data['images'][0]['file_name'] = 'a/000.png'
    assert len(read(tmp_path, data).images) == 4


# ------------------------------------------------------------------ other types and forms, which are clear


@pytest.mark.parametrize(
    ('spoiling', 'said'),
    [
        (put('annotations', 1, id=6), ('fixed: id missing or repeated, all are numbered anew', [2, 6], 'annotation')),
        (
            lambda data: data['annotations'][3].pop('id'),
            ('fixed: id missing or repeated, all are numbered anew', [4], 'annotation'),
        ),
        (put('annotations', 0, id='1'), ('fixed: id missing or repeated, all are numbered anew', [1], 'annotation')),
        (put('annotations', 2, image_id='0'), ('fixed: image_id is not an integer', [3], 'annotation')),
        (put('annotations', 2, image_id=0.0), ('fixed: image_id is not an integer', [3], 'annotation')),
        (put('annotations', 2, category_id='0'), ('fixed: category_id is not an integer', [3], 'annotation')),
        (put('annotations', 2, category_id=' 0 '), ('fixed: category_id is not an integer', [3], 'annotation')),
    ],
)
def test_ids_of_other_types(tmp_path, data, spoiling, said):
    expected = list(flat(read(tmp_path, data)).values())
    spoiling(data)
    coco = read(tmp_path, data)
    assert [(f.message, f.ids, f.part) for f in coco.faults] == [said]
    assert {f.level for f in coco.faults} == {NOTE}
    assert [{**a, 'id': None} for a in flat(coco).values()] == [{**a, 'id': None} for a in expected]


def test_ids_of_images_may_be_any_integers_and_text(tmp_path, data):
    for image, number in zip(data['images'], ('-5', 2**70, 4.0, 9), strict=True):
        image['id'] = number
    for annotation, number in zip(data['annotations'], (-5, -5.0, '-5', 2**70, str(2**70), 4), strict=True):
        annotation['image_id'] = number
    coco = read(tmp_path, data)
    assert {number: len(of_image) for number, of_image in coco.annotations.items()} == {-5: 3, 2**70: 2, 4: 1, 9: 0}
    assert [(f.message, f.ids, f.part) for f in coco.faults] == [
        ('fixed: id is not an integer', [-5, 4], 'image'),
        ('fixed: image_id is not an integer', [2, 3, 5], 'annotation'),
    ]


def test_names_that_are_numbers_and_names_of_several_ids(tmp_path, data):
    data['categories'] = [
        {'id': 7, 'name': 1},
        {'id': 2, 'name': 'green'},
        {'id': 5, 'name': '1'},
        {'id': 0, 'name': 2.5},
        {'id': '0', 'name': '2.5'},
    ]
    data['annotations'][0]['category_id'] = data['annotations'][5]['category_id'] = 5
    data['annotations'][2]['category_id'] = 5
    coco = read(tmp_path, data)
    assert coco.classes == ('1', 'green', '2.5')
    assert coco.category_ids == (5, 2, 0)  # of the two of 1 the one with more annotations
    assert [a['category_id'] for a in flat(coco).values()] == [5, 2, 5, 2, 5, 5]
    assert [(f.message, f.ids, f.part) for f in coco.faults] == [
        ('fixed: id is not an integer', [0], 'category'),
        ('fixed: name is a number, taken as text', [7, 0], 'category'),
        ('fixed: listed twice', [0], 'category'),
        ('fixed: with the name of another one, taken as one class', [5], 'category'),
    ]
    file = tmp_path / 'annotations/instances_train2017.json'
    assert read_header(Source(file, tmp_path)) == Header('train2017', coco.classes)


@pytest.mark.parametrize(
    ('value', 'flag'), [(0, 0), (1, 1), ('0', 0), ('1', 1), (True, 1), (False, 0), ('True', 1), ('false', 0), (1.0, 1)]
)
def test_iscrowd_of_other_types(tmp_path, data, value, flag):
    data['annotations'][2]['iscrowd'] = value
    coco = read(tmp_path, data)
    assert flat(coco)[3]['iscrowd'] == flag
    assert [(f.message, f.ids, f.level) for f in coco.faults] == (
        [('fixed: iscrowd is text', [3], NOTE)] if isinstance(value, str) else []
    )


# ------------------------------------------------------------------ how much is lost


def test_a_file_of_which_too_much_is_lost_is_refused(tmp_path, data):
    file = tmp_path / 'a.json'
    many = [{**data['annotations'][0], 'id': 100 + n} for n in range(34)]
    data['annotations'] += many  # 40 in all
    for annotation in data['annotations'][:2]:
        annotation.update(bbox=None, segmentation=None)
    coco = read(tmp_path, data)
    check_enough_is_left(file, coco, True)  # 5%
    data['annotations'][2].update(bbox=[0, 0, 0, 5], segmentation=None)
    coco = read(tmp_path, data)
    assert (coco.lost, coco.total) == (3, 40)
    with pytest.raises(
        UserError, match=r'a\.json: 3 of 40 annotations \(8%\) are dropped or ignored, more than 5%'
    ) as e:
        check_enough_is_left(file, coco, False)
    assert '2 annotations ignored, the whole image: no box; 1 annotation dropped: box of zero area' in str(e.value)
    check_enough_is_left(file, coco, True, 0.1)
    data['annotations'][4]['segmentation'] = []
    data['annotations'][5]['segmentation'] = []
    coco = read(tmp_path, data)
    check_enough_is_left(file, coco, False, 0.1)  # without masks they are whole
    with pytest.raises(UserError, match=r'5 of 40 .*; 2 annotations used as a box only: no mask'):
        check_enough_is_left(file, coco, True, 0.1)


CONTRADICTORY = 'used although box and mask differ by more than half'


def hundred(data: dict, contradictory: int) -> dict:
    """Make 100 annotations of a file's first one, the mask of some of which is elsewhere than the box."""
    data['annotations'] = [{**data['annotations'][0], 'id': number} for number in range(1, 101)]
    for annotation in data['annotations'][:contradictory]:
        annotation['bbox'] = [50, 6, 20, 30]
    return data


@pytest.mark.parametrize('learns_masks', [True, False])
@pytest.mark.parametrize(
    ('count', 'is_refused'), [(0, False), (4, False), (5, False), (6, True), (10, True), (50, True)]
)
def test_a_file_of_which_many_boxes_contradict_their_masks_is_refused(tmp_path, data, count, is_refused, learns_masks):
    file = tmp_path / 'a.json'
    coco = read(tmp_path, hundred(data, count))
    assert (coco.doubtful, coco.lost, coco.total, len(flat(coco))) == (count, 0, 100, 100)
    ids = list(range(1, count + 1))
    assert [(f.message, f.ids, f.level) for f in coco.faults] == ([(CONTRADICTORY, ids, WARNING)] if count else [])
    if not is_refused:
        check_enough_is_left(file, coco, learns_masks)
        return
    with pytest.raises(UserError) as error:
        check_enough_is_left(file, coco, learns_masks)
    share = f'most_lost={count / 100:g}'
    assert str(error.value) == (
        f'{file}: {count} of 100 annotations ({count}%) are dropped, ignored or contradictory, more than 5% '
        f'({count} annotations {CONTRADICTORY}): correct the file; to allow more, give --cfg-options '
        + ' '.join(f'{split}_dataloader.dataset.{share}' for split in ('train', 'val', 'test'))
    )
    check_enough_is_left(file, coco, learns_masks, count / 100)  # as named


def test_all_that_is_lost_or_contradictory_is_counted_together(tmp_path, data):
    """None of the three kinds is more than 5% by itself."""
    hundred(data, 2)
    for number in (2, 3):
        data['annotations'][number].update(bbox=[0, 0, 0, 5], segmentation=None)
    for number in (4, 5):
        data['annotations'][number]['segmentation'] = None
    coco = read(tmp_path, data)
    check_enough_is_left(tmp_path / 'a.json', coco, False)  # without masks two of them are whole
    with pytest.raises(UserError) as error:
        check_enough_is_left(tmp_path / 'a.json', coco, True)
    message = str(error.value)
    assert '6 of 100 annotations (6%) are dropped, ignored or contradictory, more than 5%' in message
    for loss in (CONTRADICTORY, 'dropped: box of zero area', 'used as a box only: no mask'):
        assert f'2 annotations {loss}' in message


@pytest.mark.parametrize(
    ('box', 'contradicts'),
    [
        ([5, 6, 20, 30], False),
        ([5, 6, 20, 15.1], False),
        ([5, 6, 20, 15], False),  # half of the mask's
        ([5, 6, 20, 14.9], True),
        ([5, 6, 39.9, 30], False),
        ([5, 6, 40, 30], False),  # twice the mask's
        ([5, 6, 40.1, 30], True),
    ],
)
def test_box_and_mask_contradict_each_other_below_an_overlap_of_half(tmp_path, data, box, contradicts):
    data['annotations'][0]['bbox'] = box
    coco = read(tmp_path, data)
    assert coco.doubtful == contradicts
    assert [(f.message, f.ids) for f in coco.faults] == ([(CONTRADICTORY, [1])] if contradicts else [])


@pytest.mark.parametrize('value', ['5%', 'abc', '0.05', 2, 1.01, True, False, -0.1, math.nan, math.inf, None, [0.1]])
def test_a_share_that_is_none_is_refused(tmp_path, data, value):
    coco = read(tmp_path, data)  # nothing is lost
    with pytest.raises(UserError) as error:
        check_enough_is_left(tmp_path / 'a.json', coco, True, value)
    assert str(error.value) == f'most_lost is {value!r}: give a share of the annotations, from 0 to 1, such as 0.2'


@pytest.mark.parametrize('value', [0, 0.0, 0.2, 1, 1.0])
def test_a_share_from_none_to_all_is_taken(tmp_path, data, value):
    check_enough_is_left(tmp_path / 'a.json', read(tmp_path, data), True, value)


# ------------------------------------------------------------------ the classes alone


@pytest.mark.parametrize(
    'elsewhere',
    [
        {'info': {'categories': [{'id': 1, 'name': 'wrong'}]}},
        {'images': [{'categories': [{'id': 1, 'name': 'wrong'}]}]},
        {'info': {'description': 'see "categories": [{"name": "wrong"}]'}},
        {'licenses': [{'x': {'categories': [{'name': 'wrong'}]}}], 'categories_old': [{'name': 'wrong'}]},
    ],
)
def test_only_the_categories_of_the_file_itself_count(tmp_path, data, elsewhere):
    file = tmp_path / 'instances_val.json'
    file.write_text(json.dumps({**elsewhere, 'categories': data['categories']}))
    assert read_header(Source(file, tmp_path)) == Header('val', ('red', 'green', 'blue'))


def test_a_header_of_any_encoding(tmp_path, data):
    for encoding in ('utf-8', 'utf-8-sig', 'utf-16'):
        (tmp_path / 'a.json').write_text(json.dumps(data), encoding)
        assert read_header(Source(tmp_path / 'a.json', tmp_path)).classes == ('red', 'green', 'blue')


def test_a_file_without_a_header(tmp_path):
    paths = Source(tmp_path / 'a.json', tmp_path)
    with pytest.raises(NoData, match='no annotations at'):
        read_header(paths)
    for text, said in (
        ('', 'not JSON'),
        ('{"info": {"categories": [{"id": 1, "name": "x"}]}}', 'has no categories'),
        ('{"categories": [1]}', 'must be a list of objects'),
    ):
        (tmp_path / 'a.json').write_text(text)
        with pytest.raises(UserError, match=said):
            read_header(paths)


def test_levels_tell_repairs_from_losses(tmp_path, data):
    data['annotations'][0]['bbox'] = [str(number) for number in data['annotations'][0]['bbox']]
    data['annotations'][2].update(bbox=None, segmentation=None)
    assert [(f.level, f.message) for f in read(tmp_path, data).faults] == [
        (NOTE, 'fixed: numbers are text'),
        (WARNING, 'ignored, the whole image: no box'),
    ]
