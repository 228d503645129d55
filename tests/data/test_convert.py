"""Reading data sets of any format as labeled images."""

import base64
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.class_choice import ClassChoice, Merge
from convnext_dense.data.convert import read_data_set
from convnext_dense.data.formats.base import WHOLE
from convnext_dense.data.formats.write import WRITERS, write_data_set
from convnext_dense.data.formats.write.base import LabeledObject
from convnext_dense.errors import NoData, UserError
from tests.helpers import coco_files
from tests.helpers.labeled import CLASSES, box_of, image, triangle, write
from tests.helpers.written_formats import BOXES_ALONE, OF_OBJECTS


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
    with pytest.raises(NoData, match=r'^no data at .*expected annotations of COCO, YOLO'):
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


def labelme(folder: Path, shapes: list[dict], embedded: str = '', orientation: int = 1) -> Path:
    """A LabelMe file of an image of 40 x 60 as it is shown, which is beside it or in it, in a format of Pillow."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((60, 40) if orientation > 4 else (40, 60), np.uint8)
    pixels[:9] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = folder / ('a.jpg' if not embedded else f'a.{embedded}')
    Image.fromarray(pixels).save(file, format=embedded or 'JPEG', exif=exif)
    content = {'version': '5.5.0', 'flags': {}, 'imagePath': 'a.jpg', 'imageHeight': 40, 'imageWidth': 60}
    content['imageData'] = base64.b64encode(file.read_bytes()).decode() if embedded else None
    content['shapes'] = [{'group_id': None, 'shape_type': 'polygon', 'flags': {}, **shape} for shape in shapes]
    (folder / 'a.json').write_text(json.dumps(content))
    if embedded:
        file.unlink()
    return folder


SHAPE = {'label': 'cat', 'points': [[10, 5], [30, 5], [20, 25]]}


@pytest.mark.parametrize(('embedded', 'suffix'), [('jpeg', '.jpg'), ('png', '.png'), ('bmp', '.bmp')])
@pytest.mark.parametrize('images', ['link', 'copy', 'none'])
def test_an_image_in_a_json_file_is_written_as_an_image(tmp_path, embedded, suffix, images):
    read = read_data_set(str(labelme(tmp_path / 'in', [SHAPE], embedded)))
    for name in OF_OBJECTS:
        done = write_data_set(read.data, False, name, tmp_path / name, images)
        assert '1 image taken out of a JSON file' in done.changed
        assert (done.links, done.copies) == (0, images != 'none')
        found = sorted(file for file in (tmp_path / name).rglob('*') if file.suffix == suffix)
        assert [file.stem for file in found] == ([] if images == 'none' else ['a'])
        if images != 'none':
            with Image.open(found[0]) as image:
                assert image.format == embedded.upper() and image.size == (60, 40)
            again = read_data_set(str(tmp_path / name))
            ((one,),) = (list(split) for split in again.data.splits.values())
            assert one.objects[0].box == pytest.approx([10, 5, 20, 20], abs=1)


@pytest.mark.parametrize('embedded', ['', 'jpeg'])
@pytest.mark.parametrize('orientation', [1, 3, 6])
def test_objects_of_turned_images_stay_where_they_were_drawn(tmp_path, embedded, orientation):
    """Through every format, as training reads it."""
    shape = {'label': 'cat', 'points': [[4, 2], [24, 2], [24, 12], [4, 12]]}
    source = labelme(tmp_path / 'in', [shape], embedded, orientation)
    read = read_data_set(str(source))
    for name in OF_OBJECTS:
        write_data_set(read.data, False, name, tmp_path / name)
        write_data_set(read_data_set(str(tmp_path / name)).data, False, 'labelme', tmp_path / f'{name}_labelme')
        content = json.loads(next((tmp_path / f'{name}_labelme').rglob('*.json')).read_text())
        assert (content['imageHeight'], content['imageWidth']) == (40, 60)
        points = np.array(content['shapes'][0]['points'])
        np.testing.assert_allclose([points.min(0), points.max(0)], [[4, 2], [24, 12]], rtol=0, atol=1)


@pytest.fixture(scope='module')
def written(tmp_path_factory) -> Path:
    """Two scenes, of cat and dog with masks that do not overlap, in every format."""
    folder = tmp_path_factory.mktemp('written')
    other = LabeledObject(1, [40.0, 20.0, 12.0, 10.0], [[40.0, 20, 52, 20, 52, 30, 40, 30]])
    images = [image(folder / 'images/a.png', triangle(), other), image(folder / 'images/b.png', replace(other))]
    for name in WRITERS:
        write(folder / name, name, *images)
    return folder


class Thing(NamedTuple):
    name: str
    box: list[float]
    has_mask: bool


def things(root: Path) -> list[list[Thing]]:
    """The objects of each image, by their classes."""
    read = read_data_set(str(root))
    images = sorted((one for split in read.data.splits.values() for one in split), key=lambda one: one.name)
    names = read.data.classes
    return [
        sorted(Thing(names[one.label], one.box, one.segmentation is not None) for one in image.objects)
        for image in images
    ]


def check_things(root: Path, masks: bool) -> None:
    """Check that a data set has what is written, the boxes to a pixel."""
    first, second = things(root)
    assert [(one.name, one.has_mask) for one in (*first, *second)] == [(n, masks) for n in ('cat', 'dog', 'dog')]
    cat, dog = [10, 5, 20, 20], [40, 20, 12, 10]
    np.testing.assert_allclose([one.box for one in (*first, *second)], [cat, dog, dog], rtol=0, atol=1)


@pytest.mark.parametrize('name', OF_OBJECTS)
def test_every_format_to_coco_and_from_coco(written, tmp_path, name):
    masks = name not in BOXES_ALONE
    check_things(written / name, masks)
    read = read_data_set(str(written / name))
    write_data_set(read.data, False, 'coco', tmp_path / 'one')
    check_things(tmp_path / 'one', masks)
    read = read_data_set(str(tmp_path / 'one'))
    write_data_set(read.data, False, name, tmp_path / 'two')
    check_things(tmp_path / 'two', masks)


@pytest.mark.parametrize('name', [name for name in WRITERS if WRITERS[name].of_label_maps])
@pytest.mark.parametrize('other', OF_OBJECTS)
def test_objects_to_label_maps_and_back(written, tmp_path, name, other):
    read = read_data_set(str(written / other))
    if other in BOXES_ALONE:
        assert not read.has_masks
        return
    write_data_set(read.data, False, name, tmp_path / 'maps')
    ((one, two),) = (list(images) for images in read_data_set(str(tmp_path / 'maps')).data.splits.values())
    assert [np.unique(i.labels).tolist() for i in (one, two)] == [[0, 1, 2], [0, 2]]
    assert (two.labels == 2).sum() == 120
    write_data_set(read_data_set(str(tmp_path / 'maps')).data, True, other, tmp_path / 'back')
    check_things(tmp_path / 'back', True)


@pytest.mark.parametrize('name', OF_OBJECTS)
def test_chosen_classes_of_every_format(written, name):
    read = read_data_set(str(written / name), choice=ClassChoice(merge=(Merge(('cat', 'dog'), 'pet'),)))
    assert read.data.classes == ['pet'] and read.lines[0].startswith('train')
    read = read_data_set(str(written / name), choice=ClassChoice(classes=('dog',)))
    labels = [[one.label for one in i.objects] for split in read.data.splits.values() for i in split]
    assert (read.data.classes, labels) == (['dog'], [[0], [0]])
    read = read_data_set(str(written / name), choice=ClassChoice(ignore=('cat',)))
    regions = [[one.is_region for one in i.objects] for split in read.data.splits.values() for i in split]
    assert (read.data.classes, regions) == (['dog'], [[True, False], [False]])
    assert any("1 ignore region of no class, written as of 'dog' where" in line for line in read.lines)
    with pytest.raises(UserError, match=r"--classes names 'dig' \(did you mean 'dog'\?\): there are 2 classes in"):
        read_data_set(str(written / name), choice=ClassChoice(classes=('dig',)))


@pytest.mark.parametrize('name', [name for name in WRITERS if WRITERS[name].of_label_maps])
def test_chosen_classes_of_label_maps(written, name):
    def labels(**choice):
        read = read_data_set(str(written / name), choice=ClassChoice(**choice))
        return read.data.classes, [np.unique(i.labels).tolist() for s in read.data.splits.values() for i in s]

    assert labels(classes=('background', 'dog')) == (['background', 'dog'], [[0, 1, 255], [0, 1]])
    assert labels(merge=(Merge(('cat', 'dog'), 'pet'),)) == (['background', 'pet'], [[0, 1], [0, 1]])
    assert labels(ignore=('dog',)) == (['background', 'cat'], [[0, 1, 255], [0, 255]])
    with pytest.raises(UserError, match="--ignore-classes names 'cow'"):
        labels(ignore=('cow',))


def digests(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob('*') if file.is_file()}


@pytest.mark.parametrize('images', ['link', 'copy', 'none'])
@pytest.mark.parametrize('name', WRITERS)
def test_no_file_of_the_source_changes(tmp_path, name, images):
    """Files are linked: what is written under the name of a link would go into the user's own file."""
    source = tmp_path / 'in'
    other = LabeledObject(1, [40.0, 20.0, 12.0, 10.0], [[40.0, 20, 52, 20, 52, 30, 40, 30]])
    names = (
        'a.png',
        'A.jpg',
        'x/a.jpg',
        'labels.png',
        'classes.jpg',
        'annotations/a.png',
        'images/a.png',
        'ann/b.png',
    )
    write(source, 'coco', *(image(tmp_path / 'photos' / one, triangle(), other, name=one) for one in names))
    before = digests(tmp_path)
    done = write_data_set(read_data_set(str(source)).data, False, name, tmp_path / 'out', images)
    assert done.images == len(names)
    after = digests(tmp_path)
    assert {file: after[file] for file in before} == before


NO_IMAGES = ('../notes.json', '../notes.txt', '../id_rsa', 'via_region_data.json', '../page.jpg', '../listed.json')


@pytest.mark.parametrize('entry', NO_IMAGES)
@pytest.mark.parametrize('name', WRITERS)
def test_a_file_that_is_no_image_is_neither_passed_on_nor_written_to(tmp_path, name, entry):
    shape = {'category_id': 20, 'bbox': [5, 5, 10, 10], 'segmentation': [[5, 5, 15, 5, 15, 15]]}
    folder = coco(tmp_path / 'in', [shape])
    file = folder / 'annotations/instances_train2017.json'
    file.write_text(file.read_text().replace('a.png', entry))
    for kind, text in (('json', '{"secret": 1}'), ('txt', 'secret'), ('jpg', '<html>secret')):
        (folder / f'{"page" if kind == "jpg" else "notes"}.{kind}').write_text(text)
    (folder / 'id_rsa').write_text('secret')
    (folder / 'listed.json').write_text('["secret"]')
    (folder / 'train2017/via_region_data.json').write_text('{"secret": 1}')
    before = digests(tmp_path)
    for images in ('link', 'copy', 'none'):
        with pytest.raises(UserError, match=rf'{os.path.basename(entry)} (is listed as an image|\()') as error:
            write_data_set(read_data_set(str(folder)).data, False, name, tmp_path / 'out', images)
        assert ': re' in str(error.value) and str(error.value).count('\n') == 0  # restore, rename or remove
        assert digests(tmp_path) == before


@pytest.mark.parametrize('how', ['{up}', '{absolute}', 'x/../{up}'])
def test_images_from_elsewhere_are_named(tmp_path, how):
    folder = coco(tmp_path / 'in', [{'category_id': 20, 'bbox': [5, 5, 10, 10]}])
    assert not any('outside of' in line for line in read_data_set(str(folder)).lines)
    image(tmp_path / 'private/me.png')
    (folder / 'train2017/x').mkdir()
    entry = how.format(up='../../private/me.png', absolute=tmp_path / 'private/me.png')
    file = folder / 'annotations/instances_train2017.json'
    content = json.loads(file.read_text())
    content['images'].append({'id': 8, 'file_name': entry, 'height': 40, 'width': 60})
    file.write_text(json.dumps(content))
    read = read_data_set(str(folder))
    (line,) = [line for line in read.lines if 'outside of' in line]
    assert line == (
        f'1 image lies outside of {folder}, where its files point to, such as {tmp_path}/private/me.png: '
        'if they are not meant to be passed on, give --images none, or remove their entries'
    )
    assert write_data_set(read.data, False, 'yolo', tmp_path / 'out').images == 2
