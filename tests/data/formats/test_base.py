"""Places of annotations, names of sources, and the files that a source is read from."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.formats.base import Places, Source
from convnext_dense.data.formats.coco import CocoFormat
from tests.helpers.opened_files import opened_files
from tests.helpers.small_files import write_files


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


def check_all_read_are_files(root: Path, sources: dict[str, Source]) -> None:
    """Check that the files of a split are all that its reading opens, but those of others to recognize the format."""
    named = {}
    for split, source in sources.items():
        named[split] = {os.path.realpath(file)[len(os.path.realpath(root)) + 1 :] for file, _ in files_of(source)}
    for split, source in sources.items():
        kind = FORMATS[source.format]
        with opened_files(root) as opened:
            kind.read_categories(source)
            kind.read(source)
            kind.has_masks(source)
        others = set().union(*named.values()) if source.format == 'yolo' else set()
        images = {file for file in opened if file.lower().endswith(('.jpg', '.png'))}
        unread = set(opened) - named[split] - others - (set() if kind.lists_images else images)
        assert opened
        assert not unread, f'{source.format} {split}'


def files_of(source: Source):
    return FORMATS[source.format].files(source)


@pytest.mark.parametrize('name', list(FORMATS))
def test_all_that_is_read_is_among_the_files(written, name, tmp_path):
    folder = written / name
    if name == 'csv':
        folder = tmp_path
        Image.new('RGB', (60, 40)).save(tmp_path / 'a.png')
        for split in ('train', 'val'):
            (tmp_path / f'{split}.csv').write_text('filename,class,xmin,ymin,xmax,ymax\na.png,cat,1,2,30,20\n')
        (tmp_path / 'classes.csv').write_text('cat,0\ndog,1\n')
    check_all_read_are_files(folder, find_sources(str(folder), name=name))


BOX = '0 .5 .5 .2 .4\n'
YOLO = {'images/train/a.png': None, 'images/val/b.png': None, 'labels/train/a.txt': BOX, 'labels/val/b.txt': BOX}


@pytest.mark.parametrize(
    ('files', 'config'),
    [
        ({'data.yaml': 'names: n.list\ntrain: images/train\nval: images/val\n', 'n.list': 'cat\n'}, 'data.yaml'),
        ({'obj.data': 'names = d/n.txt\ntrain = t.txt\nvalid = v.txt', 'd/n.txt': 'cat\n'}, 'obj.data'),
        (
            {'c/data.yaml': 'path: ..\ntrain: images/train\nval: images/val\n', 'c/classes.txt': 'cat\n'},
            'c/data.yaml',
        ),
        ({'classes.txt': 'cat\n', 'labels/notes.json': '{"categories": [{"id": 0, "name": "cat"}]}'}, '.'),
        ({'classes.txt': 'cat\n', 'settings.yaml': 'a: b\n', 'labels/train/other.txt': BOX}, '.'),
        ({'classes.txt': 'cat\n', 'images/train/a.txt': BOX}, '.'),
    ],
)
def test_all_that_is_read_of_yolo_is_among_the_files(tmp_path, files, config):
    lists = {'t.txt': 'images/train/a.png\n', 'v.txt': 'images/val/b.png\n'} if config == 'obj.data' else {}
    write_files(tmp_path, {**YOLO, **lists, **files})
    check_all_read_are_files(tmp_path, find_sources(str(tmp_path / config)))


def test_a_list_of_classes_beside_the_folder_is_among_the_files(tmp_path):
    annotation = {'size': {'height': 40, 'width': 60}, 'objects': [], 'tags': []}
    box = {'classTitle': 'cat', 'geometryType': 'rectangle', 'points': {'exterior': [[1, 2], [9, 8]], 'interior': []}}
    write_files(
        tmp_path,
        {
            'p/meta.json': json.dumps({'classes': [{'title': 'cat', 'shape': 'rectangle'}]}),
            'p/ds/ann/a.png.json': json.dumps({**annotation, 'objects': [box]}),
            'p/ds/img/a.png': None,
            'o/class-descriptions-boxable.csv': '/m/1,Cat\n',
            'o/labels/boxes.csv': 'ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/1,.1,.5,.1,.5\n',
            'o/labels/a.png': None,
        },
    )
    check_all_read_are_files(tmp_path, find_sources(str(tmp_path / 'p/ds'), name='supervisely'))
    check_all_read_are_files(tmp_path, find_sources(str(tmp_path / 'o/labels/boxes.csv'), name='open_images'))
