"""Every format is recognized as itself alone, also beside others, and read as what was drawn."""

import re
import shutil
from itertools import combinations
from pathlib import Path

import pytest

from convnext_dense.data.check import PROBLEM
from convnext_dense.data.convert import read_data_set
from convnext_dense.data.detection.check import read_coco_files
from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.write import WRITERS
from convnext_dense.errors import NoData, UserError
from tests.helpers import drawn_voc
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, drawn_images, write_coco
from tests.helpers.written_formats import EXACT, OF_OBJECTS, expected, listed_classes

PAIRS = list(combinations(OF_OBJECTS, 2))


@pytest.mark.parametrize('name', OF_OBJECTS)
def test_a_written_format_is_recognized_as_itself_and_holds_what_was_drawn(drawn, written, name):
    assert [one for one in FORMATS if FORMATS[one].find(written / name)] == [name]
    sources = find_sources(str(written / name))
    assert list(sources) == ['train', 'val']
    for split, source in sources.items():
        images, masks, tolerance = expected(name, drawn, split)
        assert source.format == name
        check_equals_drawn(source, images, masks, tolerance)
        assert list(read_coco(source).classes) == listed_classes(name, drawn)


@pytest.mark.faults  # each format has such a test of its own, with files that the test writes
@pytest.mark.parametrize('name', EXACT)
def test_training_gets_the_same_as_from_coco_files(drawn, written, tmp_path, name):
    for split, source in find_sources(str(written / name)).items():
        images, masks, _ = expected(name, drawn, split)
        file = write_coco(tmp_path / f'{split}.json', images, listed_classes(name, drawn), masks)
        check_trains_alike(source, Source(file, images[0].file.parent), masks)


@pytest.mark.parametrize('name', [name for name in WRITERS if WRITERS[name].of_label_maps])
def test_label_maps_are_of_no_format_of_objects(written, name):
    assert [one for one in FORMATS if FORMATS[one].find(written / name)] == []
    with pytest.raises(NoData, match=r'^no data at '):
        find_sources(str(written / name))
    assert read_data_set(str(written / name)).has_label_maps


@pytest.mark.parametrize(('one', 'other'), PAIRS)
def test_two_formats_in_a_folder_are_asked_for_with_flags_that_work(written, tmp_path, one, other):
    for name in (one, other):
        shutil.copytree(written / name, tmp_path, dirs_exist_ok=True)
    titles = f'{FORMATS[one].title} and {FORMATS[other].title}'
    with pytest.raises(UserError) as error:
        find_sources(str(tmp_path))
    flags = f'--data-format {one} or --data-format {other}'
    assert str(error.value) == f'{tmp_path} may be read as {titles}: say which with {flags}'
    for name in (one, other):
        sources = find_sources(str(tmp_path), name=name)
        read = [read_coco(source) for source in sources.values()]
        assert [(len(coco.images), coco.total, coco.lost) for coco in read] == [(6, 32, 0), (3, 13, 0)]
        assert {source.format for source in sources.values()} == {name}


@pytest.mark.parametrize('name', OF_OBJECTS)
def test_an_empty_image_is_left_out_with_its_objects_if_its_size_is_needed(written, tmp_path, name):
    shutil.copytree(written / name, tmp_path, dirs_exist_ok=True)
    source = find_sources(str(tmp_path))['train']
    whole = read_coco(source)
    lost = whole.images[2]
    (source.images / lost['file_name']).write_bytes(b'')
    read = read_coco(source, skips_bad=True)
    left_out = [item for fault in read.faults if 'left out with an image' in fault.message for item in fault.items]
    assert len(left_out) == (len(whole.annotations[lost['id']]) if len(read.images) < 6 else 0)
    assert read.total + len(left_out) == whole.total == 32
    of_images = {image['file_name']: len(read.annotations[image['id']]) for image in read.images}
    of_others = {image['file_name']: len(whole.annotations[image['id']]) for image in whole.images if image != lost}
    assert of_images == (of_others if left_out else of_images)
    if name in ('yolo', 'voc', 'via'):
        assert len(read.images) == 5
    if left_out:
        with pytest.raises(UserError, match=r'1 image that cannot be opened.*zero bytes.*--on-bad-image skip$'):
            read_coco(source)
        arguments = dict(
            annotations=str(source.annotations), images=str(source.images), format=name, split=source.split
        )
        said = [(one.level, one.message) for one in read_coco_files({'train': arguments}).findings]
        assert (PROBLEM, '1 image left out: it cannot be opened, so that its size is unknown') in said


@pytest.mark.parametrize('name', ['yolo', 'labelme', 'coco'])
def test_a_zip_file_is_to_be_unpacked(written, tmp_path, name):
    file = shutil.make_archive(str(tmp_path / name), 'zip', written / name)
    with pytest.raises(UserError, match=rf'^{file} is a zip file: unpack it first, then give the folder$'):
        find_sources(file)


@pytest.mark.parametrize('images', ['{}/images', 'images/{}'])
def test_xml_files_beside_the_images_of_yolo_are_seen(drawn, tmp_path, images):
    for split, names in (('train', slice(4)), ('val', slice(4, 6))):
        folder = tmp_path / images.format(split)
        drawn_voc.lay_out(drawn_images(drawn, 'train')[names], folder, folder)
        labels = folder.parent / 'labels' if folder.name == 'images' else tmp_path / 'labels' / split
        labels.mkdir(parents=True)
        for file in folder.glob('*.xml'):
            (labels / f'{file.stem}.txt').write_text('0 0.5 0.5 0.2 0.2')
    (tmp_path / 'classes.txt').write_text('cat')
    with pytest.raises(UserError, match='may be read as YOLO and Pascal VOC: say which with --data-format yolo or'):
        find_sources(str(tmp_path))
    (tmp_path / 'classes.txt').unlink()
    found = find_sources(str(tmp_path), name='voc')
    assert [len(read_coco(one).images) for one in found.values()] == [4, 2]


BROKEN = {
    'yaml': ('data.yaml', 'names: [a, b\ntrain: x'),
    'moved yaml': ('data.yaml', 'names: [a]\ntrain: nowhere\n'),
    'two yamls': ('b.yaml', 'names: [a]\ntrain: nowhere\n'),
    'via 3': ('p.json', '{"project": {"pid": "a", "pname": "b", "vid_list": []}}'),
}
BROKEN_FORMAT = {'yaml': 'yolo', 'moved yaml': 'yolo', 'two yamls': 'yolo', 'via 3': 'via'}


@pytest.mark.parametrize('broken', BROKEN)
@pytest.mark.parametrize('name', ['coco', 'voc', 'cvat', 'labelme'])
def test_what_is_broken_in_one_format_does_not_hinder_another(written, tmp_path, caplog, name, broken):
    shutil.copytree(written / name, tmp_path, dirs_exist_ok=True)
    file, text = BROKEN[broken]
    (tmp_path / file).write_text(text)
    if broken == 'two yamls':
        (tmp_path / 'a.yaml').write_text(text)
    assert {source.format for source in find_sources(str(tmp_path)).values()} == {name}
    format = BROKEN_FORMAT[broken]
    (line,) = [record.message for record in caplog.records if 'is not read as' in record.message]
    assert line.startswith(f'{tmp_path} is not read as {FORMATS[format].title} (--data-format {format}): {tmp_path}')
    with pytest.raises(UserError, match=str(tmp_path)):  # the flag shows it
        find_sources(str(tmp_path), name=format)


def test_what_is_broken_alone_is_an_error(tmp_path):
    (tmp_path / 'data.yaml').write_text('names: [a, b\ntrain: x')
    with pytest.raises(UserError, match=r'data\.yaml:2 is not plain YAML'):
        find_sources(str(tmp_path))


def test_a_file_of_a_format_is_recognized(written):
    files = {'yolo': 'data.yaml', 'cvat': 'annotations.xml', 'via': 'val/via_region_data.json'}
    for name, file in files.items():
        sources = find_sources(str(Path(written, name, file)))
        assert {source.format for source in sources.values()} == {name}


FIRST = '000000000001'
BROKEN_OBJECTS = {
    'coco': ('annotations/instances_train2017.json', r'(?s)"bbox": \[[^]]*\]', '"bbox": [1, 2]', 'annotation 1'),
    'yolo': (f'labels/train/{FIRST}.txt', r'(?m)^(\d+) .*$', r'\1 0.5 nan 0.1 0.1', f'labels/train/{FIRST}.txt:1'),
    'voc': (f'Annotations/{FIRST}.xml', '<xmax>.*?</xmax>', '<xmax>a</xmax>', f'Annotations/{FIRST}.xml:'),
    'labelme': (
        *(f'train/{FIRST}.json', r'"points": \[\[', '"points": [["x", 1], ['),
        f'train/{FIRST}.json: shapes[0]',
    ),
    'cvat': ('annotations.xml', 'points="', 'points="x,y;', 'annotations.xml:'),
    'via': (
        *('train/via_region_data.json', r'"all_points_x": \[', '"all_points_x": ["x", '),
        f'train/via_region_data.json: {FIRST}.jpg',
    ),
    'supervisely': (
        *(f'train/ann/{FIRST}.jpg.json', '"data": "', '"data": "!'),
        f'train/ann/{FIRST}.jpg.json: objects[0]',
    ),
    'open_images': (
        *('train-annotations-bbox.csv', rf'(?m)^({FIRST},[^,]*,[^,]*,[^,]*),[^,]*,', r'\1,left,'),
        'train-annotations-bbox.csv:',
    ),
}
"""File, pattern, what is in its place, and the beginning of the item that names the object."""


@pytest.mark.parametrize('name', BROKEN_OBJECTS)
def test_a_check_names_a_broken_object_in_the_files_of_its_format(written, tmp_path, name):
    root = tmp_path / name
    shutil.copytree(written / name, root)
    file, old, new, item = BROKEN_OBJECTS[name]
    text = (root / file).read_text()
    changed = re.sub(old, new, text, count=1)
    assert changed != text
    (root / file).unlink()
    (root / file).write_text(changed)
    where = find_sources(str(root))['train']
    source = dict(annotations=str(where.annotations), images=str(where.images), format=name, split=where.split)
    data = read_coco_files({'train': source})
    named = [(one.message, one.items) for one in data.findings if one.level == 'warning' and one.items]
    ((message, items),) = named
    assert message.startswith('1 annotation ') and items[0].startswith(item)
