"""Which mask belongs to which image, by names alone."""

import pytest

from convnext_dense.data.segmentation.mask_names import (
    SAME,
    Endings,
    beside_each_other,
    by_common_part,
    find_endings,
)


@pytest.mark.parametrize(
    ('images', 'masks', 'expected'),
    [
        (['a', 'b'], ['a', 'b', 'a_mask', 'b_mask'], SAME),
        (['a', 'b'], ['a_mask', 'b_mask'], Endings('', '_mask')),
        (['a', 'b'], ['a-label', 'b-label', 'c'], Endings('', '-label')),
        (['a.rf.1', 'b.rf.2'], ['a.rf.1_mask', 'b.rf.2_mask'], Endings('', '_mask')),
        (['a_sat', 'b_sat'], ['a_mask', 'b_mask'], Endings('_sat', '_mask')),
        (
            ['u/a_leftImg8bit'],
            ['u/a_gtFine_labelIds', 'u/a_gtFine_color'],
            Endings('_leftImg8bit', '_gtFine_labelIds'),
        ),
        (
            ['a_leftImg8bit'],
            ['a_gtFine_labelIds', 'a_gtFine_labelTrainIds'],
            Endings('_leftImg8bit', '_gtFine_labelTrainIds'),
        ),
        (['a', 'b', 'c'], ['a', 'b_mask', 'c_mask'], Endings('', '_mask')),
        (['a'], ['z'], SAME),
        (['a', ''], ['a_L', '_L'], Endings('', '_L')),
    ],
)
def test_the_endings_by_which_most_images_have_a_mask(images, masks, expected):
    assert find_endings(images, masks) == expected


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        (['a.jpg', 'a_mask.png', 'b.jpg', 'b_mask.png', 'c.jpg'], Endings('', '_mask')),
        (['a.jpg', 'a.png'], SAME),
        (['a.jpg', 'b.jpg', 'c.jpg', 'a.png'], None),
        (['a.png', 'b.png'], None),
        (['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg', 'a_mask.png'], None),
        ([], None),
    ],
)
def test_masks_beside_their_images(files, expected):
    assert beside_each_other(files) == expected


def test_the_common_part_of_names():
    assert by_common_part({'a_mask': '1', 'b': '2'}, '_mask') == {'a': '1'}
    assert by_common_part({'a_mask': '1', 'b': '2'}, '') == {'a_mask': '1', 'b': '2'}
