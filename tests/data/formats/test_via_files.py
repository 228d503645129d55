"""Files of VIA and the images that they name."""

import csv
import io
import math

import pytest

from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.base import Source
from convnext_dense.errors import UserError
from tests.helpers.labelme_files import SIZE, write_image
from tests.helpers.read_source import lines, only, read, refusal
from tests.helpers.via_files import (
    WRITERS,
    polygon,
    rect,
    write_csv,
    write_json,
    write_one,
)


def test_images_have_their_own_upright_sizes(tmp_path):
    write_image(tmp_path / 'a.png', SIZE, orientation=6)
    write_json(tmp_path / 'via.json', {'a.png': [rect(1, 1, 9, 9)]})
    (image,) = read(tmp_path).images
    assert (image['height'], image['width']) == (80, 60)


@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('a.png', 'images/a.png'),
        ('images/a.png', 'images/a.png'),
        ('C:\\cats\\a.png', 'a.png'),
        ('file:///home/me/cats/a.png', 'photos/a.png'),
        ('https://example.com/a.png?size=9', 'photos/a.png'),
        ('A.PNG', 'a.png'),
    ],
)
def test_images_are_found(tmp_path, name, file):
    write_image(tmp_path / file)
    write_json(tmp_path / 'via.json', {name: [rect(1, 1, 9, 9)]})
    assert [i['file_name'] for i in read(tmp_path).images] == [file]


def test_images_that_are_not_there_are_named(tmp_path):
    write_one(tmp_path, rect(1, 1, 9, 9))
    (tmp_path / 'a.png').unlink()
    assert refusal(tmp_path).startswith(
        '1 image of 1 not found in ROOT, or in several places there (a.png of via.json: a.png99)'
    )


def test_images_that_cannot_be_read_are_named(tmp_path):
    path = write_one(tmp_path, rect(1, 1, 9, 9))
    (tmp_path / 'a.png').write_bytes(b'')
    assert refusal(tmp_path).startswith(
        f'{path.name}: 1 image that cannot be opened, so that the size is unknown (a.png: it has zero bytes)'
    )


@pytest.mark.parametrize('name', WRITERS)
def test_an_image_without_regions_stays(tmp_path, name):
    write_image(tmp_path / 'a.png')
    write_image(tmp_path / 'b.png')
    WRITERS[name](tmp_path / name, {'a.png': [rect(1, 1, 9, 9)], 'b.png': []})
    assert [len(a) for a in read(tmp_path).annotations.values()] == [1, 0]


@pytest.mark.parametrize(('train', 'val'), [('train.json', 'val.json'), ('via_train.csv', 'via-validation.csv')])
def test_splits_are_words_in_names(tmp_path, train, val):
    for name in (train, val):
        write_image(tmp_path / 'images' / f'{name}.png')
        (write_csv if name.endswith('csv') else write_json)(tmp_path / name, {f'{name}.png': [rect(1, 1, 9, 9)]})
    assert [i['file_name'] for i in read(tmp_path, 'train').images] == [f'images/{train}.png']
    assert [i['file_name'] for i in read(tmp_path, 'val').images] == [f'images/{val}.png']


def test_several_files_are_asked_for(tmp_path):
    path = write_one(tmp_path, rect(1, 1, 9, 9))
    write_csv(tmp_path / 'via.csv', {'a.png': [rect(1, 1, 9, 9)]})
    assert refusal(tmp_path) == ('2 files of VIA in ROOT (via.json, via.csv): give one, such as --data via.json')
    assert find_sources(str(path)) == {'val': Source(path, tmp_path, 'via')}
    assert len(read(path).images) == 1


def test_a_csv_of_version_1_and_of_a_spreadsheet(tmp_path):
    write_image(tmp_path / 'a.png')
    path = write_csv(tmp_path / 'a.csv', {'a.png': [rect(1, 1, 9, 9, a='x')]}, mark='#')
    assert only(tmp_path)['bbox'] == [1, 1, 9, 9]
    rows = list(csv.reader(io.StringIO(path.read_text())))
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=';').writerows(rows)
    path.write_bytes(buffer.getvalue().encode('utf-8-sig'))
    assert only(tmp_path)['bbox'] == [1, 1, 9, 9]


def test_a_polygon_longer_than_pythons_limit_of_a_cell(tmp_path):
    limit = csv.field_size_limit()
    write_image(tmp_path / 'a.png')
    points = [(30 + 20 * math.cos(n / 9999), 30 + 20 * math.sin(n / 9999)) for n in range(40_000)]
    write_csv(tmp_path / 'a.csv', {'a.png': [polygon(*points, a='x')]})
    assert len(only(tmp_path)['segmentation'][0]) == 80_000
    assert csv.field_size_limit() == limit


def test_lines_of_a_csv_are_named(tmp_path):
    write_image(tmp_path / 'a.png')
    path = write_csv(tmp_path / 'a.csv', {'a.png': [rect(1, 1, 9, 9, a='x'), rect(2, 2, 9, 9, a='x')]})
    whole = path.read_text()
    path.write_text(whole.replace('""name"":""rect"",""x"":2', '""name"":""rect""""x"":2'))
    assert lines(tmp_path) == ['1 annotation ignored, the whole image: no shape_attributes (a.csv:3)']
    path.write_text('\n'.join(whole.split('\n')[:2]))
    expected = '1 image whose region_count is 2, and of which 1 are there (a.csv:2)'
    assert lines(tmp_path) == [expected]
    path.write_text(whole.replace(',2,1,', ',2,'))
    assert refusal(tmp_path) == 'a.csv:3: 6 columns rather than 7: export it from VIA again'
    path.write_text(whole.replace('region_count,', ''))
    with pytest.raises(UserError, match=r'no data at .*expected annotations of COCO, YOLO'):
        find_sources(str(tmp_path))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"a": {"filename": 3, "regions": [], "file_attributes": {}}}', 'via.json: a is no image with a filename'),
        ('{"a": {"filename": "a.png", "regions": 3, "file_attributes": {}}}', 'via.json: a has no regions'),
        ('{"a": {"filename": "a.png", "regions": [], "file_attributes": {}}', 'via.json is not JSON'),
        ('{"_via_img_metadata": []}', 'via.json is not of VIA'),
        (
            '{"project": {"pid": "1", "pname": "x", "vid_list": []}}',
            'via.json is a project of VIA 3, which is not read',
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content, message):
    (tmp_path / 'via.json').write_text(content)
    assert refusal(tmp_path).startswith(message)
