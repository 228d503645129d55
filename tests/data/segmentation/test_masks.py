"""The classes of image/mask folders, and messages about bad masks."""

import os
import re
import shutil
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.segmentation.find import find_masks
from convnext_dense.data.segmentation.mask_kinds import read_kind
from convnext_dense.data.segmentation.mask_scan import scan_masks
from convnext_dense.data.segmentation.masks import (
    agree_on_label_zero,
    check_learnable,
    classes_without_example,
    mask_classes,
    read_labels,
)
from convnext_dense.data.segmentation.options import AS_FOUND, MaskOptions
from convnext_dense.errors import UserError
from tests.helpers.mask_folder import (
    CLASSES,
    check,
    draw_labels,
    image,
    mask,
    relabel,
    save,
    save_with_palette,
    write_mask_folder,
)

# -- classes


def test_classes_are_read_or_counted(root, tmp_path):
    (root / 'classes.txt').unlink()
    assert mask_classes(root, True) == ['class_1', 'class_2', 'class_3', 'class_4', 'class_5']
    assert mask_classes(root, reduce_zero_label=False)[::5] == ['class_0', 'class_5']

    ade = 'Idx\tRatio\tTrain\tVal\tName\n1\t0.1576\t11664\t1172\twall\n8 \t0.02\t19\t1\twindowpane, window \n'
    (root / 'objectInfo150.txt').write_text(ade)
    assert mask_classes(root) == ['wall', 'windowpane']
    assert read_labels(root).reduce_zero_label
    (root / 'classes.txt').write_text('\ufeffsea shore\n sky \n\n', encoding='utf-8')
    assert mask_classes(root, True) == ['sea shore', 'sky']


def test_classes_are_counted_in_the_training_masks_where_there_are_any(root):
    (root / 'classes.txt').unlink()
    save(mask(root, 2), np.full((40, 56), 9, np.uint8))
    save(root / 'annotations' / 'validation' / '00.png', np.full((40, 56), 7, np.uint8))
    assert len(mask_classes(root, True)) == 9
    shutil.rmtree(root / 'images' / 'training')
    assert len(mask_classes(root, True)) == 7


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('sky\nsea\nsky\n', "classes.txt: 'sky' comes twice"),
        ('sky\n\nsea\n', 'class 2 has no name'),
        ('\n', 'names 0 classes'),
        ('\n'.join(map(str, range(255))), 'names 255 classes: there can be 1 to 254'),
        (b'm\xe4rz\n', 'classes.txt is not text in UTF-8'),
    ],
)
def test_bad_class_names_are_named(root, text, said):
    (root / 'classes.txt').write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said):
        mask_classes(root, True)


def test_classes_of_masks_that_cannot_be_used_are_not_counted(root):
    (root / 'classes.txt').unlink()
    for number in range(4):
        save(mask(root, number), np.full((40, 56), 255 * (number % 2), np.uint8))
    with pytest.raises(UserError, match='hold no label but 0 and 255'):
        mask_classes(root)
    save(mask(root, 2), np.arange(6720, dtype=np.uint8).reshape(40, 56, 3))
    with pytest.raises(UserError, match='1 with several channels'):
        mask_classes(root)


# -- what label 0 means


def test_both_splits_decide_and_get_the_same_answer(root):
    """Label 5 is in the training masks alone: the validation masks fit five labels from 0 on."""
    relabel(root, lambda labels: np.minimum(labels, 4), ['validation'])
    for setting in ('auto', True):
        labels = read_labels(root, setting, compare=True)
        assert (labels.reduce_zero_label, labels.classes, labels.doubtful) == (True, list(CLASSES), False)
    relabel(root, lambda labels: np.minimum(labels, 4))
    assert read_labels(root).reduce_zero_label is False
    assert read_labels(root).first_label == 0


def test_names_from_the_background_on_do_not_move(root):
    (root / 'classes.txt').write_text('background\ncat\ndog')
    relabel(root, lambda labels: np.minimum(labels, 2))
    labels = read_labels(root)
    assert (labels.reduce_zero_label, labels.classes) == (False, ['background', 'cat', 'dog'])
    relabel(root, lambda labels: labels % 2)
    assert classes_without_example(scan_masks(find_masks(root, 'training')), read_labels(root)) == ['dog']


def test_a_setting_is_taken_as_such_without_reading_the_other_split(root):
    save(mask(root), np.full((40, 56), 9, np.uint8))
    assert mask_classes(root, True) == list(CLASSES)
    with pytest.raises(UserError, match=r"^reduce_zero_label 'yes' does not exist: take True, False or 'auto'$"):
        read_labels(root, 'yes')
    for setting in (0, 1, None):
        with pytest.raises(UserError, match=f'^reduce_zero_label {setting} does not exist'):
            read_labels(root, setting)


def test_all_data_sets_of_a_config_agree(root, tmp_path):
    other = write_mask_folder(tmp_path / 'other')
    assert agree_on_label_zero([(root, 'auto'), (other, 'auto')]) is True
    assert agree_on_label_zero([(root, 'auto'), (root, False)]) is False
    assert agree_on_label_zero([(tmp_path / 'nothing', 'auto')]) == 'auto'
    relabel(other, lambda labels: np.minimum(labels, 4))
    with pytest.raises(
        UserError, match=f'in {root} label 0 .* is ignored .*; in {other} label 0 .* is a class, .red.'
    ):
        agree_on_label_zero([(root, 'auto'), (other, 'auto')])
    with pytest.raises(
        UserError, match=r'True for some data sets of the config and False for others: .*--label-zero ig'
    ):
        agree_on_label_zero([(root, True), (root, False)])


@pytest.mark.parametrize('names', [None, 'background\ncat', 'cat'])
def test_masks_of_0_and_255_have_two_classes(root, names):
    relabel(root, lambda labels: np.where(labels > 2, 255, 0))
    (root / 'classes.txt').unlink()
    if names:
        (root / 'classes.txt').write_text(names)
    labels = read_labels(root)
    assert labels.classes == ['background', 'cat' if names else 'foreground'] and labels.reader.kind == 'binary'
    assert not labels.reduce_zero_label
    assert f"the masks hold 0 and 255, which is '{labels.classes[1]}'; --mask-labels index if 255" in labels.reading
    assert np.array_equal(labels.reader.read(str(mask(root))), draw_labels(1) > 2)
    check(root, 2, reader=labels.reader)


@pytest.mark.parametrize('names', [None, 'background\ncat\ndog'])
def test_255_for_a_class_is_refused_where_it_is_unlabeled(root, names):
    """As a setting says, or a list of three names, of which 0 and 255 would be two."""
    relabel(root, lambda labels: np.where(labels > 2, 255, 0))
    (root / 'classes.txt').unlink()
    options = AS_FOUND if names else MaskOptions('index')
    if names:
        (root / 'classes.txt').write_text(names)
    said = r"4 of 4 masks in .*training can't be used. 4 that hold no label but 0 and 255 \(00.png, .*label // 255"
    with pytest.raises(UserError, match=said) as error:
        check(root, 2, reader=read_kind(root, options).reader)
    assert 'if it is a class, give --mask-labels binary' in str(error.value)
    if names is None:
        for setting in ('auto', True, False):
            with pytest.raises(UserError, match=said):
                read_labels(root, setting, options=options)
    # the conversion that the message names
    for split in ('training', 'validation'):
        for file in (root / 'annotations' / split).iterdir():
            Image.open(file).point(lambda label: label // 255).save(file)
    check(root, 2, reduce_zero_label=False)
    assert np.array_equal(np.asarray(Image.open(mask(root))), draw_labels(1) > 2)


COMBINATIONS = [
    (names, labels)
    for names in (None, 'a', 'a\nb', 'a\nb\nc', 'background\na', 'background\na\nb', 'unlabeled\na', 'void\nbg\na')
    for number in (1, 2, 3, 4)
    for labels in combinations((0, 1, 2, 3, 128, 255), number)
]


def test_each_flag_that_is_suggested_is_accepted(tmp_path):
    root = tmp_path / 'data'
    save(image(root), np.zeros((2, 4, 3), np.uint8))
    suggestions, accepted = 0, 0

    def outcome(setting) -> str:
        labels = read_labels(root, setting, compare=True)
        check(root, len(labels.classes), reduce_zero_label=labels.reduce_zero_label)
        check_learnable(root, 'training', labels)
        return labels.line

    def said(setting) -> tuple[bool, str]:
        try:
            return True, outcome(setting)
        except UserError as error:
            return False, str(error)

    for names, labels in COMBINATIONS:
        save(mask(root), np.resize(np.array(labels, np.uint8), (2, 4)))
        (root / 'classes.txt').unlink(missing_ok=True)
        if names:
            (root / 'classes.txt').write_text(names)
        for setting in ('auto', True, False):
            is_accepted, line = said(setting)
            accepted += is_accepted
            for flag, value in (('--label-zero ignore', True), ('--label-zero class', False)):
                if flag in line and 'add a first line' not in line:
                    suggestions += 1
                    assert said(value)[0], (names, labels, setting, line, said(value)[1])
    assert suggestions > 50 and accepted > 100


@pytest.mark.parametrize('with_unlabeled', [False, True])
@pytest.mark.parametrize(
    ('names', 'values'), [('background\nthing', (0, 128)), ('background\na\nb', (0, 100, 200)), ('a\nb', (0, 254))]
)
def test_other_numbers_for_classes_get_their_conversion(root, names, values, with_unlabeled):
    expected = draw_labels(1) % len(values)
    relabel(root, lambda _: np.array(values)[expected])
    if with_unlabeled:
        expected = np.where(np.arange(40)[:, None] < 3, 255, expected)
        relabel(root, lambda labels: np.where(np.arange(40)[:, None] < 3, 255, labels))
    (root / 'classes.txt').write_text(names)
    with pytest.raises(UserError) as error:
        check(root, len(values), reduce_zero_label=False)
    message = str(error.value)
    assert f'4 with labels above {len(values) - 1}' in message and '--label-zero' not in message
    command = re.search(r'as with (Image.*\.save\(file\)) of Pillow', message)[1]
    for file in (root / 'annotations' / 'training').iterdir():
        exec(command, {'Image': Image, 'file': file})
    assert np.array_equal(np.asarray(Image.open(mask(root))), expected)
    check(root, len(values), reduce_zero_label=False)


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'LA'])
def test_equal_channels_are_read_as_one(root, mode):
    for number in range(4):
        save(mask(root, number), draw_labels(number), mode)
    check(root)
    labels = read_labels(root)
    assert labels.classes == list(CLASSES) and 'numbers, in several equal channels' in labels.reading
    assert np.array_equal(labels.reader.read(str(mask(root))), draw_labels(1))


def test_one_split_with_255_for_a_class_is_refused(root):
    relabel(root, lambda labels: labels > 2, ['training'])
    relabel(root, lambda labels: np.where(labels > 2, 255, 0), ['validation'])
    check(root, 2)
    with pytest.raises(UserError, match=r'2 of 2 masks in .*validation .* no label but 0 and 255'):
        check(root, 2, split='validation')


@pytest.mark.parametrize(
    ('change', 'names', 'setting', 'said'),
    [
        (
            lambda labels: labels > 2,
            None,
            True,
            r"one class only, 'class_1' \(label 1\).*: if .* give --label-zero class$",
        ),
        (lambda labels: labels > 2, 'crack', 'auto', "'crack' .* and add a first line for it to classes.txt$"),
        (lambda labels: labels > 2, 'crack\nleak', True, "'crack' .*--label-zero class$"),
        (
            lambda labels: labels * 0 + 1,
            'a\nb\nc',
            True,
            r"'a' \(label 1\), so that there is nothing to learn: label a se",
        ),
        (lambda labels: labels * 0, 'background\ncat', 'auto', r"'background' \(label 0\)"),
        (lambda labels: np.where(labels > 2, 1, 255), 'a\nb', True, r"'a' \(label 1\)"),
        (lambda labels: labels * 0, 'a\nb', True, 'show no class, so that'),
    ],
)
def test_one_class_alone_is_nothing_to_learn(root, change, names, setting, said):
    relabel(root, change, ['training'])
    relabel(root, lambda labels: np.minimum(change(labels), 254), ['validation'])
    (root / 'classes.txt').unlink()
    if names:
        (root / 'classes.txt').write_text(names)
    with pytest.raises(UserError, match=said):
        check_learnable(root, 'training', read_labels(root, setting))


def test_two_classes_are_enough(root):
    relabel(root, lambda labels: labels > 2)
    (root / 'classes.txt').unlink()
    labels = read_labels(root)
    assert labels.classes == ['class_0', 'class_1'] and not labels.reduce_zero_label
    check_learnable(root, 'training', labels)
    (root / 'classes.txt').write_text('crack')
    with pytest.raises(UserError, match=r'4 with labels above 0 .*: give classes.txt a line for each label from 0 '):
        check_learnable(root, 'training', read_labels(root, False))


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
            lambda path: save(path, np.arange(6720, dtype=np.uint8).reshape(40, 56, 3)),
            r'with several channels \(01.png 3\): save the lab',
        ),
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
    save(mask(root, 7), np.arange(8960).reshape(40, 56, 4).astype(np.uint8))
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
