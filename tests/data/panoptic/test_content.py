"""The content of panoptic files: what contradicts itself is named in a line."""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnext_dense.data.panoptic.content import read_categories, read_content
from convnext_dense.data.panoptic.read import read_panoptic
from convnext_dense.errors import NoData, UserError
from tests.helpers.fuzzing import FEW, MANY
from tests.helpers.panoptic_files import change, files_of, write_panoptic_set


def test_images_have_their_png_files_and_segments(root):
    content = read_content(files_of(root))
    expected = json.loads(files_of(root).annotations.read_text())
    assert [one.image for one in content.images] == expected['images']
    for found, wanted in zip(content.images, expected['annotations'], strict=True):
        assert Path(found.segments_file) == files_of(root).segments / wanted['file_name']
        names = {number: content.categories[place].id for number, place, _ in found.segments}
        assert names == {one['id']: one['category_id'] for one in wanted['segments_info']}
    assert content.faults == [] and content.without == []
    assert read_categories(files_of(root).annotations) == content.categories


def test_ids_of_images_may_be_names(root):
    """As Cityscapes' panoptic files have them, and results files; code that takes numbers gets their places."""

    def edit(content):
        for one in content['images']:
            one['id'] = one['file_name'][:3] + '_city'
        for one in content['annotations']:
            one['image_id'] = one['file_name'][:3] + '_city'

    expected = [one.segments for one in read_content(files_of(root)).images]
    change(root, edit)
    found = read_content(files_of(root)).images
    assert [one.image['id'] for one in found] == [1, 2] and [one.segments for one in found] == expected
    assert [one.id for one in found] == ['001_city', '002_city']


def test_an_id_that_is_a_number_in_quotes_stays_in_them(root):
    def edit(content):
        content['images'][0]['id'] = '010'

    change(root, edit)
    assert [one.id for one in read_content(files_of(root)).images] == ['010', 20]


def test_a_png_file_without_a_name_has_that_of_its_image(root):
    change(root, lambda content: content['annotations'][1].pop('file_name'))
    assert read_content(files_of(root)).images[1].segments_file.endswith('panoptic_train2017/002.png')


def test_annotations_without_an_image_and_images_without_one_are_counted(root):
    def edit(content):
        content['annotations'][0]['image_id'] = 99

    change(root, edit)
    content = read_content(files_of(root))
    assert [fault.line for fault in content.faults] == ['1 annotation left out: of an image that the file lacks']
    assert content.without == ['001.jpg'] and len(content.images) == 1
    lines = [fault.line for fault in read_panoptic(files_of(root)).faults]
    assert '1 image left out: without annotation' in lines


SEGMENT = ('annotations', 0, 'segments_info', 0)


def set_at(*keys):
    *places, value = keys

    def edit(content):
        *above, last = places
        for key in above:
            content = content[key]
        content[last] = value

    return edit


@pytest.mark.parametrize(
    ('edit', 'said'),
    [
        (set_at(*SEGMENT, 'category_id', 999), 'segment 70000 of 001.png has the unknown category 999: correct it'),
        (set_at(*SEGMENT, 'category_id', None), 'segment 70000 of 001.png has the unknown category None'),
        (set_at(*SEGMENT, 'id', 0), 'segment 0 of 001.png: give it an id from 1 to 16777215, that of its color'),
        (set_at(*SEGMENT, 'id', 1 << 24), 'segment 16777216 of 001.png: give it an id from 1 to 16777215'),
        (set_at(*SEGMENT, 'id', 300), 'segment 300 of 001.png is listed twice: give each segment an id of its own'),
        (set_at('annotations', 0, 'segments_info', {}), 'segments_info of 001.png is not a list of objects'),
        (set_at('annotations', 0, 'file_name', 7), 'the annotation of 001.jpg has the file_name 7: correct it'),
        (set_at('annotations', 0, 'file_name', 'x.png'), '1 PNG file of 2 not in .*panoptic_train2017 .x.png.: get'),
        (set_at('annotations', 1, 'image_id', 10), 'image 10 has several annotations: keep one'),
        (set_at('images', 0, 'file_name', 'x.jpg'), '1 image of 2 not in .*train2017 .x.jpg.: get or remove'),
        (set_at('images', 1, 'id', '10'), 'images have the same id: give each one of its own'),
        (set_at('categories', 0, 'name', ''), 'a category has no name: give each one'),
        (set_at('categories', 0, 'id', 7), "id 7 of category 'sky': give it a number of its own"),
        (set_at('categories', 0, 'name', 'sky'), 'has 4 categories, 3 by name: at most 254, each once'),
        (set_at('annotations', []), 'is not a panoptic COCO file: its annotations must be a list of objects'),
    ],
)
def test_what_contradicts_itself_is_named(root, edit, said):
    files = files_of(root)
    change(root, edit)
    with pytest.raises(UserError, match=f'panoptic_train2017.json:? .*{said}') as error:
        read_content(files)
    assert '\n' not in str(error.value)


def test_a_file_that_is_not_there(root):
    with pytest.raises(NoData, match=r'no annotations at .*x\.json'):
        read_categories(root / 'x.json')


VALUES = [None, 'x', -1, 1.5, [], {}, [1], {'a': 1}, True, '\0', 10**30]


def fuzz(root: Path, data: st.DataObject) -> None:
    """A changed file is an error in one line, or each of its images is read or left out, with known segments."""
    content = json.loads(files_of(root).annotations.read_text())
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
        Path(folder, 'annotations/panoptic_train2017.json').write_text(json.dumps(content))
        try:
            files = files_of(Path(folder))
            found = read_panoptic(files)
        except UserError as error:
            assert '\n' not in str(error)
            return
    left_out = sum(
        len(fault.ids) for fault in found.faults if fault.message.startswith('left out: without annotation')
    )
    assert len(found.images) + left_out == len(content['images'])
    for image in found.images:
        ids = [segment['id'] for segment in image.truth['segments']]
        assert len(set(ids)) == len(ids)
        assert all(0 <= segment['label'] < len(found.classes) for segment in image.truth['segments'])


@pytest.fixture(scope='module')
def small(tmp_path_factory) -> Path:
    return write_panoptic_set(tmp_path_factory.mktemp('small'), ('train',))


@settings(max_examples=FEW, deadline=None)
@given(st.data())
def test_changed_files_are_named_or_read_right(small, data):
    fuzz(small, data)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@settings(max_examples=MANY, deadline=None)
@given(st.data())
def test_many_changed_files_are_named_or_read_right(small, data):
    fuzz(small, data)
