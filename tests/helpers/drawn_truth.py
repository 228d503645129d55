"""What is drawn in the sample's scenes, read from its COCO files without the product, and comparisons with it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as rle

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.formats.base import Source

BOX_TOLERANCE = 0.5  # pixels
LEAST_IOU = 0.995


@dataclass
class DrawnObject:
    """A thing in an image."""

    name: str
    box: list[float]  # [x, y, width, height] in pixels
    segmentation: list | dict  # as in COCO files
    mask: np.ndarray  # bool (H, W)


@dataclass
class DrawnImage:
    """An image without its crowds, which most formats can't say."""

    file: Path
    height: int
    width: int
    objects: list[DrawnObject]


def drawn_images(sample: Path, split: str) -> list[DrawnImage]:
    """Read the scenes of a split, 'train' or 'val', of the drawn sample."""
    content = json.loads((sample / f'coco/annotations/instances_{split}2017.json').read_text())
    names = {category['id']: category['name'] for category in content['categories']}
    images = {}
    for image in content['images']:
        file = sample / f'coco/{split}2017' / image['file_name']
        images[image['id']] = DrawnImage(file, image['height'], image['width'], [])
    for one in content['annotations']:
        image = images[one['image_id']]
        if not one['iscrowd']:
            mask = decode(one['segmentation'], image.height, image.width)
            image.objects.append(DrawnObject(names[one['category_id']], one['bbox'], one['segmentation'], mask))
    return list(images.values())


def class_names(sample: Path) -> list[str]:
    """Return the names of all classes in the order of the COCO file."""
    content = json.loads((sample / 'coco/annotations/instances_train2017.json').read_text())
    return [category['name'] for category in content['categories']]


def with_boxes_of_masks(images: list[DrawnImage]) -> list[DrawnImage]:
    """Return the images with the boxes around their masks, for formats whose objects have a mask and no box."""
    return [replace(image, objects=[replace(one, box=_box_of(one)) for one in image.objects]) for image in images]


def _box_of(one: DrawnObject) -> list[float]:
    if isinstance(one.segmentation, list):
        corners = np.concatenate([np.reshape(part, (-1, 2)) for part in one.segmentation])
        return [*corners.min(0).tolist(), *np.ptp(corners, axis=0).tolist()]
    rows, columns = np.flatnonzero(one.mask.any(1)), np.flatnonzero(one.mask.any(0))
    return [float(v) for v in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)]


def write_coco(path: Path, images: list[DrawnImage], names: list[str], masks: bool = True) -> Path:
    """Write a COCO file of the same objects, for comparisons with another format."""
    content = {'images': [], 'annotations': [], 'categories': [{'id': i, 'name': n} for i, n in enumerate(names, 1)]}
    for number, image in enumerate(images, 1):
        entry = {'id': number, 'file_name': image.file.name, 'height': image.height, 'width': image.width}
        content['images'].append(entry)
        for one in image.objects:
            annotation = {'id': len(content['annotations']) + 1, 'image_id': number, 'bbox': one.box, 'iscrowd': 0}
            annotation['category_id'] = names.index(one.name) + 1
            if masks:
                annotation['segmentation'] = one.segmentation
            content['annotations'].append(annotation)
    path.write_text(json.dumps(content))
    return path


def decode(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """Return a mask of a COCO file as bool (H, W)."""
    if isinstance(segmentation, list):
        segmentation = rle.merge(rle.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation['counts'], list):
        segmentation = rle.frPyObjects(segmentation, height, width)
    return rle.decode(segmentation).astype(bool)


def check_equals_drawn(
    source: Source, images: list[DrawnImage], masks: bool, tolerance: float = BOX_TOLERANCE
) -> None:
    """Check that a source has exactly these objects: labels, boxes to some pixels, and masks to 99.5 % IoU."""
    coco = read_coco(source)
    assert coco.has_masks == masks
    assert not coco.lost
    read = {Path(image['file_name']).name: image for image in coco.images}
    assert sorted(read) == sorted(image.file.name for image in images)
    names = dict(zip(coco.category_ids, coco.classes, strict=True))
    for image in images:
        entry = read[image.file.name]
        assert (entry['height'], entry['width']) == (image.height, image.width)
        found = coco.annotations[entry['id']]
        assert [names[one['category_id']] for one in found] == [one.name for one in image.objects]
        for one, drawn in zip(found, image.objects, strict=True):
            assert not one['iscrowd']
            np.testing.assert_allclose(one['bbox'], drawn.box, rtol=0, atol=tolerance)
            if masks:
                mask = decode(one['segmentation'], image.height, image.width)
                assert (mask & drawn.mask).sum() >= LEAST_IOU * (mask | drawn.mask).sum()


def check_trains_alike(one: Source, other: Source, masks: bool) -> None:
    """Check that training and testing get the same tensors from two sources, so that all losses are equal."""
    for test_mode in (False, True):
        first, second = (_samples(source, masks, test_mode) for source in (one, other))
        assert len(first) == len(second) > 0
        for a, b in zip(first, second, strict=True):
            assert a.keys() == b.keys()
            for key, value in a.items():
                torch.testing.assert_close(value, b[key], rtol=0, atol=0, msg=key)


def _samples(source: Source, masks: bool, test_mode: bool) -> list[dict]:
    pipeline = [
        dict(type='convnext_dense.LoadImage'),
        dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=masks and not test_mode),
        dict(type='mmdet.Resize', scale=(200, 160), keep_ratio=True),
        dict(type='mmdet.PackDetInputs', meta_keys=('img_path', 'instances', 'ori_shape')),
    ]
    dataset = CocoDataset(
        str(source.annotations),
        str(source.images),
        pipeline,
        test_mode=test_mode,
        filter_cfg=dict(filter_empty_gt=True),
        most_lost=1.0,
        format=source.format,
        split=source.split,
    )
    samples = {}
    for index in range(len(dataset)):
        packed = dataset[index]
        truth = packed['data_samples']
        sample = {'inputs': packed['inputs']}
        for name in ('gt_instances', 'ignored_instances'):
            instances = getattr(truth, name)
            sample |= {f'{name}.bboxes': instances.bboxes.tensor, f'{name}.labels': instances.labels}
            if masks and not test_mode:
                sample[f'{name}.masks'] = torch.from_numpy(instances.masks.masks)
        for number, instance in enumerate(truth.instances if test_mode else ()):
            if 'mask' in instance:
                pixels = decode(instance['mask'], *truth.ori_shape)
                sample[f'mask {number}'] = torch.from_numpy(pixels)
        samples[Path(truth.img_path).name] = sample
    return [samples[name] for name in sorted(samples)]
