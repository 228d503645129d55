"""Panoptic COCO files: the classes of the segments are read to the last pixel."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from convnext_dense.data.segmentation.find import find_masks, find_masks_and_remarks
from convnext_dense.data.segmentation.masks import check_masks, read_labels
from convnext_dense.data.segmentation.options import MaskOptions
from convnext_dense.data.segmentation.panoptic import find_panoptic
from convnext_dense.errors import UserError
from tests.helpers.fuzzing import FEW, MANY
from tests.helpers.mask_folder import save
from tests.helpers.mask_layouts import check_equals_scenes, names, write_panoptic


@pytest.fixture
def root(tmp_path, drawn):
    for split in ('train', 'val'):
        write_panoptic(tmp_path / 'panoptic', drawn, split)
    return tmp_path / 'panoptic'


def change(root: Path, edit, split: str = 'train') -> None:
    file = root / f'annotations/panoptic_{split}2017.json'
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_segments_are_read_to_the_last_pixel(root, drawn):
    check_equals_scenes(root, drawn)
    labels = read_labels(root)
    assert labels.classes == names(drawn) and labels.reduce_zero_label
    assert labels.reading.endswith('masks are the segments of panoptic COCO files')
    assert read_labels(root, False).classes == ['void', *names(drawn)]


def test_the_categories_of_a_split_may_have_another_order(root, drawn):
    def reverse(content):
        content['categories'].reverse()

    change(root, reverse, 'val')
    check_equals_scenes(root, drawn)


def test_segments_that_the_file_lacks_are_named_with_their_pixels(root):
    change(root, lambda content: content['annotations'][0]['segments_info'].pop(0))
    labels = read_labels(root)
    with pytest.raises(UserError, match=r'1 with segments that the JSON file lacks \(.*.png \d+ pixels of \d+\)'):
        check_masks(find_masks(root, 'training'), len(labels.classes), reader=labels.reader)


@pytest.mark.parametrize(
    ('edit', 'said'),
    [
        (lambda c: c['annotations'][0]['segments_info'][0].update(category_id=999), 'has the unknown category 999'),
        (
            lambda c: c['annotations'][0]['segments_info'][0].update(id=None),
            'segment None of .*: give it an id from 1 to 16777215',
        ),
        (lambda c: c['images'][1].update(file_name='a/b.jpg'), '1 image of 6 not in .*train2017 .a/b.jpg'),
        (lambda c: c.pop('annotations'), 'is not a panoptic COCO file: its annotations must be a list of objects'),
        (lambda c: c['categories'].append({'id': 1, 'name': 'sky'}), '20 categories, 19 by name'),
    ],
)
def test_faults_of_the_file_are_named(root, edit, said):
    change(root, edit)
    with pytest.raises(UserError, match=said) as error:
        read_labels(root)
        find_masks(root, 'training')
    assert '\n' not in str(error.value)


def test_images_without_annotation_are_left_out_and_counted(root):
    change(root, lambda content: content['annotations'].pop(0))
    pairs, (remark,), *_ = find_masks_and_remarks(root, 'training')
    assert len(pairs) == 5 and '1 image without annotation left out: ADE_train_00000001.jpg' in remark


def test_masks_that_are_not_there_are_named(root):
    (root / 'annotations/panoptic_train2017').rename(root / 'elsewhere')
    with pytest.raises(
        UserError, match=r'panoptic_train2017.json has no masks: put its PNG files into .*panoptic_train'
    ):
        find_panoptic(root)


def test_instances_beside_it_are_asked_for(root, drawn):
    instances = json.loads((drawn / 'coco/annotations/instances_train2017.json').read_text())
    for image in instances['images']:
        name = sorted((root / 'train2017').iterdir())[image['id'] - 1].name
        image['file_name'] = name
    (root / 'annotations/instances_train2017.json').write_text(json.dumps(instances))
    with pytest.raises(
        UserError, match=r'in 2 ways: say which with --data-format coco-panoptic or --data-format coco$'
    ):
        read_labels(root)
    check_equals_scenes(root, drawn, MaskOptions(format='coco-panoptic'))
    assert read_labels(root, options=MaskOptions(format='coco')).classes[0] == 'background'


def test_ids_count_red_first(tmp_path, drawn):
    """As in panopticapi: R + 256 G + 65536 B."""
    write_panoptic(tmp_path, drawn, 'train')
    (mask, *_) = sorted((tmp_path / 'annotations/panoptic_train2017').iterdir())
    Image.fromarray(np.full((192, 256, 3), (1, 2, 3), np.uint8)).save(mask)
    wanted = 1 + 256 * 2 + 65536 * 3

    def edit(content):
        content['annotations'][0]['segments_info'] = [{'id': wanted, 'category_id': 3 * 4 + 1}]

    change(tmp_path, edit)
    assert np.unique(read_labels(tmp_path).reader.read(str(mask))).tolist() == [4]


VALUES = [None, 'x', -1, 1.5, [], {}, [1], {'a': 1}, True, '\0', 10**30]


def _fuzz(root: Path, data: st.DataObject) -> None:
    """A changed file is an error in one line, or the images that are left or left out are those of the file."""
    file = root / 'annotations/panoptic_train2017.json'
    content = json.loads(file.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        places = [(content, key) for key in content]
        for key in ('images', 'annotations', 'categories'):
            for one in content[key] if isinstance(content.get(key), list) else ():
                if isinstance(one, dict):
                    places += [(one, own) for own in one]
                    inner = one.get('segments_info')
                    segments = inner if isinstance(inner, list) else []
                    places += [(segment, own) for segment in segments if isinstance(segment, dict) for own in segment]
        holder, key = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = data.draw(st.sampled_from(VALUES))
    with TemporaryDirectory() as folder:
        shutil.copytree(root, folder, dirs_exist_ok=True)
        changed = Path(folder, 'annotations/panoptic_train2017.json')
        changed.write_text(json.dumps(content))
        try:
            source = find_panoptic(Path(folder))
            names = source.names
            found = source.find('training')
        except UserError as error:
            assert '\n' not in str(error)
            return
        left_out = sum(int(remark.split(': ')[1].split()[0]) for remark in found.remarks)
        assert len(found.pairs) + left_out == len(content['images']) and len(set(names)) == len(names)
        for _, mask in found.pairs:
            try:
                assert source.read(mask).max() <= len(names)
            except UserError as error:
                assert '\n' not in str(error)


@pytest.fixture(scope='module')
def small(tmp_path_factory) -> Path:
    """Two images of 2 x 2 pixels."""
    root = tmp_path_factory.mktemp('small')
    images = [{'id': number, 'file_name': f'{number}.png', 'height': 2, 'width': 2} for number in (1, 2)]
    annotations = [
        {'image_id': n, 'file_name': f'{n}.png', 'segments_info': [{'id': 7, 'category_id': 3}]} for n in (1, 2)
    ]
    for folder in ('train2017', 'annotations/panoptic_train2017'):
        for number in (1, 2):
            save(root / folder / f'{number}.png', np.full((2, 2, 3), (7, 0, 0), np.uint8))
    content = {'images': images, 'annotations': annotations, 'categories': [{'id': 3, 'name': 'sky'}]}
    (root / 'annotations/panoptic_train2017.json').write_text(json.dumps(content))
    return root


@settings(max_examples=FEW, deadline=None)
@given(st.data())
def test_changed_files_are_named_or_read_right(small, data):
    _fuzz(small, data)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@settings(max_examples=MANY, deadline=None)
@given(st.data())
def test_many_changed_files_are_named_or_read_right(small, data):
    _fuzz(small, data)
