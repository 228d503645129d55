"""Tests of the transforms that mix images, on flat images of which the result can be told by the levels."""

import copy
import random

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from convnext_dense.data.detection.mixing import CopyPaste, MixUp, Mosaic
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


SIDE = 40


def scene(rng, boxes, flags=None, height=SIDE, width=SIDE, empty=()):
    """An image of noise whose objects fill random parts of boxes (x, y, w, h)."""
    masks = np.zeros((len(boxes), height, width), np.uint8)
    for number, (x, y, w, h) in enumerate(boxes):
        if number not in empty:
            masks[number, y : y + h, x : x + w] = rng.random((h, w)) < 0.8
            masks[number, [y, y + h - 1], [x, x + w - 1]] = 1  # it fills its box
    corners = [[x, y, x + w, y + h] for x, y, w, h in boxes]
    return {
        'img': rng.integers(0, 256, (height, width, 3), np.uint8),
        'gt_bboxes': HorizontalBoxes(torch.tensor(corners, dtype=torch.float32).reshape(-1, 4)),
        'gt_bboxes_labels': rng.integers(0, 9, len(boxes)),
        'gt_ignore_flags': np.array(flags if flags is not None else [False] * len(boxes), bool),
        'gt_masks': BitmapMasks(masks, height, width),
    }


def pasted(target, source, chosen, moves=10, least=300):
    """Copy-paste pixel by pixel: image, masks, boxes, labels and flags, in plain Python."""
    image, masks = target['img'].copy(), [mask.copy() for mask in target['gt_masks'].masks]
    new = []
    for number in chosen:
        mask = np.zeros(image.shape[:2], np.uint8)
        for y, x in np.argwhere(source['gt_masks'].masks[number]):
            if y < image.shape[0] and x < image.shape[1]:
                mask[y, x] = 1
                image[y, x] = source['img'][y, x]
                for own in masks:
                    own[y, x] = 0
        new.append(mask)
    rows = []
    for number, mask in enumerate(masks):
        box = target['gt_bboxes'].tensor[number].tolist()
        before, label = target['gt_masks'].masks[number], int(target['gt_bboxes_labels'][number])
        ignored = bool(target['gt_ignore_flags'][number])
        if not (before != mask).any():
            rows.append((mask, box, label, ignored))
        elif mask.any():
            ys, xs = np.nonzero(mask)
            rest = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            shift = max(abs(a - b) for a, b in zip(rest, box, strict=True))
            if shift <= moves or mask.sum() > least or ignored:
                rows.append((mask, [float(value) for value in rest], label, ignored))
    for mask, number in zip(new, chosen, strict=True):
        ys, xs = np.nonzero(mask)
        box = [float(value) for value in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)]
        rows.append((mask, box, int(source['gt_bboxes_labels'][number]), False))
    return image, rows


def rows_of(results):
    return list(
        zip(
            results['gt_masks'].masks,
            results['gt_bboxes'].tensor.tolist(),
            results['gt_bboxes_labels'].tolist(),
            results['gt_ignore_flags'].tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize('size', [(SIDE, SIDE), (30, 50), (50, 30)])
@pytest.mark.parametrize('seed', range(8))
def test_copy_paste_against_a_plain_one(seed, size):
    """Random scenes: objects hidden in part or as a whole, crowds, and another size of the other image."""
    rng = np.random.default_rng(seed)

    def boxes(count, height, width):
        sides = rng.integers(3, 22, (count, 2))
        return [(int(rng.integers(0, width - w)), int(rng.integers(0, height - h)), int(w), int(h)) for w, h in sides]

    target = scene(rng, boxes(6, SIDE, SIDE), rng.random(6) < 0.2)
    source = scene(rng, boxes(5, *size), [True, False, False, False, False], *size, empty=(1,))
    kept = copy.deepcopy((target, source))
    np.random.seed(seed)
    step = CopyPaste(bbox_occluded_thr=4, mask_occluded_thr=60)
    result = step.transform({**target, 'mix_results': [source]})
    count = len(result['gt_bboxes_labels'])
    np.random.seed(seed)
    inside = [n for n in (2, 3, 4) if kept[1]['gt_masks'].masks[n, :SIDE, :SIDE].any()]  # neither crowd nor empty
    drawn = np.random.randint(0, len(inside) + 1)
    chosen = np.random.choice(inside, size=drawn, replace=False)
    image, rows = pasted(*kept, chosen, moves=4, least=60)
    np.testing.assert_array_equal(result['img'], image)
    assert result['img'].dtype == np.uint8 and count == len(rows)
    for (mask, *own), (expected, *others) in zip(rows_of(result), rows, strict=True):
        np.testing.assert_array_equal(mask, expected)
        assert own == others


def test_what_is_hidden_as_a_whole_goes_also_at_the_upper_left_corner():
    """There an empty mask has the box of zeros, which is near: mmdet keeps the object with an empty mask."""
    rng = np.random.default_rng(0)
    target, source = scene(rng, [(0, 0, 4, 4), (20, 20, 5, 5)]), scene(rng, [(0, 0, 12, 12)])
    source['gt_masks'].masks[0, :12, :12] = 1
    step = CopyPaste()
    boxes = step._paste(target, source, source['gt_masks'].masks, np.array([0]))['gt_bboxes'].tensor.tolist()
    assert boxes == [[20, 20, 25, 25], [0, 0, 12, 12]]


def test_stored_values_and_single_channels_keep_their_type():
    rng = np.random.default_rng(0)
    for shape, dtype in (((SIDE, SIDE, 5), np.float32), ((SIDE, SIDE), np.uint16)):
        target, source = scene(rng, [(0, 0, 4, 4)]), scene(rng, [(10, 10, 8, 8)])
        target['img'], source['img'] = (rng.integers(0, 9999, shape).astype(dtype) for _ in range(2))
        expected = np.where(
            source['gt_masks'].masks[0].astype(bool).reshape(SIDE, SIDE, *[1] * (len(shape) - 2)),
            source['img'],
            target['img'],
        )
        result = CopyPaste()._paste(target, source, source['gt_masks'].masks, np.array([0]))
        np.testing.assert_array_equal(result['img'], expected)
        assert result['img'].dtype == dtype


def test_copy_paste_draws_all_images_with_its_probability():
    random.seed(3)
    drawn = [CopyPaste(prob=0.25).get_indexes(Images()) for _ in range(2000)]
    assert {index for one in drawn for index in one} == {0, 1, 2, 3, 4}
    assert 0.2 < sum(map(len, drawn)) / 2000 < 0.3
    untouched = sample(3, masks=True)
    assert CopyPaste().transform({**untouched, 'mix_results': []})['img'] is untouched['img']


def test_copy_paste_says_what_it_can_not_do():
    with_masks, without = sample(1, masks=True), {**sample(2), 'img_path': 'a/b.jpg'}
    for first, other in ((with_masks, without), (without, with_masks)):
        with pytest.raises(UserError, match=r'pastes objects by their masks, and a/b.jpg has none: load them with'):
            CopyPaste().transform({**first, 'mix_results': [other]})
    with pytest.raises(UserError, match='changes no label map'):
        CopyPaste().transform({**with_masks, 'gt_seg_map': None, 'mix_results': [with_masks]})
    with pytest.raises(UserError, match=r'prob 1.5 is not in \[0, 1\]'):
        CopyPaste(prob=1.5)
