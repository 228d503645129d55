"""Reading data sets of any format as labeled images."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.convert import read_data_set
from convnext_dense.data.formats.base import WHOLE
from convnext_dense.data.formats.write import write_data_set
from convnext_dense.errors import NoData, UserError
from tests.helpers import coco_files
from tests.helpers.labeled import CLASSES, box_of, image, triangle, write


def coco(folder: Path, annotations: list[dict], names: tuple[str, ...] = ('cat', 'dog'), split: str = 'train') -> Path:
    """A COCO folder with one image, 40 x 60."""
    image(folder / f'{split}2017/a.png')
    images = [{'id': 7, 'file_name': 'a.png', 'height': 40, 'width': 60}]
    categories = [{'id': 10 * number, 'name': name} for number, name in enumerate(names, 1)]
    entries = [{'id': number, 'image_id': 7, 'iscrowd': 0, **one} for number, one in enumerate(annotations, 1)]
    file = folder / f'annotations/instances_{split}2017.json'
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({'images': images, 'annotations': entries, 'categories': categories}))
    return folder


def test_objects_are_cleaned_and_classes_of_splits_are_joined_by_name(tmp_path):
    box = [5.0, 5.0, 10.0, 10.0]
    annotations = [
        {'category_id': 20, 'bbox': box},
        {'category_id': 10, 'bbox': [50, 30, 40, 5]},
        {'category_id': 10, 'bbox': box, 'iscrowd': 1},
        {'category_id': 10},
        {'category_id': 10, 'bbox': [5, 5, 0, 0]},
    ]
    coco(tmp_path, annotations)
    coco(tmp_path, [{'category_id': 10, 'bbox': box}], names=('dog', 'bird'), split='val')
    read = read_data_set(str(tmp_path))
    assert (read.data.classes, read.has_label_maps, read.has_masks, read.total) == (
        ['cat', 'dog', 'bird'],
        False,
        False,
        2,
    )
    ((one,), (other,)) = (list(images) for images in read.data.splits.values())
    assert (one.name, one.size, one.file) == ('a.png', (40, 60), str(tmp_path / 'train2017/a.png'))
    assert [(thing.label, thing.box, thing.is_crowd, thing.is_region) for thing in one.objects] == [
        (1, box, False, False),
        (0, [50, 30, 10, 5], False, False),
        (0, box, True, False),
        (0, [0, 0, 60, 40], True, True),
    ]
    assert [thing.label for thing in other.objects] == [1]
    text = '\n'.join(read.lines)
    assert 'train2017: 1 annotation dropped: box of zero area (annotation id 5)' in text
    assert 'clipped' in text and 'ignored, the whole image' in text


def test_a_file_alone_is_in_no_split(tmp_path):
    coco(tmp_path, [{'category_id': 20, 'bbox': [5, 5, 10, 10]}])
    read = read_data_set(f'{tmp_path}/annotations/instances_train2017.json:{tmp_path}/train2017')
    assert list(read.data.splits) == [WHOLE]


def with_exif(folder: Path, orientation: int, pixels: np.ndarray, box: list[int], size: tuple[int, ...]) -> Path:
    """A COCO folder with an image that has an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    (folder / 'train2017').mkdir(parents=True)
    (folder / 'annotations').mkdir()
    Image.fromarray(pixels).save(folder / 'train2017/a.png', exif=exif)
    entry = {'id': 1, 'file_name': 'a.png', 'height': size[0], 'width': size[1]}
    annotation = {'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': box}
    content = {'images': [entry], 'annotations': [annotation], 'categories': [{'id': 1, 'name': 'cat'}]}
    (folder / 'annotations/instances_train2017.json').write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize('orientation', [1, 3, 6, 8])
@pytest.mark.parametrize('as_stored', [True, False])
def test_tools_that_turn_images_get_annotations_of_the_upright_image(tmp_path, orientation, as_stored):
    """A white rectangle, with its box in the image as it is stored or, where the size tells, as it is shown."""
    pixels = np.zeros((40, 60), np.uint8)
    pixels[5:15, 10:50] = 255
    upright = np.rot90(pixels, {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    seen = pixels if as_stored or orientation in (1, 3) else upright
    folder = with_exif(tmp_path / 'in', orientation, pixels, [int(n) for n in box_of(seen > 0)], seen.shape)
    read = read_data_set(str(folder))
    write_data_set(read.data, False, 'labelme', tmp_path / 'me')
    content = json.loads((tmp_path / 'me/train/a.json').read_text())
    assert (content['imageHeight'], content['imageWidth']) == upright.shape
    x, y, width, height = box_of(upright > 0)
    assert content['shapes'][0]['points'] == [[x, y], [x + width, y + height]]
    write_data_set(read.data, False, 'coco', tmp_path / 'again')
    # as training reads it: of the image as stored, unless the size tells
    again = json.loads((tmp_path / 'again/annotations/instances_train2017.json').read_text())
    expected = pixels if orientation in (1, 3) else upright
    assert again['annotations'][0]['bbox'] == box_of(expected > 0)
    assert (again['images'][0]['height'], again['images'][0]['width']) == expected.shape


def test_an_image_of_another_size_is_named(tmp_path):
    coco(tmp_path, [{'category_id': 20, 'bbox': [5, 5, 10, 10]}])
    Image.new('RGB', (30, 30)).save(tmp_path / 'train2017/a.png')
    with pytest.raises(
        UserError, match=r'^bad image .*a.png \(it is 30 x 30, its annotations say 40 x 60, height x w'
    ):
        write_data_set(read_data_set(str(tmp_path)).data, False, 'yolo', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_label_maps_with_the_meaning_of_label_zero(tmp_path):
    for kind in ('images', 'annotations'):
        (tmp_path / kind / 'training/x').mkdir(parents=True)
    labels = np.array([[0, 1, 2, 255], [0, 1, 2, 2]], np.uint8)
    Image.fromarray(labels).save(tmp_path / 'annotations/training/x/a.png')
    Image.new('RGB', (4, 2)).save(tmp_path / 'images/training/x/a.jpg')
    for zero, classes, expected in (
        (False, 3, labels),
        (True, 2, np.where(labels == 0, 255, labels - (labels < 255))),
    ):
        read = read_data_set(str(tmp_path), label_zero=zero)
        ((one,),) = (list(images) for images in read.data.splits.values())
        assert (list(read.data.splits), read.total, read.has_label_maps) == (['train'], 1, True)
        assert len(read.data.classes) == classes and one.name == 'x/a.jpg'
        assert np.array_equal(one.labels, expected)
        assert read.lines[0].startswith('label 0 of the masks is ')


def test_two_kinds_in_one_folder_are_asked_for(tmp_path):
    write(tmp_path / 'masks', 'masks', image(tmp_path / 'b.png', triangle(), triangle(1)), classes=CLASSES)
    coco(tmp_path / 'both', [{'category_id': 20, 'bbox': [5, 5, 10, 10]}])
    for folder in ('images', 'annotations'):
        shutil.copytree(tmp_path / 'masks' / folder, tmp_path / 'both' / folder, dirs_exist_ok=True)
    with pytest.raises(UserError, match=r'say which with --data-format coco or --data-format masks$'):
        read_data_set(str(tmp_path / 'both'))
    assert not read_data_set(str(tmp_path / 'both'), 'coco').has_label_maps
    assert read_data_set(str(tmp_path / 'both'), 'masks', label_zero=False).has_label_maps


def test_a_folder_without_data_is_an_error(tmp_path):
    with pytest.raises(NoData, match=r'^no COCO data at '):
        read_data_set(str(tmp_path))


def test_names_of_images_are_relative_to_the_folder_that_holds_them_all(tmp_path):
    content = coco_files.content()
    for one, folder in zip(content['images'], ('', 'a', 'a', 'b'), strict=True):
        one['file_name'] = os.path.join('JPEGImages', folder, one['file_name'])
        (tmp_path / 'photos' / one['file_name']).parent.mkdir(parents=True, exist_ok=True)
    coco_files.draw(tmp_path / 'photos', content)
    (tmp_path / 'one.json').write_text(json.dumps(content))
    (split,) = read_data_set(f'{tmp_path}/one.json:{tmp_path}/photos').data.splits.values()
    assert [image.name for image in split] == ['000.png', 'a/001.png', 'a/004.png', 'b/009.png']
