"""Image/mask folders: which files belong together, and errors that say where the data lie."""

import os
import shutil

import numpy as np
import pytest

from convnext_dense.data.segmentation import dataset
from convnext_dense.data.segmentation.find import find_masks, find_masks_and_remarks
from convnext_dense.errors import NoData, UserError
from tests.helpers.layouts import touch
from tests.helpers.mask_folder import draw_labels, image, mask, save, write_mask_folder
from tests.helpers.mask_samples import mask_folder


@pytest.fixture
def root(tmp_path):
    return write_mask_folder(tmp_path / 'data')


@pytest.mark.parametrize('names', [('training', 'validation'), ('train', 'val')])
def test_images_and_masks_of_one_name_belong_together(tmp_path, names):
    root = write_mask_folder(tmp_path, names=names)
    save(root / 'images' / names[0] / 'town' / 'a.b.jpeg', np.zeros((40, 56, 3), np.uint8))
    save(root / 'annotations' / names[0] / 'town' / 'a.b.png', draw_labels(9))
    for name in ('Thumbs.db', '._00.png'):
        (root / 'images' / names[0] / name).touch()
    pairs = find_masks(root, 'training')
    assert [os.path.relpath(file, root) for file in pairs[1]] == [
        f'images/{names[0]}/01.png',
        f'annotations/{names[0]}/01.png',
    ]
    assert [os.path.basename(file) for file in pairs[4]] == ['a.b.jpeg', 'a.b.png']
    assert len(pairs) == 5
    assert len(find_masks(root, 'validation')) == 2


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (lambda root: shutil.rmtree(root), 'no data at .*data: expected .*--data PATH'),
        (lambda root: shutil.rmtree(root / 'images'), 'no data at .*images/training: expected .*--data PATH'),
        (lambda root: shutil.rmtree(root / 'annotations'), 'no data at .*annotations/training: expected'),
        (lambda root: [p.unlink() for p in root.glob('images/*/*')], 'images/training holds no images'),
        (lambda root: mask(root).unlink(), r'1 of 4 images in .*images/training have no mask in .*: 01; add'),
        (lambda root: [p.unlink() for p in mask(root).parent.iterdir()], '4 of 4 images .*: 00, 01, 02, ...; add'),
        (lambda root: mask(root).rename(mask(root).with_suffix('.csv')), '1 of 4 images .* have no mask'),
        (lambda root: shutil.copy(image(root), image(root).with_suffix('.bmp')), '01.bmp and .*01.png .* a mask'),
    ],
)
def test_a_wrong_layout_is_named(root, spoil, said):
    spoil(root)
    with pytest.raises(UserError, match=said):
        find_masks(root, 'training')


def test_a_split_that_does_not_exist_is_named(root):
    with pytest.raises(UserError, match="'testing' does not exist"):
        find_masks(root, 'testing')


def test_masks_without_an_image_are_counted_and_left_out(root):
    image(root, 0).unlink()
    image(root, 3).unlink()
    pairs, (remark,), *_ = find_masks_and_remarks(root, 'training')
    assert len(pairs) == 2
    assert remark.startswith('2 of 4 masks in') and remark.endswith('left out: 00, 03')


GOOD = ('images/training/1.jpg', 'annotations/training/1.png', 'images/validation/2.jpg')


@pytest.mark.parametrize(
    ('files', 'given', 'said'),
    [
        (GOOD, '', '{root} holds images/ .* one level deeper, in {root}/data: give --data {root}/data$'),
        (GOOD, 'data/images', '{root}/data/images is the images folder of a data set itself: .*, --data {root}/data$'),
        (GOOD, 'data/annotations/training', 'is the annotations/training folder .* around it, --data {root}/data$'),
        (('train/cat/1.jpg',), 'data', '{root}/data holds class folders in train/ and val/: take a classification c'),
        (('notes.txt',), 'data', 'give another root with --data PATH, or take --data sample, which needs no data$'),
    ],
)
def test_an_error_says_where_the_data_lie(tmp_path, files, given, said):
    touch(tmp_path / 'data', *files)
    with pytest.raises(NoData, match=said.format(root=tmp_path)) as error:
        find_masks(tmp_path / given, 'training')
    assert 'expected images/' in str(error.value) and '\n' not in str(error.value)


def test_annotations_that_are_damaged_are_named(tmp_path):
    touch(tmp_path, 'train/_annotations.coco.json')
    with pytest.raises(
        UserError, match=r'train/_annotations\.coco\.json names no images: it is damaged, or not a COCO'
    ):
        find_masks(tmp_path, 'training')


@pytest.mark.parametrize('name', ['valid', 'test'])
def test_another_name_of_validation_is_taken_and_said(tmp_path, name):
    root = write_mask_folder(tmp_path, names=('train', name))
    pairs, remarks, *_ = find_masks_and_remarks(root, 'validation')
    assert (len(pairs), remarks) == (2, [f'{root}/images/{name} is taken for validation'])
    shutil.rmtree(root / 'annotations' / name)
    if name == 'test':  # images that nobody has labeled
        with pytest.raises(NoData, match=r'no data at .*images/validation'):
            find_masks(root, 'validation')


def test_stray_files_and_links_in_circles_are_left_out_and_counted(root, monkeypatch):
    for path in ('@eaDir/00.png', '.ipynb_checkpoints/00-checkpoint.png', '__MACOSX/00.png', '._00.png'):
        for kind in (image(root).parent, mask(root).parent):
            (kind / path).parent.mkdir(exist_ok=True)
            shutil.copy(kind / '00.png', kind / path)
    for kind in (image(root).parent, mask(root).parent):
        (kind / 'again').symlink_to('.')
        (kind / 'up').symlink_to('..')
    assert len(find_masks(root, 'training')) == 4
    assert len(find_masks_and_remarks(root, 'training').left_out) == 12
    lines = []
    monkeypatch.setattr(dataset, 'print_log', lambda line, *_: lines.append(line))
    assert len(mask_folder(root)) == 4
    assert [line.split(',')[0] for line in lines] == [f'{root}: 12 files and folders left out']


def test_masks_for_images_of_other_formats_are_told_apart_from_none(root):
    for path in image(root).parent.iterdir():
        path.rename(path.with_suffix('.gif'))
    with pytest.raises(NoData, match=r'images/training holds no images \(.*\), but 4 .gif: fill it'):
        find_masks(root, 'training')
