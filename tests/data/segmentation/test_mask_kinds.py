"""Kinds of masks: each is recognized, said, and read to the last pixel; of two that fit the user is asked."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.segmentation.find import find_masks
from convnext_dense.data.segmentation.mask_kinds import read_kind
from convnext_dense.data.segmentation.masks import check_masks, read_labels
from convnext_dense.data.segmentation.options import AS_FOUND, MaskOptions
from convnext_dense.errors import UserError
from tests.helpers.mask_folder import draw_labels, save, write_mask_folder
from tests.helpers.mask_layouts import (
    check_equals_scenes,
    color_of,
    names,
    palette_lines,
    read_all,
    scenes,
    write_colors,
    write_index,
    write_layout,
    write_names,
)
from tests.helpers.mask_samples import COLOR, CROP, FLIP, RESIZE, mask_folder

IMAGES = 'images/{split}/{name}.jpg'
MASKS = 'masks/{split}/{name}.png'

PALETTES = {
    'classes.txt': '{name} {r} {g} {b}',
    'classes.txt, commas': '{name},{r},{g},{b}',
    'classes.txt, colors first': '{r} {g} {b}\t{name}',
    'classes.txt, hexadecimal': '{name} #{r:02x}{g:02x}{b:02x}',
    'labelmap.txt': '{name}:{r},{g},{b}::',
    'label_colors.txt': '{r}\t{g}\t{b}\t\t{name}',
    'class_dict.csv': '{name},{r},{g},{b}',
}
HEADERS = {'labelmap.txt': '# label:color_rgb:parts:actions\n', 'class_dict.csv': 'name,r,g,b\n'}


def write_palette(root, drawn, kind='labelmap.txt', first='void'):
    file = kind.split(',')[0]
    content = HEADERS.get(file, '') + palette_lines(drawn, PALETTES[kind], first)
    (root / file).write_bytes(content.replace('\n', '\r\n').encode('utf-8-sig'))  # as Windows programs write it


@pytest.fixture
def colored(tmp_path, drawn):
    return write_layout(tmp_path / 'colored', drawn, IMAGES, MASKS, write_colors)


@pytest.mark.parametrize('kind', PALETTES)
def test_colors_are_those_of_a_palette_file(colored, drawn, kind):
    write_palette(colored, drawn, kind)
    check_equals_scenes(colored, drawn)
    labels = read_labels(colored)
    assert (labels.reader.kind, labels.reduce_zero_label, labels.classes) == ('color', True, names(drawn))
    assert f'they show colors, of which {kind.split(",")[0]} names 20' in labels.reading


def test_training_samples_are_those_of_ade20k(colored, drawn):
    write_palette(colored, drawn)
    for split in ('training', 'validation'):
        one, other = (mask_folder(p, RESIZE, CROP, FLIP, COLOR, split=split) for p in (drawn / 'ade20k', colored))
        assert len(one) == len(other) > 0 and one.metainfo == other.metainfo
        for index in range(len(one)):
            a, b = one[index, 3], other[index, 3]
            assert np.array_equal(a['inputs'], b['inputs'])
            assert np.array_equal(a['data_samples'].gt_sem_seg.data, b['data_samples'].gt_sem_seg.data)


@pytest.mark.parametrize('mode', ['RGBA', 'P'])
def test_colors_with_opacity_or_in_a_palette(tmp_path, drawn, mode):
    def write(path, labels):
        write_colors(path, labels)
        image = Image.open(path)
        if mode == 'P':  # in the order of the palette that Pillow chooses, which is no order of classes
            image.quantize(255, dither=Image.Dither.NONE).save(path)
        else:
            image.putalpha(Image.fromarray((labels * 7 % 200 + 55).astype(np.uint8)))
            image.save(path)

    root = write_layout(tmp_path / 'data', drawn, IMAGES, MASKS, write)
    write_palette(root, drawn)
    check_equals_scenes(root, drawn, AS_FOUND if mode == 'RGBA' else MaskOptions('color'))


def test_the_first_color_is_a_class_or_unlabeled_as_it_is_named_or_set(colored, drawn):
    write_palette(colored, drawn, first='background')
    labels = read_labels(colored)
    assert not labels.reduce_zero_label and labels.classes == ['background', *names(drawn)]
    assert "is a class, 'background'" in labels.line and '--label-zero ignore for the other meaning' in labels.line
    assert read_labels(colored, True).classes == names(drawn)
    write_palette(colored, drawn, first='void')
    assert read_labels(colored, False).classes == ['void', *names(drawn)]
    write_palette(colored, drawn, first='road works')
    assert read_labels(colored).classes[0] == 'road works'
    with pytest.raises(UserError, match=r"label 0 is to be ignored, but it is the class 'road works' of labelmap.txt"):
        read_labels(colored, True)


def test_further_colors_of_no_class_are_unlabeled_and_said(colored, drawn):
    lines = palette_lines(drawn, PALETTES['labelmap.txt'], 'background').split('\n')
    lines[2] = lines[2].replace(names(drawn)[1], 'Void')
    (colored / 'labelmap.txt').write_text('\n'.join(lines))
    labels = read_labels(colored)
    assert labels.reading.endswith('they show colors, of which labelmap.txt names 20; unlabeled: Void')
    assert labels.classes == ['background', *names(drawn)[:1], *names(drawn)[2:]]
    found = read_all(colored, 'training')
    for file, own in scenes(drawn, 'train'):
        expected = np.where(own == 2, 255, np.where(own > 2, own - 1, own))
        np.testing.assert_array_equal(found[file.stem], expected)


def test_colors_that_no_file_names_are_found_and_named(colored, drawn):
    labels = read_labels(colored)
    used = sorted(
        {int(label) for split in ('train', 'val') for _, own in scenes(drawn, split) for label in np.unique(own)}
    )
    colors = sorted(color_of(label) for label in used)
    assert labels.classes == [f'color_{r:02x}{g:02x}{b:02x}' for r, g, b in colors]
    assert not labels.reduce_zero_label and 'colors that no file names' in labels.reading
    found = read_all(colored, 'training')
    for file, own in scenes(drawn, 'train'):
        table = np.array([colors.index(color_of(k)) if color_of(k) in colors else 0 for k in range(20)])
        np.testing.assert_array_equal(found[file.stem], table[own])
    assert read_labels(colored, True).classes == labels.classes[1:]  # black may be no class


def test_colors_of_no_class_are_a_problem_with_their_number(colored, drawn):
    write_palette(colored, drawn)
    path = sorted((colored / 'masks/train').iterdir())[0]
    pixels = np.array(Image.open(path))
    pixels[:3, :5] = (1, 2, 250)
    Image.fromarray(pixels).save(path)
    reading = read_kind(colored)
    said = r'1 with colors that no class has \(.*.png 15 pixels of #0102fa\): correct them, or give the colors a line'
    with pytest.raises(UserError, match=said):
        check_masks(find_masks(colored, 'training'), 19, reader=reading.reader)


@pytest.mark.parametrize('palette', [False, True])
@pytest.mark.parametrize('ending', ['jpg', 'png'])
def test_masks_after_compression_with_loss_are_refused_with_the_reason(tmp_path, drawn, palette, ending):
    def write(path, labels):
        write_colors(path.with_suffix('.png'), labels)
        Image.open(path.with_suffix('.png')).save(path.with_suffix('.jpg'), quality=85)
        if ending == 'png':
            Image.open(path.with_suffix('.jpg')).save(path)
            path.with_suffix('.jpg').unlink()
        else:
            path.with_suffix('.png').unlink()

    root = write_layout(tmp_path / 'data', drawn, IMAGES, MASKS, write)
    if palette:
        write_palette(root, drawn)
    said = 'compressed with loss' if ending == 'jpg' else '(near others|[0-9]+ colors), as after compression with loss'
    with pytest.raises(UserError, match=said):
        labels = read_labels(root)
        check_masks(find_masks(root, 'training'), 19, reader=labels.reader)


def test_names_without_colors_are_not_enough(colored, drawn):
    write_names(colored, drawn)
    with pytest.raises(UserError, match=r'show colors, and classes.txt has names without colors: write "name r g b"'):
        read_labels(colored)


@pytest.mark.parametrize(
    ('classes', 'expected'), [(None, 'foreground'), ('crack', 'crack'), ('ground\ncrack', 'crack')]
)
def test_0_and_255_are_two_classes(tmp_path, drawn, classes, expected):
    root = write_layout(
        tmp_path,
        drawn,
        '{split}/{name}.jpg',
        '{split}_masks/{name}_mask.gif',
        lambda p, a: write_index(p, (a > 3) * np.uint8(255)),
    )
    if classes:
        (root / 'classes.txt').write_text(classes)
    labels = read_labels(root)
    assert labels.classes[1] == expected and len(labels.classes) == 2 and labels.reader.kind == 'binary'
    assert labels.reading.endswith(
        f"they hold 0 and 255, which is '{expected}'; --mask-labels index if 255 is unlabeled"
    )
    found = read_all(root, 'training')
    for file, own in scenes(drawn, 'train'):
        np.testing.assert_array_equal(found[file.stem], own > 3)


@pytest.mark.parametrize('kind', ['16 bits', 'RGB', 'palette', 'float'])
def test_numbers_in_other_files(tmp_path, drawn, kind):
    def write(path, labels):
        if kind == 'palette':
            image = Image.fromarray(labels)
            image.putpalette([9, 9, 9] * 256)
            image.save(path)
        elif kind == 'RGB':
            Image.fromarray(np.stack([labels] * 3, 2)).save(path)
        elif kind == 'float':
            path.unlink(missing_ok=True)
            Image.fromarray(labels.astype(np.float32)).save(path.with_suffix('.tif'))
        else:
            Image.fromarray(labels.astype(np.uint16)).save(path)

    root = write_layout(tmp_path, drawn, IMAGES, MASKS, write)
    write_names(root, drawn)
    check_equals_scenes(root, drawn)
    assert ('numbers, in several equal channels' in read_labels(root).reading) == (kind == 'RGB')


def palette_masks(root, drawn, order):
    """Masks with a palette whose number k is the class order[k] by its color."""

    def write(path, labels):
        numbers = np.array([order.index(label) if label in order else 0 for label in range(20)], np.uint8)
        image = Image.fromarray(numbers[labels])
        image.putpalette([part for label in order for part in color_of(label)])
        image.save(path)

    return write_layout(root, drawn, IMAGES, MASKS, write)


def test_a_palette_in_the_order_of_the_classes_is_read_either_way(tmp_path, drawn):
    root = palette_masks(tmp_path, drawn, list(range(20)))
    write_palette(root, drawn)
    check_equals_scenes(root, drawn)
    check_equals_scenes(root, drawn, MaskOptions('color'))
    assert read_labels(root).reader.kind == 'index'


def test_a_palette_in_another_order_is_asked_for(tmp_path, drawn):
    root = palette_masks(tmp_path, drawn, [0, *range(19, 0, -1)])
    write_palette(root, drawn)
    with pytest.raises(
        UserError, match=r"number [0-9]+ is '.*'; by the order of labelmap.txt .*--mask-labels color or --mask-l"
    ):
        read_labels(root)
    check_equals_scenes(root, drawn, MaskOptions('color'))
    assert read_labels(root, options=MaskOptions('index')).reader.kind == 'index'


def test_one_mask_of_colors_among_numbers_is_named(tmp_path):
    root = write_mask_folder(tmp_path)
    save(root / 'annotations/training/02.png', np.arange(6720).reshape(40, 56, 3).astype(np.uint8))
    reading = read_kind(root)
    with pytest.raises(UserError, match=r'1 with several channels \(02.png 3\): .* or give --mask-labels color'):
        check_masks(find_masks(root, 'training'), 5, reader=reading.reader)


def test_fractions_and_negative_numbers_are_no_labels(tmp_path):
    root = write_mask_folder(tmp_path)
    for number, change in ((0, 0.5), (1, -3)):
        labels = draw_labels(number).astype(np.float32)
        labels[0, 0] = change
        path = root / f'annotations/training/0{number}.png'
        path.unlink()
        Image.fromarray(labels).save(path.with_suffix('.tif'))
    with pytest.raises(
        UserError, match=r'1 with fractions, which are no labels \(00.tif\).*1 with negative numbers \(01'
    ):
        check_masks(find_masks(root, 'training'), 5)


def test_a_kind_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UserError, match=r"mask_labels 'rgb' does not exist: take one of index, color, binary"):
        read_labels(write_mask_folder(tmp_path), options=MaskOptions('rgb'))
