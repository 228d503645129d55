"""Random ground truth and predictions, measured by CocoAP and by pycocotools' own evaluation."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.evaluation import CocoAP

CATEGORIES = [{'id': n, 'name': name} for n, name in ((9, 'nine'), (0, 'zero'), (4, 'four'), (30, 'absent'))]
KINDS = {'AP': 0, 'AP50': 1, 'AP75': 2, 'APs': 3, 'APm': 4, 'APl': 5}  # places in pycocotools' summary
PIPELINE = [
    dict(type='convnext_dense.LoadImage'),
    dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'ori_shape', 'instances')),
]


def ellipse(box: np.ndarray, height: int, width: int) -> np.ndarray:
    x, y, w, h = box
    rows, cols = np.mgrid[:height, :width] + 0.5
    return (((cols - x) / w - 0.5) ** 2 + ((rows - y) / h - 0.5) ** 2 < 0.25).astype(np.uint8)


def make_ground_truth(rng: np.random.Generator, images: int, side: int, largest: int) -> dict:
    """Things of all sizes as polygons and both kinds of RLE, crowds, and images without any."""
    data: dict = {'images': [], 'annotations': [], 'categories': CATEGORIES}
    for image in range(images):
        height, width = rng.integers(side // 2, side, 2).tolist()
        data['images'].append({'id': 7 * image, 'file_name': f'{image}.png', 'height': height, 'width': width})
        for _ in range(0 if image % 5 == 4 else rng.integers(1, 9)):
            w, h = rng.integers(4, min(largest, height, width), 2).tolist()
            x, y = (int(rng.integers(0, limit)) for limit in (width - w, height - h))
            packed = rle.encode(np.asfortranarray(ellipse(np.array([x, y, w, h]), height, width)))
            counts = packed['counts'].decode()
            corners = [x, y, x + w, y + 0.3 * h, x + 0.8 * w, y + h, x, y + 0.7 * h]
            crowd = int(rng.random() < 0.15)
            form = rng.integers(2) if not crowd else 1
            data['annotations'].append(
                {
                    'id': len(data['annotations']) + 1,
                    'image_id': 7 * image,
                    'category_id': [9, 0, 4][rng.integers(3)],
                    'bbox': [x + 0.25, y, w, h - 0.125],
                    'area': float(rle.area(packed)) * rng.uniform(0.8, 1.1),
                    'iscrowd': crowd,
                    'segmentation': [[corners], {'size': [height, width], 'counts': counts}][form],
                }
            )
    return data


def make_predictions(rng: np.random.Generator, data: dict, image: dict, masks: bool = True) -> InstanceData:
    """What a fair detector may find: things more or less off, twice, in the wrong class, where nothing is."""
    labels = {category['id']: label for label, category in enumerate(CATEGORIES)}
    boxes, found = [], []
    for annotation in data['annotations']:
        if annotation['image_id'] == image['id']:
            for _ in range(rng.integers(0, 4 if not annotation['iscrowd'] else 8)):
                boxes.append(np.array(annotation['bbox']) + rng.normal(0, 0.06, 4) * annotation['bbox'][2])
                found.append(labels[annotation['category_id']] if rng.random() < 0.85 else rng.integers(3))
    for _ in range(rng.integers(0, 6)):
        boxes.append(np.array([*rng.uniform(0, 60, 2), *rng.uniform(5, 90, 2)]))
        found.append(rng.integers(4))
    if not boxes:
        boxes, found = np.zeros((0, 4)), np.zeros(0, int)
    boxes = np.array(boxes).clip(0, 300)
    boxes[:, 2:] += boxes[:, :2] + 1
    scores = rng.random(len(boxes)).round(1 if image['id'] % 2 else 6)  # with many ties in every other image
    instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32),
        labels=torch.tensor(np.array(found)),
        scores=torch.tensor(scores, dtype=torch.float32),
    )
    if masks:
        size = image['height'], image['width']
        drawn = [ellipse(np.array([x, y, x2 - x, y2 - y]), *size) for x, y, x2, y2 in boxes]
        instances.masks = torch.from_numpy(np.array(drawn).reshape(-1, *size)).bool()
    return instances


class DetectorScores:
    """Ground truth in a file, predictions for all its images, and both evaluations."""

    def __init__(self, root: Path, seed: int = 0, images: int = 12, side: int = 260, largest: int = 200) -> None:
        self.rng = np.random.default_rng(seed)
        self.data = make_ground_truth(self.rng, images, side, largest)
        self.file, self.folder = root / 'val.json', root
        self.save()
        self.predictions = {i['id']: make_predictions(self.rng, self.data, i) for i in self.data['images']}

    def save(self) -> None:
        from PIL import Image

        self.file.write_text(json.dumps(self.data))
        for image in self.data['images']:
            Image.new('RGB', (image['width'], image['height'])).save(self.folder / image['file_name'])

    def samples(self, dataset: CocoDataset, ids: list[int] | None = None) -> list[DetDataSample]:
        samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
        samples = [s for s in samples if ids is None or s.img_id in ids]
        for sample in samples:
            sample.pred_instances = self.predictions[sample.img_id]
        return samples

    def ours(self, ids: list[int] | None = None, metric: CocoAP | None = None, **options: object) -> tuple[dict, dict]:
        dataset = CocoDataset(str(self.file), str(self.folder), PIPELINE, test_mode=True, **options)
        metric = metric or CocoAP()
        evaluator = Evaluator([metric])
        evaluator.dataset_meta = dataset.metainfo
        samples = self.samples(dataset, ids)
        for start in range(0, len(samples), 3):
            evaluator.process(samples[start : start + 3])
        return evaluator.evaluate(len(dataset)), metric.per_class

    def reference(
        self, ids: list[int] | None = None, iou_types: tuple = ('bbox', 'segm'), limit: int = 100
    ) -> tuple[dict, dict]:
        """From the file and, for the predictions, from numbers of its own.

        ``limit`` is that of the predictions of an image and class.
        """
        metrics, per_class = {}, {}
        with contextlib.redirect_stdout(io.StringIO()):
            ground_truth = COCO(str(self.file))
            for iou_type in iou_types:
                results = [r for i in self.data['images'] for r in self.results(i, iou_type)]
                found = ground_truth.loadRes(results) if results else empty(ground_truth)
                evaluation = COCOeval(ground_truth, found, iou_type)
                if ids is not None:
                    evaluation.params.imgIds = ids
                evaluation.params.maxDets[-1] = limit
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.params.maxDets[-1] = 100  # which it summarizes
                evaluation.summarize()
                name = {'bbox': 'box', 'segm': 'mask'}[iou_type]
                for kind, place in KINDS.items():
                    if evaluation.stats[place] > -1:
                        metrics[f'{name}_{kind}'] = 100 * evaluation.stats[place]
                for place, number in enumerate(evaluation.params.catIds):
                    precision = evaluation.eval['precision'][:, :, place, 0, 2]
                    if precision.max() > -1:
                        entry = per_class.setdefault(ground_truth.cats[number]['name'], {})
                        entry[f'{name}_AP'] = 100 * precision.mean()
                        entry[f'{name}_AP50'] = 100 * precision[0].mean()
        return metrics, per_class

    def results(self, image: dict, iou_type: str) -> list[dict]:
        found = self.predictions[image['id']]
        results = []
        for n in range(len(found)):
            x, y, x2, y2 = (float(value) for value in found.bboxes[n])
            result = {
                'image_id': image['id'],
                'category_id': CATEGORIES[found.labels[n]]['id'],
                'score': float(found.scores[n]),
            }
            if iou_type == 'bbox':
                result['bbox'] = [x, y, x2 - x, y2 - y]
            else:
                result['segmentation'] = rle.encode(np.asfortranarray(found.masks[n].numpy().astype(np.uint8)))
            results.append(result)
        return results


def empty(ground_truth: COCO) -> COCO:
    nothing = COCO()
    nothing.dataset = {
        'images': ground_truth.dataset['images'],
        'categories': ground_truth.dataset['categories'],
        'annotations': [],
    }
    nothing.createIndex()
    return nothing
