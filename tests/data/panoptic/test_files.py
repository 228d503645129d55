"""Finding COCO's panoptic files."""

import json
from pathlib import Path

import pytest

from convnext_dense.data.formats import find_sources
from convnext_dense.data.panoptic.files import find_panoptic_splits, list_panoptic_files, read_lists
from convnext_dense.errors import NoData, UserError
from tests.helpers.panoptic_files import write_panoptic_set


def test_the_layout_of_coco(root):
    assert find_panoptic_splits(root) == {
        split: (
            root / f'annotations/panoptic_{split}2017.json',
            root / f'{split}2017',
            root / f'annotations/panoptic_{split}2017',
        )
        for split in ('train', 'val')
    }
    assert find_panoptic_splits(str(root)) == find_panoptic_splits(root)


def test_a_file_of_no_split_is_for_the_one_that_is_asked_for(root):
    (root / 'annotations/panoptic_val2017.json').unlink()
    (root / 'annotations/panoptic_train2017.json').rename(root / 'panoptic.json')
    (root / 'annotations/panoptic_train2017').rename(root / 'panoptic')
    (root / 'train2017').rename(root / 'images')
    expected = (root / 'panoptic.json', root / 'images', root / 'panoptic')
    assert find_panoptic_splits(root, 'train') == {'train': expected}
    assert find_panoptic_splits(root) == {'val': expected} and list_panoptic_files(root) == {'whole': expected}


def test_files_are_named_with_their_folders(root, tmp_path):
    file = root / 'annotations/panoptic_train2017.json'
    whole = find_panoptic_splits(root)
    assert find_panoptic_splits(f'{file},{root}/annotations/panoptic_val2017.json') == whole
    (root / 'annotations/panoptic_train2017').rename(tmp_path / 'pngs')
    (root / 'train2017').rename(tmp_path / 'photos')
    expected = (file, tmp_path / 'photos', tmp_path / 'pngs')
    assert find_panoptic_splits(f'{file}:{tmp_path}/photos:{tmp_path}/pngs', 'train') == {'train': expected}


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('{root}/a.json', 'no annotations at {root}/a.json: write --data TRAIN.json:IMAGES:SEGMENTS,VAL.json'),
        ('{root}/a.json:b:c:d', 'no panoptic COCO files can be read from {root}/a.json:b:c:d: write --data TRAIN'),
        ('a.json,b.json,c.json', 'no panoptic COCO files can be read from a.json,b.json,c.json: write'),
        ('{root}/none', 'no panoptic COCO data at {root}/none: expected annotations/panoptic_{{train,val}}2017.json'),
        ('{root}/annotations', '{root}/annotations is the annotations folder of a data set itself: give the folder'),
        ('{root}/..', 'holds panoptic COCO files one level deeper, in {root}/../data: give --data {root}/../data'),
    ],
)
def test_what_is_not_there_is_said_with_what_to_give(root, value, message):
    (root / 'annotations/panoptic_train2017.json').rename(root / 'annotations/panoptic_val.bak')
    if 'annotations' in value:
        (root / 'annotations/panoptic_val.bak').rename(root / 'annotations/x.bak')
        (root / 'annotations/panoptic_val2017.json').rename(root / 'panoptic_val2017.json')
    with pytest.raises(NoData if '.json:' not in value and ',' not in value else UserError) as error:
        find_panoptic_splits(value.format(root=root))
    assert message.format(root=root) in str(error.value) and '\n' not in str(error.value)


def test_folders_that_are_not_there_are_named(root):
    file = root / 'annotations/panoptic_train2017.json'
    (root / 'train2017').rename(root / 'elsewhere')
    with pytest.raises(UserError, match=f'001.jpg, the first image in {file}, is not in {root} nor in its train2017'):
        find_panoptic_splits(root)
    (root / 'annotations/panoptic_train2017').rename(root / 'pngs')
    with pytest.raises(UserError, match=f'{file} has no masks: put its PNG files into {file.with_suffix("")}'):
        find_panoptic_splits(root)


def test_several_files_for_a_split_are_named(root):
    write_panoptic_set(root)
    other = root / 'annotations/panoptic_my_train.json'
    other.write_text((root / 'annotations/panoptic_train2017.json').read_text())
    (root / 'annotations/panoptic_my_train').mkdir()
    with pytest.raises(UserError, match=r'has several panoptic files for train: .*my_train.json and .*n2017.json'):
        find_panoptic_splits(root)


@pytest.mark.parametrize('content', ['', '[]', '{}', '{"categories": [], "images": [{}]}', '{"images": [1]}'])
def test_another_file_is_no_panoptic_one(tmp_path, content):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(
        UserError, match=r'a.json is not (JSON|a panoptic COCO file: its .* must be a list of objects)'
    ):
        read_lists(tmp_path / 'a.json')


def test_another_encoding_is_read(root):
    file = root / 'annotations/panoptic_train2017.json'
    expected = json.loads(file.read_text())
    file.write_text(file.read_text(), encoding='utf-16')
    assert read_lists(file) == expected and find_panoptic_splits(root)['train'].annotations == file


def test_panoptic_files_beside_instances_change_nothing_for_detection(drawn, tmp_path):
    """In the sample, as in COCO."""
    coco = tmp_path / 'coco'
    coco.mkdir()
    for path in (drawn / 'coco').iterdir():
        (coco / path.name).symlink_to(path) if path.name != 'annotations' else (coco / 'annotations').mkdir()
    for path in (drawn / 'coco/annotations').glob('instances*'):
        (coco / 'annotations' / path.name).symlink_to(path)

    def found(root: Path) -> dict:
        return {
            split: (one.format, one.annotations.relative_to(root), one.images.relative_to(root))
            for split, one in find_sources(str(root)).items()
        }

    assert found(drawn / 'coco') == found(coco)
