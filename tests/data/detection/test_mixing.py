"""Tests of the transforms that mix images, on flat images of which the result can be told by the levels."""

import random

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import PolygonMasks

from convnext_dense.data.detection.mixing import MixUp, Mosaic
from convnext_dense.errors import UserError


def sample(level, masks=False, side=8):
    box = [1.0, 2.0, 5.0, 6.0]
    polygon = np.array([1, 2, 5, 2, 5, 6, 1, 6], float)
    return {
        'img': np.full((side, side, 3), level, np.uint8),
        'gt_bboxes': HorizontalBoxes(torch.tensor([box])),
        'gt_bboxes_labels': np.array([level]),
        'gt_ignore_flags': np.array([False]),
        **({'gt_masks': PolygonMasks([[polygon]], side, side)} if masks else {}),
    }


class Images:
    """A data set of images, one of them without objects."""

    def __len__(self):
        return 5

    def get_data_info(self, index):
        return {'instances': [] if index == 2 else ['an object']}


@pytest.mark.parametrize('masks', [False, True])
def test_mosaic_has_each_of_the_four_images_with_its_box_and_mask(masks):
    random.seed(0)
    mosaic = Mosaic(img_scale=(8, 8), center_ratio_range=(1.0, 1.0), pad_val=0)
    first, *others = (sample(level, masks) for level in (10, 20, 30, 40))
    mixed = mosaic.transform({**first, 'mix_results': others})
    corners = [mixed['img'][y, x, 0] for y, x in ((0, 0), (0, 15), (15, 0), (15, 15))]
    assert corners == [10, 20, 30, 40]
    assert mixed['img_shape'] == (16, 16)
    shifts = [(0, 0), (8, 0), (0, 8), (8, 8)]
    want = [[1 + x, 2 + y, 5 + x, 6 + y] for x, y in shifts]
    assert mixed['gt_bboxes'].tensor.tolist() == want
    assert mixed['gt_bboxes_labels'].tolist() == [10, 20, 30, 40]
    if masks:
        assert mixed['gt_masks'].get_bboxes(HorizontalBoxes).tensor.tolist() == want
    assert 'mix_results' not in mixed
    assert mosaic.results_cache == []  # nothing for the next image, of which a resumed run would know nothing


def test_mosaic_with_masks_takes_squares_only():
    mosaic = Mosaic(img_scale=(16, 8))
    with pytest.raises(UserError, match=r'img_scale \(16, 8\) with masks: take a square'):
        mosaic.transform({**sample(1, masks=True), 'mix_results': [sample(2, masks=True)] * 3})


@pytest.mark.parametrize('masks', [False, True])
def test_mixup_is_the_mean_of_two_images_with_the_objects_of_both(masks):
    random.seed(0)
    mixup = MixUp(img_scale=(8, 8), ratio_range=(1.0, 1.0), flip_ratio=1.0)
    mixed = mixup.transform({**sample(10, masks), 'mix_results': [sample(30, masks)]})
    assert np.unique(mixed['img']).tolist() == [20]
    assert mixed['gt_bboxes'].tensor.tolist() == [[1, 2, 5, 6]] * 2
    assert mixed['gt_bboxes_labels'].tolist() == [10, 30]
    assert len(mixed['gt_masks']) == 2 if masks else 'gt_masks' not in mixed
    assert mixup.results_cache == []


def test_other_images_are_drawn_from_the_whole_data_set():
    random.seed(1)
    mosaic, mixup = Mosaic(), MixUp()
    drawn = {index for _ in range(200) for index in mosaic.get_indexes(Images())}
    assert drawn == {0, 1, 2, 3, 4}
    assert {mixup.get_indexes(Images()) for _ in range(200)} == {0, 1, 3, 4}  # with objects


@pytest.mark.parametrize('seed', range(4))
def test_stored_values_are_mixed_like_levels_of_8_bits(seed):
    """mmdet's own MixUp of levels, but for its rounding down, and of further bands the same."""

    def mixed(images):
        np.random.seed(seed)
        mix = MixUp(img_scale=(60, 60), ratio_range=(0.6, 1.4), pad_val=[114.0] * images[0].shape[2])
        first, second = ({**sample(1), 'img': image} for image in images)
        return mix.transform({**first, 'mix_results': [second]})

    rng = np.random.default_rng(seed)
    levels = [rng.integers(0, 256, (50, 70, 3), np.uint8), rng.integers(0, 256, (66, 40, 3), np.uint8)]
    expected = mixed(levels)
    floats = mixed([np.float32(image)[..., [0, 1, 2, 2, 0]] for image in levels])
    difference = floats['img'] - expected['img'][..., [0, 1, 2, 2, 0]]
    assert difference.min() > -0.6
    assert difference.max() < 1.6
    assert abs(difference.mean()) < 1
    np.testing.assert_array_equal(floats['gt_bboxes'].numpy(), expected['gt_bboxes'].numpy())
