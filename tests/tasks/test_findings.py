"""Findings of each task from model outputs: which masks are measured, and data of a single class."""

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData

from convnext_dense.diagnosis.diagnosed_image import DiagnosedImage
from convnext_dense.diagnosis.findings.base import Findings
from convnext_dense.diagnosis.records import DetectedImage
from convnext_dense.tasks import TASKS
from convnext_dense.tasks.diagnosed_images import detected
from convnext_dense.tasks.findings import have_masks
from tests.tasks.test_diagnosed_images import SIZE, detector_outputs, set_maps
from tests.tasks.test_panoptic_images import output_of


def records(masks: bool) -> list[DetectedImage]:
    return [detected(output).record for output in detector_outputs(masks, count=4)]


def test_masks_are_measured_where_the_metric_does():
    with_masks, boxes_only = records(True), records(False)
    assert have_masks(with_masks)
    assert not have_masks(boxes_only)
    assert not have_masks([])
    assert not have_masks([*with_masks, *boxes_only])


def find(task: str, outputs: list, meta: dict) -> Findings:
    images: list[DiagnosedImage] = [TASKS[task].diagnosed_image(output, meta) for output in outputs]
    return TASKS[task].find(images, meta)


def main_number(found: Findings) -> float | None:
    return found.headlines[0].value


def test_a_classifier_of_one_class_is_right():
    outputs = [{'scores': torch.ones(1), 'label': 0, 'path': f'{k}.jpg'} for k in range(3)]
    assert main_number(find('classification', outputs, {'classes': ['cat']})) == 100


def test_a_detector_of_one_class_has_its_ap():
    outputs = []
    for number in range(3):
        box = [10.0, 10.0, 40.0, 40.0]
        instances = [dict(bbox=box, bbox_label=0, ignore_flag=0, area=900.0)]
        meta = {'img_id': number, 'img_path': f'{number}.jpg', 'ori_shape': tuple(SIZE), 'instances': instances}
        output = BaseDataElement(metainfo=meta)
        found = InstanceData(bboxes=torch.tensor([box]), scores=torch.tensor([0.5]), labels=torch.tensor([0]))
        output.set_data({'pred_instances': found})
        outputs.append(output)
    found = find('detection', outputs, {'classes': ['cat']})
    assert main_number(found) == pytest.approx(100)
    assert found.best_scores == {'cat': 0.5}


def test_a_segmentor_of_one_class_has_its_iou():
    output = BaseDataElement(metainfo={'img_path': 'a.jpg', 'ori_shape': (20, 30)})
    truth = np.zeros((20, 30), np.uint8)
    truth[:5] = 255
    set_maps(output, gt_sem_seg=truth, pred_sem_seg=np.zeros((20, 30), np.uint8))
    assert main_number(find('segmentation', [output], {'classes': ['sky']})) == 100


def test_a_panoptic_model_of_one_class_has_its_pq(tmp_path):
    ids = np.ones((20, 30), np.int32)
    output = output_of(tmp_path, 0, ids, [{'id': 1, 'label': 0}], np.zeros((20, 30), np.int32))
    assert main_number(find('panoptic', [output], {'classes': ['sky'], 'stuff_classes': ['sky']})) == 100
