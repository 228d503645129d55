"""What a check of a data set finds, against what was spoilt."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data import check as check_module
from convnext_dense.data.check import (
    NOTE,
    PROBLEM,
    WARNING,
    Checked,
    check,
    read_coco_files,
    read_image_folder,
    read_mask_folder,
)
from convnext_dense.errors import NoData
from tests.conftest import write_image_folder
from tests.helpers import coco_files
from tests.helpers.mask_folder import draw_labels, save, write_mask_folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))


def checked_images(root: Path, workers: int = 1, **options) -> Checked:
    sources = {split: {'root': str(root), 'split': split} for split in ('train', 'val')}
    return check(read_image_folder(sources), workers, **options)


def checked_coco(root: Path) -> Checked:
    places = ((split, root / 'annotations' / f'instances_{split}2017.json') for split in ('train', 'val'))
    sources = {split: {'annotations': str(file), 'images': str(root / f'{split}2017')} for split, file in places}
    return check(read_coco_files(sources), 1)


def checked_masks(root: Path) -> Checked:
    sources = {name: {'root': str(root), 'split': split} for name, split in SPLITS.items()}
    return check(read_mask_folder(sources), 1)


SPLITS = {'train': 'training', 'val': 'validation'}


def found(checked: Checked, level: str) -> dict[str, list[str]]:
    """What was found, with the names of the files or annotations that are named."""
    return {
        f'{f.split}: {f.what}': [os.path.basename(str(thing).split(' ')[0]) for thing in f.things]
        for f in checked.findings
        if f.level == level
    }


def turn(path: Path, orientation: int) -> None:
    """Give an image EXIF that says how to turn it."""
    with Image.open(path) as image:
        exif = image.getexif()
        exif[274] = orientation
        image.save(path, exif=exif, quality=95)


# -- image folders


@pytest.fixture
def images(tmp_path) -> Path:
    return write_image_folder(tmp_path / 'images', train=4, val=2)


def test_a_good_image_folder(images):
    checked = checked_images(images)
    assert checked.findings == []
    assert checked.data.classes == ['blue', 'green', 'red']
    assert [balance.amount.tolist() for balance in checked.balance] == [[4, 4, 4], [2, 2, 2]]
    one = checked.looks[0][0]
    path = images / 'train' / 'blue' / '00.jpg'
    assert (one.header.size, one.header.mode, one.header.format) == ((48, 48), 'RGB', 'JPEG')
    assert one.length == path.stat().st_size


def spoilt_images(root: Path) -> Path:
    """An image folder with one of each thing."""
    train, val = root / 'train', root / 'val'
    cut = (train / 'blue' / '00.jpg').read_bytes()
    (train / 'blue' / '00.jpg').write_bytes(cut[: len(cut) // 2])
    (train / 'blue' / '01.jpg').write_bytes(b'')
    (train / 'blue' / '02.jpg').write_bytes(b'\n<!DOCTYPE html><html>404</html>')
    (train / 'blue' / '03.jpg').write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n')
    Image.new('RGB', (40, 8)).save(train / 'green' / '00.jpg')
    Image.new('CMYK', (40, 40)).save(train / 'green' / '01.jpg')
    Image.new('RGB', (41, 40)).save(train / 'green' / '02.jpg', format='PNG')
    turn(train / 'green' / '03.jpg', 6)
    shutil.copy(train / 'red' / '00.jpg', train / 'red' / 'again.jpg')
    shutil.copy(train / 'red' / '01.jpg', train / 'green' / 'of_red.jpg')
    shutil.copy(train / 'red' / '02.jpg', val / 'red' / 'known.jpg')
    (val / 'red' / 'a.gif').touch()
    os.symlink(root / 'nowhere', val / 'blue' / 'dangling.jpg')
    return root


@pytest.mark.parametrize('workers', [1, 2])
def test_every_kind_of_bad_image_is_named(images, workers):
    bar = []
    checked = checked_images(spoilt_images(images), workers, advance=lambda: bar.append(1))
    assert len(bar) == sum(len(split.images) for split in checked.data.splits) == 22
    assert found(checked, PROBLEM) == {
        "train: 4 images that can't be decoded": ['00.jpg', '01.jpg', '02.jpg', '03.jpg'],
        "val: 1 image that can't be decoded": ['dangling.jpg'],
        ': 1 image that val shares with train: its results will look better than they are': ['known.jpg'],
    }
    assert found(checked, WARNING) == {
        'train: 1 image with a side of less than 32 pixels': ['00.jpg'],
        'val: 1 image in a format that is not read': ['a.gif'],
        ': 1 image in two classes': ['01.jpg'],
    }
    assert found(checked, NOTE) == {
        'train: 1 image of the mode CMYK, read as 8-bit RGB': ['01.jpg'],
        'train: 1 image of another format than the name says': ['02.jpg'],
        'train: 1 image turned upright, as EXIF says': ['03.jpg'],
        'train: 2 images with the content of another one': ['01.jpg', 'again.jpg'],
    }
    unreadable = next(f.things for f in checked.findings if 'decoded' in f.what)
    for thing, reason in zip(unreadable, ('truncated', 'zero bytes', 'an HTML page', 'Git LFS pointer'), strict=True):
        assert reason in thing
    levels = [finding.level for finding in checked.findings]
    assert levels == sorted(levels, key=(PROBLEM, WARNING, NOTE).index)


def test_a_run_that_skips_bad_images_is_only_warned(images):
    (images / 'train' / 'blue' / '01.jpg').write_bytes(b'')
    checked = checked_images(images, skip=True)
    assert found(checked, PROBLEM) == {}
    assert found(checked, WARNING) == {"train: 1 image that can't be decoded": ['01.jpg']}


def test_large_images_are_named(images, monkeypatch):
    monkeypatch.setattr(check_module, 'HUGE', 48 * 48 - 1)
    assert [len(names) for names in found(checked_images(images), WARNING).values()] == [12, 6]


def test_class_folders_that_do_not_fit_are_problems(images):
    (images / 'train' / 'azure').mkdir()
    (images / 'train' / 'brown').mkdir()
    assert found(checked_images(images), PROBLEM) == {'train: 2 class folders that hold no images': ['azure', 'brown']}
    (images / 'val' / 'yellow').mkdir()
    [problem] = [f.what for f in checked_images(images).findings if f.level == PROBLEM]
    assert 'val/yellow is a class that' in problem


def test_an_empty_folder_is_no_data(images, tmp_path):
    for path in images.glob('val/*/*'):
        path.unlink()
    with pytest.raises(NoData, match='val holds no images'):
        checked_images(images)
    with pytest.raises(NoData, match='no data at'):
        checked_images(tmp_path / 'nothing')


# -- COCO


@pytest.fixture
def coco(tmp_path) -> Path:
    """Both splits, with images of their own."""
    for number, split in enumerate(('train', 'val')):
        _, folder = coco_files.write(tmp_path / 'coco', coco_files.content(), split)
        for path in folder.iterdir():
            with Image.open(path) as image:
                image.putpixel((0, 0), (number, number, number))
                image.save(path)
    return tmp_path / 'coco'


def change(root: Path, split: str, change) -> None:
    file = root / 'annotations' / f'instances_{split}2017.json'
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_a_good_coco_file(coco):
    checked = checked_coco(coco)
    assert found(checked, PROBLEM) == found(checked, WARNING) == {}
    assert found(checked, NOTE) == {f'{s}: 1 image without annotations': ['009.png'] for s in ('train', 'val')}
    assert checked.data.classes == ['red', 'green', 'blue']
    balance = checked.balance[0]
    assert balance.amount.tolist() == [2, 1, 2]  # without the crowd
    assert balance.images.tolist() == [2, 1, 2]


def test_annotations_that_cannot_be_used_are_named(coco):
    def spoil(content):
        content['annotations'][0]['bbox'][2] = 0
        content['annotations'][4]['bbox'][0] = 70
        content['annotations'][4].pop('area')

    change(coco, 'train', spoil)
    assert found(checked_coco(coco), WARNING) == {
        'train: 1 annotation dropped: box of zero area': ['annotation'],
        'train: 1 annotation clipped: box partly outside its image': ['annotation'],
        'train: 1 annotation fixed: area missing, taken from the mask': ['annotation'],
    }


def test_a_file_that_cannot_be_used_is_a_problem_and_the_other_is_checked(coco):
    change(coco, 'train', lambda content: content['annotations'][0].update(category_id=99))
    (coco / 'val2017' / '001.png').write_bytes(b'')
    checked = checked_coco(coco)
    unusable, unreadable = (f for f in checked.findings if f.level == PROBLEM)
    assert 'unknown category_id 99' in unusable.what and unusable.split == 'train'
    assert "1 image that can't be decoded" in unreadable.what and unreadable.split == 'val'


def test_categories_in_another_order_are_a_problem(coco):
    change(coco, 'val', lambda content: content['categories'].reverse())
    assert any('categories differ from number 1' in what for what in found(checked_coco(coco), PROBLEM))


def test_images_of_another_size_and_turned_ones(coco):
    Image.new('RGB', (60, 80)).save(coco / 'train2017' / '000.png')  # annotations: 80 x 60
    image = Image.new('RGB', (60, 80))  # 80 x 60 when upright: as annotated
    exif = image.getexif()
    exif[274] = 6
    image.save(coco / 'train2017' / '001.png', exif=exif)
    turn(coco / 'val2017' / '000.png', 3)  # upside down: no size says which way was annotated
    checked = checked_coco(coco)
    assert found(checked, PROBLEM) == {
        'train: 1 image of another size than the annotations were made for': ['000.png']
    }
    assert found(checked, WARNING) == {
        'val: 1 image that EXIF would turn, and that the run takes as stored': ['000.png']
    }
    assert 'train: 1 image on their side by EXIF, taken the way that fits the annotations' in found(checked, NOTE)


def test_a_class_without_an_example(coco):
    for split in ('train', 'val'):
        change(coco, split, lambda content: content['categories'].append({'id': 50, 'name': 'gray'}))
    checked = checked_coco(coco)
    assert found(checked, WARNING) == {'train: 1 class of 4 without an example': ['gray']}
    assert found(checked, NOTE)['val: 1 class of 4 without an example'] == ['gray']


def test_a_detector_of_masks_needs_masks(coco):
    def take_away(content):
        for annotation in content['annotations']:
            del annotation['segmentation']

    change(coco, 'train', take_away)
    file = coco / 'annotations' / 'instances_train2017.json'
    source = {'annotations': str(file), 'images': str(coco / 'train2017')}
    for with_mask in (False, True):
        pipeline = [dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=with_mask)]
        data = read_coco_files({'train': {**source, 'pipeline': pipeline}})
        assert any('has no masks' in f.what for f in data.findings if f.level == PROBLEM) is with_mask


# -- masks


@pytest.fixture
def masks(tmp_path) -> Path:
    """Validation's images are others than training's."""
    root = write_mask_folder(tmp_path / 'masks', training=4, validation=0)
    for i in range(2):
        save(root / 'images' / 'validation' / f'{i:02d}.png', np.full((40, 56, 3), i, np.uint8))
        save(root / 'annotations' / 'validation' / f'{i:02d}.png', draw_labels(i))
    return root


def test_a_good_mask_folder(masks):
    checked = checked_masks(masks)
    assert checked.findings == []
    labels = np.stack([draw_labels(i) for i in range(4)])
    assert checked.balance[0].amount.tolist() == [int((labels == k).sum()) for k in range(1, 6)]
    assert checked.balance[0].images.tolist() == [4] * 5


@pytest.mark.parametrize('names', [False, True])
def test_masks_that_cannot_be_used_are_all_named(masks, names):
    if names:
        (masks / 'classes.txt').write_text('a\nb\nc\nd\ne\n')
    folder = masks / 'annotations' / 'training'
    save(folder / '00.png', np.full((40, 55), 1, np.uint8))
    (folder / '01.png').write_bytes(b'PNG')
    save(folder / '02.png', np.full((40, 56), 255, np.uint8))
    save(folder / '03.png', np.full((40, 56), 9, np.uint8))
    (masks / 'images' / 'training' / '03.png').write_bytes(b'')
    checked = checked_masks(masks)
    problems = found(checked, PROBLEM)
    beyond = {'train: 1 mask with labels above 5': ['03.png']} if names else {}  # without names 9 is a class
    assert problems == {
        'train: 1 mask unreadable': ['01.png'],
        'train: 1 mask of another size than the image': ['00.png'],
        **beyond,
        "train: 1 image that can't be decoded": ['03.png'],
    }
    assert found(checked, WARNING)['train: 1 mask without a labeled pixel'] == ['02.png']
    assert len(checked.data.classes) == (5 if names else 9)


def test_an_image_without_a_mask_is_a_problem(masks):
    (masks / 'annotations' / 'training' / '00.png').unlink()
    checked = checked_masks(masks)
    [problem] = [f for f in checked.findings if f.level == PROBLEM]
    assert '1 of 4 images' in problem.what and problem.split == 'train'
    assert len(checked.data.splits[1].images) == 2


def test_a_list_of_names_that_cannot_be_used_is_a_problem(masks):
    (masks / 'classes.txt').write_text('a\na\n')
    [problem] = [f for f in checked_masks(masks).findings if f.level == PROBLEM]
    assert "'a' comes twice" in problem.what


def test_a_mask_folder_without_data(tmp_path):
    with pytest.raises(NoData, match='no data at'):
        checked_masks(tmp_path)
