"""Classes and segments of panoptic files, as they are and by a choice of classes."""

import pytest

from convnext_dense.data.class_choice import ClassChoice, Merge
from convnext_dense.data.panoptic.read import read_classes, read_own_classes, read_panoptic
from convnext_dense.errors import UserError
from tests.helpers.panoptic_files import CAT, CATEGORIES, CLASSES, CROWD, DOG, GRASS, SIZE, SKY, change, files_of


def segments_of(data, place: int = 0) -> dict[int, tuple[str, int]]:
    """Name of the class and ``iscrowd`` by the id of each segment of an image."""
    segments = data.images[place].truth['segments']
    return {one['id']: (data.classes[one['label']], one['iscrowd']) for one in segments}


def test_things_come_before_stuff_each_in_the_order_of_the_file(root):
    data = read_panoptic(files_of(root))
    assert data.thing_classes == ('cat', 'dog') and data.stuff_classes == ('sky', 'grass')
    assert data.category_ids == (3, 9, 7, 12) and list(data.classes) == CLASSES
    assert list(data.own_classes) == ['cat', 'sky', 'dog', 'grass'] == read_own_classes(files_of(root).annotations)
    assert segments_of(data) == {
        SKY: ('sky', 0),
        CAT: ('cat', 0),
        CROWD: ('dog', 1),
        GRASS: ('grass', 0),
        DOG: ('dog', 0),
    }
    truth = data.images[0].truth
    assert truth['segments'][1]['area'] == 280 and truth['size'] == SIZE and truth['things'] == 2
    assert 'replaced' not in truth and data.faults == [] and data.choice_line == ''
    classes = read_classes(files_of(root).annotations)
    assert classes == (data.thing_classes, data.stuff_classes, data.category_ids) and classes.classes == data.classes


def test_segments_of_classes_that_are_left_out_become_void(root):
    choice = ClassChoice(classes=('grass', 'dog'), ignore=('sky',))
    data = read_panoptic(files_of(root), choice)
    assert data.classes == ('dog', 'grass') and data.category_ids == (9, 12) and data.other_ids == (3, 7)
    assert data.thing_classes == ('dog',) and read_classes(files_of(root).annotations, choice)[:2] == data[1:3]
    assert segments_of(data) == {CROWD: ('dog', 1), GRASS: ('grass', 0), DOG: ('dog', 0)}
    assert data.images[0].truth['replaced'] == {CAT: 0, SKY: 0}
    assert '2 segments of 1 class that is ignored (sky) are unlabeled' in data.choice_line
    assert '2 segments of 1 class that is not chosen (cat) are unlabeled' in data.choice_line


def test_merged_things_stay_apart_and_merged_stuff_is_one_segment(root):
    choice = ClassChoice(merge=(Merge(('cat', 'dog'), 'animal'), Merge(('sky', 'grass'), 'sky')))
    data = read_panoptic(files_of(root), choice)
    assert data.classes == ('animal', 'sky') and data.category_ids == (13, 7)
    assert segments_of(data) == {SKY: ('sky', 0), CAT: ('animal', 0), CROWD: ('animal', 1), DOG: ('animal', 0)}
    assert data.choice_line.endswith("; category id in results: 'animal' 13")
    truth = data.images[0].truth
    assert truth['replaced'] == {GRASS: SKY}
    plain = {one['id']: one['area'] for one in read_panoptic(files_of(root)).images[0].truth['segments']}
    assert truth['segments'][0]['area'] == plain[SKY] + plain[GRASS]


def test_a_file_of_instances_is_named_as_one(root):
    change(root, lambda content: [one.pop('isthing') for one in content['categories']])
    with pytest.raises(UserError, match=r"category 'cat' has no isthing, as in files of instances: take the panoptic"):
        read_classes(files_of(root).annotations)


def test_things_are_not_merged_with_stuff(root):
    choice = ClassChoice(merge=(Merge(('cat', 'grass'), 'mixed'),))
    with pytest.raises(UserError, match=r"joins things \(cat\) and stuff \(grass\) to 'mixed': join classes of one k"):
        read_panoptic(files_of(root), choice)


@pytest.mark.parametrize('value', ['thing', 2, []])
def test_each_category_says_whether_it_is_a_thing(root, value):
    change(root, lambda content: content['categories'][1].update(isthing=value))
    with pytest.raises(
        UserError, match=r"category 'sky' has isthing .*: give each category 1 for things or 0 for stuff"
    ):
        read_panoptic(files_of(root))


def test_flags_and_numbers_in_other_json_types_are_read(root):
    def edit(content):
        content['categories'] = [{**one, 'id': str(one['id']), 'isthing': bool(one['isthing'])} for one in CATEGORIES]
        for one in content['annotations'][0]['segments_info']:
            one.update(id=float(one['id']), iscrowd=bool(one['iscrowd']), area=str(one['area']))

    expected = read_panoptic(files_of(root))
    change(root, edit)
    assert read_panoptic(files_of(root)) == expected


def test_an_iscrowd_that_is_no_flag_is_named(root):
    change(root, lambda content: content['annotations'][0]['segments_info'][0].update(iscrowd=2))
    with pytest.raises(UserError, match=f'segment {SKY} of 001.jpg has iscrowd 2: make it 0 or 1'):
        read_panoptic(files_of(root))


def test_what_segments_lack_is_counted(root):
    def edit(content):
        first, second = (one['segments_info'] for one in content['annotations'])
        first[0].pop('area'), first[1].update(area=0), first[2].pop('bbox')
        second[1].update(category_id=12)  # grass, of which there is a segment

    change(root, edit)
    data = read_panoptic(files_of(root))
    assert {fault.line: list(fault.ids) for fault in data.faults} == {
        '2 segments without an area, counted in the PNG file': [f'001.jpg: {SKY}', f'001.jpg: {CAT}'],
        '1 segment without a box, found in the PNG file': [f'001.jpg: {CROWD}'],
        '1 image where one class of stuff has several segments, each measured as one of its own': ['002.jpg'],
    }
    assert [one['area'] for one in data.images[0].truth['segments'][:2]] == [None, None]
