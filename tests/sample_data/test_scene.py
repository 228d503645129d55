"""Scenes: sizes, crowds, and things that hide each other."""

from __future__ import annotations

import cv2
import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO

from tests.sample_data.conftest import SIZE


def test_crowds_are_crowded(coco: COCO) -> None:
    crowds = [annotation for annotation in coco.anns.values() if annotation['iscrowd']]
    assert len(crowds) >= 3
    parts = [cv2.connectedComponents(coco.annToMask(annotation))[0] - 1 for annotation in crowds]
    assert np.median(parts) >= 5


def test_three_ranges_of_scale_and_images_without_anything(coco: COCO) -> None:
    areas = np.array([annotation['area'] for annotation in coco.anns.values() if not annotation['iscrowd']])
    small, large = areas < 32**2, areas >= 96**2
    assert small.mean() > 0.1
    assert large.mean() > 0.02
    assert (~small & ~large).mean() > 0.3
    assert {annotation['category_id'] for annotation in coco.anns.values()} == set(coco.cats)
    assert set(coco.imgs) - {annotation['image_id'] for annotation in coco.anns.values()}


def test_things_hide_one_another(coco: COCO) -> None:
    """Boxes overlap, and the masks in them never do: they are what is visible."""
    overlapping = 0
    for image_id in coco.imgs:
        annotations = coco.loadAnns(coco.getAnnIds(image_id))
        if len(annotations) < 2:
            continue
        total = np.sum([coco.annToMask(annotation) for annotation in annotations], axis=0)
        assert (total > 1).mean() < 4e-3
        boxes = np.array([annotation['bbox'] for annotation in annotations])
        overlapping += int((rle.iou(boxes, boxes, [0] * len(boxes)) > 0.02).sum() - len(boxes)) // 2
    assert overlapping > SIZE.train_scenes / 2
