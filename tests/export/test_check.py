"""The comparison of an exported file with what the model predicts."""

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.export.check import _instances, compare
from convnext_dense.export.segmentation import PixelLabels
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import Segmentation
from tests.inference.test_predictor import scene


def test_instances_are_matched_whatever_their_order():
    masks = np.zeros((3, 20, 70), bool)
    for mask, left in zip(masks, (0, 50, 0), strict=True):
        mask[:10, left : left + 10] = True
    found = {
        'boxes': np.array([[0, 0, 10, 10], [50, 0, 60, 10], [0, 0, 10, 10.0]], np.float32),
        'scores': np.array([0.9, 0.8, 0.7], np.float32),
        'labels': np.array([0, 0, 1]),
        'masks': masks,
    }

    def verdicts(**changed):
        return [good for _, _, good in _instances({**found, **changed}, found)]

    assert verdicts(**{name: array[[2, 0, 1]] for name, array in found.items()}) == [True] * 4
    assert verdicts(**{name: array[:2] for name, array in found.items()}) == [False, True, True, True]
    assert verdicts(labels=np.array([0, 0, 2])) == [False, True, True, True]
    assert verdicts(boxes=found['boxes'] + 0.1) == [True, False, True, True]
    assert verdicts(scores=found['scores'] + 0.01) == [True, True, False, True]
    assert verdicts(masks=np.roll(masks, 1, axis=1)) == [True, True, True, False]
    assert verdicts(**{name: array[:0] for name, array in found.items()}) == [False]
    nothing = {name: array[:0] for name, array in found.items()}
    ((_, description, good),) = _instances(nothing, nothing)
    assert good and description == 'none found by both, so nothing is compared'


@pytest.fixture
def image(tmp_path):
    path = tmp_path / '0.png'
    Image.fromarray(scene(120, 90)).save(path)
    return path


def check(predictor, monkeypatch, image, task_output, run, dynamic=False, shape=(64, 96)):
    """Compare with a file that computes ``run``, a function of the images."""
    monkeypatch.setattr('convnext_dense.export.check.open_exported', lambda path: run)
    graph = predictor.graph(task_output)
    return list(compare(graph, image, [image], predictor.predict_whole, ImageSize(*shape), dynamic))


def test_a_graph_that_agrees_with_itself_alone_is_found(predictors, monkeypatch, image):
    """The file gives the numbers of its graph, and the graph is wrong."""
    predictor = predictors['segmentation']
    monkeypatch.setattr(PixelLabels, 'forward', lambda self, images: (torch.zeros(len(images), *images.shape[2:]),))
    (difference,) = check(predictor, monkeypatch, image, 'labels', predictor.graph('labels'))
    assert difference.output == 'labels' and not difference.within_tolerance


def test_scores_are_those_of_predict(predictors, monkeypatch, image):
    predictor = predictors['classification']
    graph = predictor.graph()
    found = check(predictor, monkeypatch, image, 'logits', graph)
    assert [(d.output, d.within_tolerance) for d in found] == [('logits', True), ('scores', True)]
    side = predictor.input_shape.height
    pixels, (result,) = predictor.predict_whole([image], predictor.input_shape)
    assert pixels.shape == (1, 3, side, side)
    assert np.array_equal(result.scores, predictor(image).scores)  # at its own size, the product's own result
    monkeypatch.setattr(predictor.model.head, 'bias', torch.nn.Parameter(predictor.model.head.bias + torch.arange(3)))
    other = check(predictor, monkeypatch, image, 'probabilities', lambda images: [graph(images)[0].sigmoid()])
    assert [(d.output, d.within_tolerance) for d in other] == [('scores', False)]


def test_a_dynamic_file_is_checked_as_prepared_and_at_other_aspect_ratios(predictors, monkeypatch, image):
    predictor = predictors['segmentation']
    found = check(predictor, monkeypatch, image, 'labels', predictor.graph('labels'), True, (96, 128))
    prepared = predictor.task.prepare(predictor._transform, scene(120, 90), None).tensor.shape[1:]
    assert [d.images[2:] for d in found] == [tuple(prepared), (96, 128), (72, 160), (144, 64)]
    assert all(d.within_tolerance for d in found)


def test_a_whole_image_is_compared_also_where_predict_takes_windows(predictors, monkeypatch, image):
    predictor = predictors['segmentation']
    slide = dict(mode='slide', crop_size=(32, 32), stride=(20, 20))
    for key, value in slide.items():
        monkeypatch.setitem(predictor.model.test_cfg, key, value)
    (difference,) = check(predictor, monkeypatch, image, 'labels', predictor.graph('labels'))
    assert difference.within_tolerance
    assert {key: predictor.model.test_cfg[key] for key in slide} == slide
    in_windows = predictor(image)
    assert isinstance(in_windows, Segmentation) and in_windows.labels.shape == (90, 120)
