"""Places of annotations, names of sources, and the files that a source is read from."""

import os
from pathlib import Path

import pytest

from convnext_dense.data.formats.base import Places, Source
from convnext_dense.data.formats.coco import CocoFormat


def make_places(*spots) -> Places:
    places = Places()
    for number, (file, spot) in enumerate(spots, 1):
        assert places.add(file, spot) == number
    return places


@pytest.mark.parametrize(
    'spots',
    [
        [('labels/a.txt', 3), (Path('labels/b.txt'), 1), ('labels/a.txt', 4)],
        [('a.json', 'shapes[2]'), ('a.json', 'shapes[10]')],
        [('a.csv', 7), ('b.json', 'regions[1]')],
    ],
)
def test_places_are_named_by_file_and_line_or_keys(spots):
    expected = [f'{file}:{spot}' if isinstance(spot, int) else f'{file}: {spot}' for file, spot in spots]
    places = make_places(*spots)
    again = Places.from_arrays(places.to_arrays())
    for one in (places, again):
        assert [one[number] for number in range(1, len(one) + 1)] == expected
    assert again.add('labels/a.txt', 9) == len(spots) + 1
    assert again[len(spots) + 1] == 'labels/a.txt:9'


def test_arrays_without_places_have_none():
    assert Places.from_arrays({}) is None


@pytest.mark.parametrize(
    ('file', 'split', 'name'),
    [
        ('annotations/instances_val2017.json', '', 'val2017'),
        ('valid/_annotations.coco.json', '', 'valid'),
        ('a/data.yaml', 'train', 'train'),
    ],
)
def test_a_source_is_named_by_its_split_or_file(file, split, name):
    assert Source(Path(file), Path('images'), split=split).name == name


class AnyFormat(CocoFormat):
    """A format with many files."""

    files = CocoFormat.__base__.files


def test_all_files_beside_the_annotations_and_images_count_once(tmp_path):
    for name in ('data/data.yaml', 'data/labels/b.txt', 'data/labels/a.txt', 'data/images/a.png', 'elsewhere/c.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('x' * len(name))
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'data/images/linked')
    os.symlink(tmp_path / 'data', tmp_path / 'data/images/circle')
    os.symlink(tmp_path / 'nowhere', tmp_path / 'data/images/dangling')
    source = Source(tmp_path / 'data/data.yaml', tmp_path / 'data/images', 'yolo', 'train')
    found = [(os.path.relpath(path, tmp_path), status.st_size) for path, status in AnyFormat().files(source)]
    names = [
        'data/data.yaml',
        'data/images/a.png',
        'data/images/linked/c.png',
        'data/labels/a.txt',
        'data/labels/b.txt',
    ]
    assert [name for name, _ in found] == names
    assert dict(found)['data/labels/a.txt'] == len('data/labels/a.txt')


def test_of_a_coco_file_it_alone_counts(tmp_path):
    (tmp_path / 'a.json').write_text('{}')
    (tmp_path / 'b.png').write_text('')
    assert [path for path, _ in CocoFormat().files(Source(tmp_path / 'a.json', tmp_path))] == [
        str(tmp_path / 'a.json')
    ]
