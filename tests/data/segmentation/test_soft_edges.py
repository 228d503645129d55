"""Soft edges: rare values between others are found, and labels and colors that only look alike are not."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.segmentation.check import read_mask_folder
from convnext_dense.data.segmentation.known_sets import voc_colors
from convnext_dense.data.segmentation.mask_kinds import read_kind
from convnext_dense.data.segmentation.options import MaskOptions
from convnext_dense.data.segmentation.readers import packed
from convnext_dense.data.segmentation.soft_edges import find_grays, find_mixed
from convnext_dense.errors import UserError


def write(root, draw, count=3):
    """Write images with masks, which ``draw`` draws 4 times as large, reduced with interpolation."""
    for folder in ('images', 'masks'):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        Image.new('RGB', (64, 48)).save(root / 'images' / f'{number}.png')
        large = Image.fromarray(draw(number))
        large.resize((64, 48), Image.Resampling.BOX).save(root / 'masks' / f'{number}.png')
    return root


def disks(number, colors):
    y, x = np.mgrid[:192, :256]
    drawn = np.zeros((192, 256, len(colors[0])), np.uint8)
    for place, color in enumerate(colors):
        drawn[(y - 96) ** 2 + (x - 50 - 75 * place - 3 * number) ** 2 < 35**2] = color
    return drawn[..., 0] if drawn.shape[2] == 1 else drawn


@pytest.mark.parametrize('top', [255, 200, 128])
@pytest.mark.parametrize('channels', [1, 3])
def test_black_and_white_with_gray_between_are_refused(tmp_path, top, channels):
    root = write(tmp_path, lambda number: disks(number, [(top,) * channels, (top,) * channels]))
    with pytest.raises(UserError, match=f'hold 0 and {top} with .* their edges were interpolated') as error:
        read_kind(root)
    assert '--mask-labels index' in str(error.value)
    assert read_kind(root, MaskOptions('index')).reader.kind == 'index'


def test_the_advice_makes_the_masks_of_two_classes(tmp_path):
    root = write(tmp_path, lambda number: disks(number, [(255,)]))
    for file in (root / 'masks').iterdir():
        Image.open(file).point(lambda value: 255 * (value > 127)).save(file)
    assert read_kind(root).reader.kind == 'binary'


def test_a_single_mask_with_soft_edges_among_others_is_seen(tmp_path):
    root = write(tmp_path, lambda number: disks(number, [(255,)]), count=20)
    for number in range(20):
        if number != 13:
            file = root / 'masks' / f'{number}.png'
            Image.open(file).point(lambda value: 255 * (value > 127)).save(file)
    with pytest.raises(UserError, match='their edges were interpolated'):
        read_kind(root)


@pytest.mark.parametrize(
    'pixels',
    [
        {0: 900, 255: 90},
        {0: 900, 1: 50, 2: 5, 3: 4, 255: 90},  # labels from 1 on, sparsely drawn
        {0: 900, 50: 60, 100: 40, 150: 30},
        {0: 900, 85: 30, 170: 20, 255: 10},
        {0: 900, 60: 95, 100: 40, 150: 30, 255: 90},  # one that is more frequent than white
        {label: 1000 // (label + 1) for label in range(150)},  # a long tail of classes
        {0: 10, 255: 10, **dict.fromkeys(range(1, 255), 1)},  # most pixels have other values
    ],
)
def test_labels_are_no_grays(pixels):
    assert find_grays(pixels) == []


def test_mixed_colors_are_refused_and_listed_ones_are_not(tmp_path):
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    root = write(tmp_path, lambda number: disks(number, colors))
    with pytest.raises(UserError, match=r'are rare and mixed of two others .* their edges were interpolated'):
        read_kind(root)
    counted = {packed(color): 500 for color in [(0, 0, 0), *colors]}
    soft = {packed((step, 0, 0)): 5 for step in (30, 100, 180)} | {packed((120, 135, 0)): 7}
    assert find_mixed(counted | soft) == sorted(soft)
    assert find_mixed(counted | dict.fromkeys(soft, 400)) == []  # as frequent as the others
    (root / 'classes.txt').write_text('sky 0 0 0\na 255 0 0\nb 0 255 0\nc 0 0 255\n')
    assert read_kind(root).reader.kind == 'color'  # its unknown colors are a problem of the masks


def test_palettes_with_colors_between_others_are_none(tmp_path):
    colors = [packed(color) for color in voc_colors()]
    for steepness in (1, 2, 5):
        assert find_mixed({color: 10**9 // (k + 1) ** steepness for k, color in enumerate(colors)}) == []


def test_labels_with_gaps_are_explained_with_a_fix_that_helps(tmp_path):
    root = tmp_path
    for folder in ('images', 'masks'):
        (root / folder).mkdir()
    drawn = np.zeros((40, 40), np.uint8)
    drawn[:6, :6], drawn[8:14, :6], drawn[20:30, :6] = 50, 100, 150
    Image.new('RGB', (40, 40)).save(root / 'images/a.png')
    Image.fromarray(drawn).save(root / 'masks/a.png')
    data = read_mask_folder({'train': {'root': str(root), 'split': 'training'}})
    assert len(data.classes) == 151
    assert 'no list names classes' in data.absent_fix and 'label 50 as 1, 100 as 2, 150 as 3' in data.absent_fix
    exec(  # the line of Python in it
        data.absent_fix.split('as with ')[1].split(' of Pillow')[0],
        {'Image': Image, 'file': root / 'masks/a.png'},
    )
    data = read_mask_folder({'train': {'root': str(root), 'split': 'training'}})
    assert data.classes == ['class_0', 'class_1', 'class_2', 'class_3'] and 'no list' not in data.absent_fix
