"""Images of a COCO file: sizes from the files, one file under several ids, names written in another way."""

import pytest
from PIL import Image

from convnext_dense.data.check import NOTE, WARNING
from convnext_dense.errors import UserError
from tests.helpers import coco_files
from tests.helpers.coco_files import HEIGHT, WIDTH
from tests.helpers.coco_reading import flat, read
from tests.helpers.findings import turn


def change(data: dict, place: int, **values: object) -> None:
    data['images'][place].update(values)


def said(coco) -> list:
    return [(f.message, f.ids, f.part, f.level) for f in coco.faults]


@pytest.mark.parametrize('values', [{'height': 60.0, 'width': '80'}, {'height': ' 60 ', 'width': 80.0}])
def test_sizes_of_other_types_are_numbers(tmp_path, data, values):
    change(data, 0, **values)
    coco = read(tmp_path, data)
    assert coco.images == coco_files.content()['images']
    assert said(coco) == [('fixed: height or width is not an integer', [0], 'image', NOTE)]
    assert type(coco.images[0]['height']) is int


@pytest.mark.parametrize('value', [None, 0, -1, '', 'x', 60.5, [60], True])
def test_sizes_that_are_none_are_read_from_the_file(tmp_path, data, value):
    change(data, 0, height=value)
    data['images'][2].pop('width')
    coco = read(tmp_path, data)
    assert coco.images == coco_files.content()['images']
    assert said(coco) == [('fixed: without height and width, which are read from the file', [0, 4], 'image', NOTE)]


def test_a_size_from_the_file_is_upright(tmp_path, data):
    read(tmp_path, data)
    turn(tmp_path / 'train2017/009.png', 6)
    change(data, 3, height=0)
    assert (read(tmp_path, data).images[3]['height'], read(tmp_path, data).images[3]['width']) == (WIDTH, HEIGHT)


def test_a_size_that_nothing_tells(tmp_path, data):
    read(tmp_path, data)
    (tmp_path / 'train2017/001.png').write_bytes(b'<html>')
    change(data, 1, width=0)
    with pytest.raises(UserError, match=r'1 image that cannot be opened, .* \(001.png: it is an HTML page\)'):
        read(tmp_path, data)


@pytest.mark.parametrize('name', ['000.png', './000.png'])
def test_a_file_under_two_ids_is_one_image(tmp_path, data, name):
    data['images'].insert(1, {**coco_files.image(33), 'file_name': name})
    data['annotations'][1]['image_id'] = data['annotations'][2]['image_id'] = 33
    data['annotations'].append({**data['annotations'][0], 'id': 8, 'image_id': 33})  # the same in both
    coco = read(tmp_path, data)
    assert [image['id'] for image in coco.images] == [0, 1, 4, 9]
    assert [a['id'] for a in coco.annotations[0]] == [1, 2, 3]
    assert said(coco) == [
        ('fixed: with the file of another one, taken as one image', [33], 'image', WARNING),
        ('left out: equal to another one of the same image, which is listed twice', [8], 'annotation', WARNING),
    ]


def test_an_entry_listed_twice(tmp_path, data):
    data['images'].append(dict(data['images'][0]))
    coco = read(tmp_path, data)
    assert (len(coco.images), len(flat(coco))) == (4, 6)
    assert [f.ids for f in coco.faults] == [[0]]


def test_a_file_under_two_sizes_is_refused(tmp_path, data):
    data['images'].append({**coco_files.image(33, 40, 30), 'file_name': '000.png'})
    with pytest.raises(UserError, match=r'1 image with the file of another one, and another size \(image id 33\)'):
        read(tmp_path, data)


def test_two_names_for_one_file_are_not_guessed(tmp_path, data):
    change(data, 0, file_name='a/000.png')
    data['images'].append({**coco_files.image(33), 'file_name': 'b/000.png'})
    with pytest.raises(UserError, match=r'2 images of 5 not in .* \(a/000.png, b/000.png\)'):
        read(tmp_path, data)


@pytest.mark.parametrize(
    'name', ['D:\\photos\\000.png', 'https://a.org/b/000.png?x=1', '000.PNG', 'train2017\\000.png', '%30%300.png']
)
def test_names_of_other_tools(tmp_path, data, name):
    change(data, 0, file_name=name)
    coco = read(tmp_path, data)
    assert coco.images[0]['file_name'] == '000.png'
    assert said(coco) == [('fixed: file_name written in another way than the file', [0], 'image', NOTE)]


def test_the_nearest_name_is_shown(tmp_path, data):
    change(data, 3, file_name='img_009.png')
    with pytest.raises(UserError, match=r'\(img_009.png\): get or remove them, .*; the nearest name there is 009.png'):
        read(tmp_path, data)


def test_images_of_the_file_may_be_of_any_format(tmp_path, data):
    read(tmp_path, data)
    Image.new('L', (WIDTH, HEIGHT)).save(tmp_path / 'train2017/009.png', 'JPEG')
    change(data, 3, height=-1, width=-1)
    assert read(tmp_path, data).images == coco_files.content()['images']
