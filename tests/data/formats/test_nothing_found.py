"""The error for a folder without annotations in a known format."""

import shutil
import time

import pytest
from PIL import Image

from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.layouts import IMAGE_FOLDER, hint
from convnext_dense.errors import NoData, UserError
from tests.helpers.foreign_folders import write_folder
from tests.helpers.layouts import touch
from tests.helpers.written_formats import OF_OBJECTS

LISTED = 'expected annotations of COCO, YOLO, Pascal VOC, LabelMe, CVAT, VIA, Supervisely, Open Images or CSV'
OTHER_ROOT = 'give another root with --data PATH, or take --data sample, which needs no data'


def refusal(path, name=None) -> str:
    with pytest.raises(NoData) as error:
        find_sources(str(path), name=name)
    assert '\n' not in str(error.value)
    return str(error.value)


def test_all_formats_are_named(tmp_path):
    assert refusal(tmp_path) == f'no data at {tmp_path}: {LISTED}; {OTHER_ROOT}'
    assert all(one.title.split(' (')[0] in LISTED for one in FORMATS.values())


def test_what_is_not_there_is_said(tmp_path):
    assert refusal(tmp_path / 'no') == f'no data at {tmp_path}/no, which does not exist: {OTHER_ROOT}'
    assert refusal(tmp_path / 'no.zip') == f'no data at {tmp_path}/no.zip, which does not exist: {OTHER_ROOT}'


def test_a_file_of_no_format(tmp_path):
    (tmp_path / 'a.txt').write_text('words')
    assert refusal(tmp_path / 'a.txt').startswith(
        f'no data at {tmp_path}/a.txt: expected a folder, or a file of COCO,'
    )


def test_images_alone(tmp_path):
    (tmp_path / 'photos').mkdir()
    Image.new('RGB', (4, 4)).save(tmp_path / 'photos/a.jpg')
    assert refusal(tmp_path).endswith(
        f'; {tmp_path}/photos holds images, and no annotations of them are beside it: add those, or give the folder '
        'of both'
    )


@pytest.mark.parametrize('folder', ['image folders', 'masks', 'other json', 'other xml', 'other csv', 'label studio'])
def test_folders_of_something_else(tmp_path, folder):
    said = refusal(write_folder(tmp_path / 'data', folder))
    hints = {
        'image folders': 'holds class folders in train/ and val/: take a classification config for it',
        'masks': 'holds images/ and annotations/ with masks: take a config of a segmentor for it',
        'other json': 'data holds a.json, b.json, c.json, ...: say which with --data TRAIN.json:IMAGES',
        'label studio': "data/result.json is in Label Studio's own JSON: export the project from there as COCO",
    }
    assert said.startswith(f'no data at {tmp_path}/data: {LISTED}; ')
    assert hints.get(folder, OTHER_ROOT) in said


def test_a_home_folder_with_junk(tmp_path):
    home = touch(tmp_path / 'home', 'notes.txt', '.bashrc', 'a.out', 'code/setup.cfg', 'code/src/main.c')
    for number in range(60):
        project = home / f'project{number}'
        touch(project, 'README.md', 'src/a.py')
        (project / 'package.json').write_text('{"name": "a", "images": []}')
        (project / 'pom.xml').write_text('<project/>')
        (project / 'config.yaml').write_text('a: [')
        (project / 'table.csv').write_text('a,b\n1,2\n')
    start = time.monotonic()
    assert refusal(home) == f'no data at {home}: {LISTED}; {OTHER_ROOT}'
    assert time.monotonic() - start < 10


@pytest.mark.parametrize('name', OF_OBJECTS)
def test_data_deeper_are_pointed_at(written, tmp_path, name):
    root = tmp_path / 'a'
    shutil.copytree(written / name, root / 'b/c/d')
    with pytest.raises(NoData, match=r'holds a data set (one level|two levels) deeper, in .*: give --data ') as error:
        find_sources(str(root / 'b' if name in ('coco', 'yolo', 'voc', 'supervisely') else root))
    given = str(error.value).split('give --data ')[1]
    assert {source.format for source in find_sources(given).values()} == {name}


PARTS = [
    *[('yolo', part) for part in ('images', 'labels', 'labels/train', 'images/val')],
    *[('voc', 'JPEGImages'), ('voc', 'ImageSets'), ('voc', 'ImageSets/Main'), ('coco', 'train2017')],
    *[('supervisely', 'train/ann'), ('supervisely', 'val/img'), ('cvat', 'images'), ('open_images', 'train')],
]


@pytest.mark.parametrize(('name', 'part'), PARTS)
def test_a_part_of_a_data_set_is_told(written, name, part):
    said = refusal(written / name / part)
    root = written / name
    if name == 'supervisely':
        root /= part.split('/')[0]
    inside = (written / name / part).relative_to(root)
    assert said.endswith(
        f'; {written / name / part} is the {inside} folder of a data set itself: give the folder around it, '
        f'--data {root}'
    )


@pytest.mark.parametrize('name', FORMATS)
def test_a_chosen_format_names_its_own_files(tmp_path, name):
    said = refusal(tmp_path, name)
    assert said.startswith(f'no {FORMATS[name].title} data at {tmp_path}: expected {FORMATS[name].expected}; ')
    assert 'LabelMe' not in said or name == 'labelme'


def test_a_format_that_is_faulty_deeper_is_no_hint(tmp_path):
    touch(tmp_path, 'a/b/x.txt')
    (tmp_path / 'a/data.yaml').write_text('names: [a\ntrain: x')
    assert refusal(tmp_path).endswith(OTHER_ROOT)
    with pytest.raises(UserError, match='is not plain YAML'):
        find_sources(str(tmp_path / 'a'))


def test_panoptic_files_are_named_where_there_are_no_others(tmp_path):
    touch(tmp_path, 'annotations/panoptic_val2017.json')
    assert hint(tmp_path, IMAGE_FOLDER) == (
        f'{tmp_path} holds panoptic COCO files: take a config for panoptic segmentation for it'
    )
    touch(tmp_path, 'annotations/instances_val2017.json')
    assert hint(tmp_path, IMAGE_FOLDER) == f'{tmp_path} holds COCO files: take a config of a detector for it'
