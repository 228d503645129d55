"""Benchmark of evaluation: labels and metrics, ours against mmseg's and mmdet's, on synthetic predictions."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmengine.structures import BaseDataElement
from mmengine.utils import import_modules_from_strings
from pycocotools import mask as rle
from torch import Tensor

from ..evaluation import CocoAP, IoU
from ..io.image_size import ImageSize
from ..registry import METRICS, MODELS
from ..results import encode_masks
from .setting import Setting
from .timing import OURS, Absent, Contender, Series, measure

TOLERANCE = {'': 3e-3}  # because mmseg rounds percentages to 2 digits, mmdet to 1

IMAGE = ImageSize(512, 683)


def evaluation(setting: Setting, images: int = 16, shape: ImageSize = IMAGE) -> list[Series]:
    """Measure four parts: logits to labels, accumulation of mIoU, COCO's box and mask AP, and encoding masks as RLE.

    Args:
        setting: device and duration.
        images: number of images for mIoU (150 classes) and AP (20 instances each); the other two measure one image's
            labels and 100 masks.
        shape: height and width of the images.
    """
    return [
        _labels(setting, shape),
        _miou(setting, images, shape),
        _coco(setting, images, shape),
        _masks(setting, 100, shape),
    ]


def _labels(setting: Setting, shape: ImageSize) -> Series:
    classes, small = 150, [length // 4 for length in shape]
    series = Series('eval, labels', f'logits of {classes} classes at {_size(small)} to labels at {_size(shape)}', 1)
    try:
        from ..models.label_map import Window, label_map
        from ..models.segmentor import Segmentor
    except ImportError as error:
        return measure(series, [Absent('mmseg', str(error))], None, TOLERANCE, setting)
    noise = torch.randn(1, classes, *(length // 8 + 2 for length in small), generator=torch.Generator().manual_seed(0))
    logits = F.interpolate(noise, small, mode='bicubic')  # in regions, like a network's
    of_network = logits.contiguous(memory_format=torch.channels_last)
    rows, columns = (slice(0, length) for length in shape)
    meta = dict(img_shape=shape, ori_shape=shape)
    network, head = SimpleNamespace(align_corners=False), MODELS.get('mmseg.UPerHead')

    def ours() -> Tensor:
        return label_map([Window(rows, columns, of_network[0])], shape, meta)

    def mmseg(logits: Tensor) -> Tensor:
        enlarged = head.predict_by_feat(network, logits, [meta])
        (sample,) = Segmentor.postprocess_result(network, enlarged, [BaseDataElement(metainfo=meta)])
        return sample.pred_sem_seg.data[0]

    def differ(found: Tensor, reference: Tensor) -> float:
        return (found != reference).double().mean().item()

    contenders = [
        Contender(OURS, '', 'channels_last', ours),
        Contender('mmseg, channels_last', '', 'channels_last', lambda: mmseg(of_network)),
        Contender('mmseg', '', 'NCHW', lambda: mmseg(logits)),
    ]
    # the last bit of an enlarged logit differs between layouts, and may decide between two classes
    return measure(series, contenders, ours(), {'': 1e-5}, setting, differ)


def _miou(setting: Setting, images: int, shape: ImageSize) -> Series:
    rng, classes = np.random.default_rng(0), 150
    samples = []
    for _ in range(images):
        ground_truth = _regions(rng, shape, classes)
        wrong = _regions(rng, shape, 3) == 0
        prediction = np.where(wrong, _regions(rng, shape, classes), ground_truth)
        maps = {'pred_sem_seg': prediction, 'gt_sem_seg': np.where(_regions(rng, shape, 20) == 0, 255, ground_truth)}
        samples.append({name: {'data': torch.from_numpy(labels)[None]} for name, labels in maps.items()})

    def contender(name: str, metric: BaseMetric) -> Contender:
        metric.dataset_meta = {'classes': [str(k) for k in range(classes)]}

        def run() -> None:
            metric.results.clear()
            for sample in samples:
                metric.process(None, [sample])

        def check() -> list[Tensor]:
            run()
            with _silence():
                found = metric.evaluate(images)
            return [torch.tensor([found[kind] / 100 for kind in ('mIoU', 'mAcc', 'aAcc')])]

        return Contender(name, '', '', run, check)

    ours = contender(OURS, IoU())
    assert ours.check is not None
    series = Series('eval, mIoU', f'counting the pixels of {images} label maps of {_size(shape)}', images)
    return measure(series, [ours, _peer('mmseg', 'IoUMetric', contender)], ours.check(), TOLERANCE, setting)


def _coco(setting: Setting, images: int, shape: ImageSize) -> Series:
    classes, things = 8, 20
    rng = np.random.default_rng(0)
    samples = [_instances(rng, number, things, classes, shape) for number in range(images)]
    meta = {'classes': [str(k) for k in range(classes)], 'category_ids': list(range(1, classes + 1))}

    def contender(name: str, metric: BaseMetric) -> Contender:
        metric.dataset_meta = meta

        def run() -> list[Tensor]:
            with _silence():
                for sample in samples:
                    metric.process(None, [sample])
                found = metric.evaluate(images)
            if name == OURS:
                return [torch.tensor([found['box_AP'], found['mask_AP']]) / 100]
            return [torch.tensor([found['coco/bbox_mAP'], found['coco/segm_mAP']])]

        return Contender(name, '', '', run)

    ours = contender(OURS, CocoAP())
    about = f'box and mask AP of {images} images of {_size(shape)} with {things} instances'
    series = Series('eval, COCO', about, images)
    with tempfile.TemporaryDirectory() as folder:
        ground_truth = Path(folder, 'ground truth.json')
        ground_truth.write_text(json.dumps(_coco_file(samples, meta)))
        peer = _peer('mmdet', 'CocoMetric', contender, ann_file=str(ground_truth), metric=['bbox', 'segm'])
        return measure(series, [ours, peer], ours.run(), TOLERANCE, setting)


def _masks(setting: Setting, count: int, shape: ImageSize) -> Series:
    rng = np.random.default_rng(0)
    masks = np.stack([_filled(box, shape) for box in _boxes(rng, shape, count)])

    def one_by_one() -> list[dict]:
        return [rle.encode(np.array(mask[:, :, None], order='F', dtype=np.uint8))[0] for mask in masks]

    def differ(found: Sequence[dict], reference: Sequence[dict]) -> float:
        counts = [m['counts'].decode() if isinstance(m['counts'], bytes) else m['counts'] for m in found]
        return float(counts != [m['counts'] for m in reference])

    contenders = [
        Contender(OURS, '', '', lambda: encode_masks(masks)),
        Contender('one by one, as mmdet', '', '', one_by_one),
    ]
    series = Series('eval, RLE', f'{count} masks of {_size(shape)}', count, 'masks')
    return measure(series, contenders, encode_masks(masks), {'': 0.0}, setting, differ)


def _peer(package: str, kind: str, contender: Any, **arguments: Any) -> Contender | Absent:
    module = {'mmseg': 'segmentor', 'mmdet': 'detector'}[package]
    try:
        import_modules_from_strings([f'convnext_dense.models.{module}'])
    except ImportError as error:
        return Absent(package, str(error))
    with _silence():
        return contender(package, METRICS.build(dict(type=f'{package}.{kind}', **arguments)))


def _regions(rng: np.random.Generator, shape: ImageSize, classes: int, side: int = 16) -> np.ndarray:
    """Make random labels in squares of ``side`` pixels, int64 (H, W)."""
    small = rng.integers(classes, size=[-(-length // side) for length in shape])
    return small.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]]


def _instances(rng: np.random.Generator, number: int, things: int, classes: int, shape: ImageSize) -> dict[str, Any]:
    """Make a sample with ground truth, and predictions that are off by some pixels."""
    height, width = shape
    boxes = _boxes(rng, shape, things)
    labels = rng.integers(classes, size=things)
    found = (boxes + rng.normal(0, 0.01 * width, boxes.shape)).clip(0, (width, height, width, height))
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    instances = [
        dict(
            bbox=box,
            bbox_label=int(k),
            ignore_flag=0,
            area=_area(box),
            mask=[_outline(box)],
        )
        for box, k in zip(boxes.tolist(), labels, strict=True)
    ]
    predictions = dict(
        bboxes=torch.from_numpy(found).float(),
        scores=torch.from_numpy(rng.uniform(0, 1, things)).float(),
        labels=torch.from_numpy(np.where(rng.uniform(size=things) < 0.2, rng.integers(classes, size=things), labels)),
        masks=torch.from_numpy(np.stack([_filled(box, shape) for box in found])),
    )
    return dict(img_id=number, ori_shape=shape, instances=instances, pred_instances=predictions)


def _boxes(rng: np.random.Generator, shape: ImageSize, count: int) -> np.ndarray:
    """Make random boxes, float (count, 4): left, top, right and bottom edge in whole pixels."""
    corners, sides = rng.uniform(0, 0.7, (count, 2)), rng.uniform(0.05, 0.3, (count, 2))
    return (np.hstack([corners, corners + sides]) * (*shape[::-1], *shape[::-1])).round()


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _outline(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def _filled(box: np.ndarray, shape: ImageSize) -> np.ndarray:
    x1, y1, x2, y2 = box.round().astype(int)
    mask = np.zeros(shape, bool)
    mask[y1:y2, x1:x2] = True
    return mask


def _coco_file(samples: Sequence[dict], meta: dict) -> dict:
    annotations = [
        dict(
            id=0,
            image_id=sample['img_id'],
            category_id=meta['category_ids'][instance['bbox_label']],
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=instance['area'],
            iscrowd=0,
            segmentation=instance['mask'],
        )
        for sample in samples
        for instance in sample['instances']
        for x1, y1, x2, y2 in [instance['bbox']]
    ]
    return dict(
        images=[dict(id=s['img_id'], height=s['ori_shape'][0], width=s['ori_shape'][1]) for s in samples],
        annotations=[dict(annotation, id=number) for number, annotation in enumerate(annotations, 1)],
        categories=[dict(id=i, name=n) for i, n in zip(meta['category_ids'], meta['classes'], strict=True)],
    )


def _size(shape: Sequence[int]) -> str:
    return str(ImageSize(*shape))


@contextmanager
def _silence() -> Iterator[None]:
    """Context that suppresses the metrics' log messages and output."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
