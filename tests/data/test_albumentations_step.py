"""Transforms of Albumentations in pipelines here, beside what numpy makes of the same flips, shifts and turns."""

import random

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks

from convnext_dense.data.albumentations_step import Albumentations, Pipeline
from convnext_dense.data.sampler import seeded
from convnext_dense.errors import UserError

FLIP = dict(type='HorizontalFlip', p=1.0)
RIGHT = dict(type='Affine', translate_px=dict(x=10, y=0), scale=1.0, p=1.0, interpolation=0)


def scene(seed=0, height=30, width=40, count=4):
    """A scene of BGR noise with objects that fill random parts of their boxes, and a label map with 255."""
    rng = np.random.default_rng(seed)
    masks, boxes = np.zeros((count, height, width), np.uint8), []
    for mask in masks:
        w, h = rng.integers(4, 12, 2)
        x, y = rng.integers(0, width - w), rng.integers(0, height - h)
        mask[y : y + h, x : x + w] = rng.random((h, w)) < 0.7
        mask[[y, y + h - 1], [x, x + w - 1]] = 1
        boxes.append([x, y, x + w, y + h])
    labels = rng.integers(0, 5, (height, width)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 255
    return {
        'img': rng.integers(0, 256, (height, width, 3), np.uint8),
        'img_shape': (height, width),
        'gt_bboxes': HorizontalBoxes(torch.tensor(np.array(boxes), dtype=torch.float32)),
        'gt_bboxes_labels': np.arange(count) + 3,
        'gt_ignore_flags': np.arange(count) == 1,
        'gt_masks': BitmapMasks(masks, height, width),
        'gt_seg_map': labels,
        'seg_fields': ['gt_seg_map'],
    }


def test_a_flip_is_that_of_numpy():
    before, after = scene(), Albumentations([FLIP])(scene())
    np.testing.assert_array_equal(after['img'], before['img'][:, ::-1])
    np.testing.assert_array_equal(after['gt_seg_map'], before['gt_seg_map'][:, ::-1])
    np.testing.assert_array_equal(after['gt_masks'].masks, before['gt_masks'].masks[..., ::-1])
    boxes = before['gt_bboxes'].tensor
    expected = torch.stack([40 - boxes[:, 2], boxes[:, 1], 40 - boxes[:, 0], boxes[:, 3]], dim=1)
    assert torch.allclose(after['gt_bboxes'].tensor, expected, atol=1e-3)
    assert after['gt_bboxes_labels'].tolist() == [3, 4, 5, 6] and after['gt_ignore_flags'].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize('seed', range(4))
def test_what_comes_from_outside_is_unlabeled_and_in_no_object(seed):
    before, after = scene(seed), Albumentations([RIGHT])(scene(seed))

    def moved(array, fill):
        new = np.full_like(array, fill)
        new[..., 10:] = array[..., :-10]
        return new

    np.testing.assert_array_equal(after['gt_seg_map'], moved(before['gt_seg_map'], 255))
    np.testing.assert_array_equal(after['img'][..., 0], moved(before['img'][..., 0], 0))
    masks = moved(before['gt_masks'].masks, 0)
    left = masks.any(axis=(1, 2))
    np.testing.assert_array_equal(after['gt_masks'].masks, masks[left])
    boxes = before['gt_bboxes'].numpy() + [10, 0, 10, 0]
    np.testing.assert_allclose(after['gt_bboxes'].numpy(), boxes.clip(0, [40, 30, 40, 30])[left], atol=1e-3)
    assert after['gt_bboxes_labels'].tolist() == (np.arange(4) + 3)[left].tolist()


def test_objects_that_a_crop_leaves_out_go_with_all_of_theirs():
    before = scene(2)
    after = Albumentations([dict(type='Crop', x_min=0, y_min=0, x_max=20, y_max=30, p=1.0)])(scene(2))
    left = before['gt_masks'].masks[:, :, :20].any(axis=(1, 2))
    assert 0 < left.sum() < 4
    assert after['gt_bboxes_labels'].tolist() == (np.arange(4) + 3)[left].tolist()
    assert after['img_shape'] == after['gt_seg_map'].shape == after['gt_masks'].masks.shape[1:] == (30, 20)


def test_no_objects_and_none_left():
    empty = scene(count=0)
    after = Albumentations([RIGHT])({**empty, 'gt_bboxes': HorizontalBoxes(torch.zeros(0, 4))})
    assert after['gt_bboxes'].tensor.shape == (0, 4) and after['gt_masks'].masks.shape == (0, 30, 40)
    away = dict(RIGHT, translate_px=dict(x=40, y=0))
    after = Albumentations([away])(scene())
    assert len(after['gt_bboxes']) == 0 and len(after['gt_masks']) == 0 and (after['gt_seg_map'] == 255).all()


def test_boxes_of_turned_masks_are_around_them():
    turn = dict(type='Rotate', limit=(45, 45), p=1.0)
    loose, tight = (Albumentations([turn], recompute_bbox=one)(scene(5)) for one in (False, True))
    for box, wide, mask in zip(tight['gt_bboxes'].numpy(), loose['gt_bboxes'].numpy(), tight['gt_masks'], strict=True):
        ys, xs = np.nonzero(mask)
        assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert wide[2] - wide[0] > 0.9 * (box[2] - box[0])
    assert (loose['gt_bboxes'].tensor != tight['gt_bboxes'].tensor).any()


def test_colors_are_those_of_rgb():
    """The library's gray has 0.299 of red; of BGR as it is it would have that of blue."""
    after = Albumentations([dict(type='ToGray', p=1.0)])(scene())
    gray = (scene()['img'].astype(float) @ [0.114, 0.587, 0.299]).round()
    assert np.abs(after['img'][..., 0] - gray).max() <= 1


def test_polygons_and_boxes_alone():
    polygon = np.array([5, 5, 15, 5, 15, 15, 5, 15], float)
    one = scene(count=1)
    one.update(gt_masks=PolygonMasks([[polygon]], 30, 40), gt_bboxes=HorizontalBoxes(torch.tensor([[5.0, 5, 15, 15]])))
    after = Albumentations([FLIP])(one)
    ys, xs = np.nonzero(after['gt_masks'].masks[0])
    assert (xs.min(), ys.min()) == (25, 5)
    boxes = {key: value for key, value in scene().items() if key not in ('gt_masks', 'gt_seg_map')}
    assert len(Albumentations([FLIP])(boxes)['gt_bboxes']) == 4


def test_stored_values_of_any_bands_are_moved_and_not_colored():
    stored = {'img': np.random.default_rng(0).normal(4000, 900, (30, 40, 6)).astype(np.float32)}
    stored['gt_seg_map'] = scene()['gt_seg_map']
    flipped = Albumentations([FLIP])(dict(stored))
    np.testing.assert_array_equal(flipped['img'], stored['img'][:, ::-1])
    moved = Albumentations([RIGHT])(dict(stored))  # neither clipped nor rounded
    np.testing.assert_allclose(moved['img'][:, 10:], stored['img'][:, :-10], rtol=1e-6)
    colors = dict(type='OneOf', transforms=[dict(type='RandomBrightnessContrast')])
    with pytest.raises(
        UserError, match='RandomBrightnessContrast changes levels of 8 bits, and images are float32, 6'
    ):
        Albumentations([FLIP, colors])(dict(stored))


SEVERAL = [dict(type='HorizontalFlip'), dict(type='VerticalFlip'), dict(type='Affine', translate_percent=0.3)]


def test_a_sample_depends_on_its_seed_alone():
    steps = [Albumentations(SEVERAL) for _ in range(2)]
    steps[0](scene())  # moves on the library's own generators
    results = []
    for step in steps:
        with seeded(7):
            results.append(step(scene()))
    np.testing.assert_array_equal(results[0]['img'], results[1]['img'])
    state = random.getstate(), np.random.get_state()[1].tolist()
    with seeded(8):
        assert not np.array_equal(steps[0](scene())['img'], results[0]['img'])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state


def test_transforms_are_independent_of_each_other():
    """With one seed for each, both flips would always come together."""
    step = Albumentations(SEVERAL[:2])
    image, seen = scene()['img'], set()
    for seed in range(40):
        with seeded(seed):
            after = step({'img': image})['img']
        seen.add((np.array_equal(after, image[:, ::-1]), np.array_equal(after, image[::-1])))
    assert seen == {(True, False), (False, True), (False, False)}


@pytest.mark.parametrize(
    ('transform', 'said'),
    [
        (dict(type='HorizontlFlip'), 'albumentations has no HorizontlFlip; did you mean HorizontalFlip?'),
        (dict(type='Affine', scal=2), "Affine: Argument(s) 'scal' are not valid for transform Affine"),
        (dict(type='Affine', fill_mask=7), 'Affine with fill_mask=7: leave it out'),
        (dict(type='Rotate', mask_interpolation=1), 'Rotate with mask_interpolation=1: leave it out'),
        (dict(type='Normalize'), 'leave out Normalize: the image is normalized later'),
        (dict(p=1), "{'p': 1} is not dict(type='NAME', ...)"),
        (dict(type='OneOf', transforms=[dict(type='Blurr')]), 'albumentations has no Blurr; did you mean Blur?'),
    ],
)
def test_what_is_wrong_is_said(transform, said):
    with pytest.raises(UserError) as error:
        Albumentations([transform])
    assert said in str(error.value)


def test_an_image_that_a_transform_can_not_take():
    with pytest.raises(UserError, match=r'an image of shape \(30, 40, 3\) failed: '):
        Albumentations([dict(type='RandomCrop', height=64, width=64)])(scene())


def test_the_library_may_be_absent(monkeypatch):
    monkeypatch.setattr('convnext_dense.data.albumentations_step.find_spec', lambda name: None)
    with pytest.raises(UserError, match='needs the package albumentations: pip install'):
        Pipeline([FLIP])
