"""Which images of a panoptic file are learned, and which are of a part."""

from convnext_dense.data.panoptic.read import read_panoptic
from convnext_dense.data.panoptic.selection import select_for_training, select_part
from tests.helpers.panoptic_files import change, files_of, write_panoptic_set


def names(images) -> list[str]:
    return [one.image['file_name'] for one in images]


def without_things(content):
    """The first image has a crowd and stuff alone."""
    segments = content['annotations'][0]['segments_info']
    segments[:] = [one for one in segments if one['iscrowd'] or one['category_id'] in (7, 12)]


def test_images_without_a_thing_and_small_ones_are_left_out_by_the_rules(root):
    change(root, without_things)
    data = read_panoptic(files_of(root))
    assert names(select_for_training(data, None).images) == ['001.jpg', '002.jpg']
    selected = select_for_training(data, dict(filter_empty_gt=True, min_size=40))
    assert (names(selected.images), names(selected.empty), selected.small) == (['002.jpg'], ['001.jpg'], [])
    selected = select_for_training(data, dict(min_size=41))
    assert names(selected.small) == ['001.jpg', '002.jpg'] and not selected.images


def test_images_that_no_anchor_fits_into_are_left_out(root):
    data, pipeline = read_panoptic(files_of(root)), [dict(type='mmdet.Resize', scale=(240, 400), keep_ratio=True)]
    assert len(select_for_training(data, None, pipeline, 333).images) == 2
    assert names(select_for_training(data, None, pipeline, 334).thin) == ['001.jpg', '002.jpg']


def test_parts_are_disjoint_and_have_the_content_of_their_images(tmp_path):
    root = write_panoptic_set(tmp_path / 'many', ('train',), images=8)
    data, folder = read_panoptic(files_of(root)), str(root / 'train2017')
    parts = [select_part(data, dict(share=0.25, part=part), folder) for part in ('train', 'val')]
    assert [len(part.images) for part, *_ in parts] == [6, 2]
    both = [one for part, *_ in parts for one in part.images]
    assert sorted(both, key=lambda one: one.image['id']) == data.images
    assert parts[0][1].names == parts[1][1].names and parts[0][1].counts['cat'] == {'train': 6, 'val': 2}
