"""COCO files: what is kept of them, and what is refused."""

import shutil

import pytest

from convnext_dense.data.detection.coco import (
    AnnotationFault,
    CocoData,
    check_same_categories,
    describe_faults,
    read_coco,
)
from convnext_dense.data.detection.find import CocoPaths, find_coco
from convnext_dense.errors import UserError
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
    assert [(p.message, p.annotation_ids) for p in coco.faults] == [
        ('dropped: no box', [2]),
        ('dropped: no mask, where others have one', [1]),
    ]


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
