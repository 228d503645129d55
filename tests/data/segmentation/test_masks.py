"""The classes of image/mask folders, and messages about bad masks."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.segmentation.find import find_masks
from convnext_dense.data.segmentation.masks import check_masks, mask_classes
from convnext_dense.errors import UserError
from tests.helpers.mask_folder import draw_labels, save, save_with_palette, write_mask_folder


def check(root, num_classes: int = 5, split: str = 'training', **options) -> None:
    check_masks(find_masks(root, split), num_classes, **options)


def mask(root, number: int = 1):
    return root / 'annotations' / 'training' / f'{number:02d}.png'


def image(root, number: int = 1):
    return root / 'images' / 'training' / f'{number:02d}.png'


# -- classes


def test_classes_are_read_or_counted(root, tmp_path):
    assert mask_classes(root) == ['class_1', 'class_2', 'class_3', 'class_4', 'class_5']
    assert mask_classes(root, reduce_zero_label=False)[::5] == ['class_0', 'class_5']

    ade = 'Idx\tRatio\tTrain\tVal\tName\n1\t0.1576\t11664\t1172\twall\n8 \t0.02\t19\t1\twindowpane, window \n'
    (root / 'objectInfo150.txt').write_text(ade)
    assert mask_classes(root) == ['wall', 'windowpane']
    (root / 'classes.txt').write_text('\ufeffsea shore\n sky \n\n', encoding='utf-8')
    assert mask_classes(root) == ['sea shore', 'sky']


def test_classes_are_counted_in_the_training_masks_where_there_are_any(root):
    save(mask(root, 2), np.full((40, 56), 9, np.uint8))
    save(root / 'annotations' / 'validation' / '00.png', np.full((40, 56), 7, np.uint8))
    assert len(mask_classes(root)) == 9
    shutil.rmtree(root / 'images' / 'training')
    assert len(mask_classes(root)) == 7


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('sky\nsea\nsky\n', "classes.txt: 'sky' comes twice"),
        ('sky\n\nsea\n', 'class 2 has no name'),
        ('\n', 'names 0 classes'),
        ('\n'.join(map(str, range(255))), 'names 255 classes: there can be 1 to 254'),
        (b'm\xe4rz\n', 'classes.txt is not UTF-8'),
    ],
)
def test_bad_class_names_are_named(root, text, said):
    (root / 'classes.txt').write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said):
        mask_classes(root)


def test_classes_of_masks_that_cannot_be_used_are_not_counted(root):
    for number in range(4):
        save(mask(root, number), np.full((40, 56), 255 * (number % 2), np.uint8))
    with pytest.raises(UserError, match='hold no label but 0 and 255'):
        mask_classes(root)
    save(mask(root, 2), np.zeros((40, 56, 3), np.uint8))
    with pytest.raises(UserError, match='1 with several channels'):
        mask_classes(root)


# -- checking


def test_masks_of_any_kind_that_holds_labels_are_good(root):
    save_with_palette(mask(root, 0), draw_labels(0))
    save(mask(root, 1), draw_labels(1).astype(np.uint16))
    save(mask(root, 2), draw_labels(2) > 0)
    with_255 = draw_labels(3)
    with_255[3:9] = 255
    save(mask(root, 3), with_255)
    assert {Image.open(mask(root, number)).mode for number in range(4)} == {'P', 'I;16', '1', 'L'}
    check(root)
    check(root, 6, reduce_zero_label=False)
    with pytest.raises(UserError, match='2 with labels above 4'):  # the palette's and the deep one
        os.remove(image(root, 3))
        check(root, 4)


@pytest.mark.parametrize(('num_classes', 'reduce_zero_label'), [(4, True), (5, False)])
def test_labels_beyond_the_classes_are_named(root, num_classes, reduce_zero_label):
    for number in (0, 2):
        save(mask(root, number), np.minimum(draw_labels(number), 4))
    with pytest.raises(UserError) as error:
        check(root, num_classes, reduce_zero_label=reduce_zero_label)
    assert '2 of 4 masks in' in str(error.value)
    assert 'annotations/training' in str(error.value)
    assert '2 with labels above 4 (01.png 5, 03.png 5)' in str(error.value)


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (
            lambda path: save(path, np.zeros((40, 56, 3), np.uint8)),
            r'with several channels \(01.png 3\): save the lab',
        ),
        (lambda path: save(path, draw_labels(1), 'RGBA'), r'with several channels \(01.png 4\)'),
        (lambda path: save(path, draw_labels(1), 'LA'), r'with several channels \(01.png 2\)'),
        (
            lambda path: save(path, draw_labels(1).T),
            r'another size than the image \(height x width\) \(01.png 56 x 40, image 40 x 56\)',
        ),
        (lambda path: save(path, draw_labels(1).astype(np.uint16) * 256), r'labels above 5 \(01.png 1280\)'),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), r'1 unreadable \(01.png\): restore'),
        (lambda path: path.write_text('a mask'), 'unreadable'),
        (lambda path: (path.unlink(), path.symlink_to('nowhere.png')), 'unreadable'),
    ],
)
def test_a_bad_mask_is_named(root, spoil, said):
    check(root)
    spoil(mask(root))
    with pytest.raises(UserError, match=said) as error:
        check(root)
    assert '1 of 4 masks' in str(error.value)


def test_all_faults_come_in_one_line_with_the_first_three_files(tmp_path):
    root = write_mask_folder(tmp_path, training=9)
    for number in range(1, 6):
        mask(root, number).write_bytes(b'')
    save(mask(root, 7), np.zeros((40, 56, 4), np.uint8))
    save(mask(root, 8), np.full((40, 56), 77, np.uint8))
    with pytest.raises(UserError) as error:
        check(root)
    message = str(error.value)
    assert '7 of 9 masks' in message
    assert '5 unreadable (01.png, 02.png, 03.png, ...)' in message
    assert '1 with several channels (07.png 4)' in message
    assert '1 with labels above 5 (08.png 77)' in message
    assert '\n' not in message


@pytest.mark.parametrize(('orientation', 'turned'), [(1, False), (3, False), (6, True), (8, True)])
def test_the_size_is_that_of_the_image_as_stored_or_as_its_exif_turns_it(root, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(image(root)).save(image(root), exif=exif)
    check(root)
    save(mask(root), draw_labels(1).T)
    if turned:
        check(root)
    else:
        with pytest.raises(UserError, match='another size'):
            check(root)


def test_an_unreadable_image_is_left_to_the_loader(root):
    image(root).write_bytes(b'')
    check(root)
