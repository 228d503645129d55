"""The file that is written: what it says of its sizes, and that it runs."""

import copy

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from convnext_dense.errors import UserError
from convnext_dense.export import write as writing
from convnext_dense.export.classification import ClassLogits
from convnext_dense.export.run import INPUT, DoesNotRun, open_exported
from convnext_dense.export.write import write
from convnext_dense.io.image_size import ImageSize
from convnext_dense.models import ConvNeXt
from tests.export.test_detection import load_variant
from tests.export.test_graphs import images_of
from tests.helpers.timm_kinds import SIZE, randomize
from tests.inference.test_predictor import scene


def test_a_file_names_only_sizes_that_are_equal(predict, tmp_path, capfd):
    """A runtime that finds two sizes behind one name warns of each."""
    graph, images = predict.graph(), images_of((64, 64))
    write(graph, tmp_path / 'model.onnx', ImageSize(64, 64), dynamic=False, about={})
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    assert [output.shape for output in session.get_outputs()][:2] == [['detections', 4], ['detections']]
    session.run(None, {INPUT: images.numpy()})
    assert capfd.readouterr().err == ''


SIZES = ((128, 128), (128, 192), (256, 160), (131, 275), (320, 140))


@pytest.mark.faults
@pytest.mark.timeout(400)
@pytest.mark.parametrize('suffix', ['.onnx', '.pt2'])
def test_a_dynamic_detector_runs_at_any_size_and_predicts_the_same(tmp_path, capfd, suffix):
    """Of three levels, the last of which is a pool of the one before."""
    levels = 'dict(neck=dict(num_outs=3), rpn_head=dict(anchor_generator=dict(strides=[16, 32, 64])))'
    predict, out = load_variant(tmp_path, levels), tmp_path / f'model{suffix}'
    capfd.readouterr()
    write(predict.graph(), out, ImageSize(128, 128), dynamic=True, about={})
    if suffix == '.onnx':
        session = onnxruntime.InferenceSession(out, providers=['CPUExecutionProvider'])
        run = lambda images: session.run(None, {INPUT: images.numpy()})  # noqa: E731
    else:
        run = open_exported(out)
    for height, width in SIZES:
        images, (result,) = predict.predict_whole([scene(width, height)], ImageSize(height, width))
        found = run(images)
        assert len(result.boxes) > 2
        for array, name in zip(found, ('boxes', 'scores', 'labels'), strict=False):
            assert np.allclose(array, getattr(result, name), atol=1e-2 if name == 'boxes' else 1e-4), (height, name)
    assert capfd.readouterr().err == ''


class FixedBatch(ClassLogits):
    def forward(self, image):
        return (super().forward(image)[0].reshape(2, -1),)


class FixedHeight(ClassLogits):
    def forward(self, image):
        return (super().forward(image[:, :, :, : len(range(image.shape[2]))])[0],)


@pytest.mark.parametrize(('graph', 'axis'), [(FixedBatch, 'batch'), (FixedHeight, 'height')])
def test_what_cannot_be_dynamic_is_named(predictors, tmp_path, graph, axis):
    predict = predictors['classification']
    with pytest.raises(UserError) as error:
        write(graph(predict.model, predict.normalization), tmp_path / 'out.onnx', ImageSize(64, 96), True, {})
    reason = f'it computes with a fixed {axis}, leave out --dynamic'
    assert str(error.value) == f'this model cannot be exported to torch.export: {reason}'
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', ['out.onnx', 'out.pt2'])
def test_a_file_that_does_not_run_is_not_left(predictors, tmp_path, name, monkeypatch):
    """The names of dimensions once made onnxruntime fail at every size."""
    predict, out = predictors['classification'], tmp_path / name
    out.write_text('an earlier file')

    def fails(path):
        return lambda images: (_ for _ in ()).throw(DoesNotRun(f'not at {tuple(images.shape)}'))

    monkeypatch.setattr(writing, 'open_exported', fails)
    with pytest.raises(DoesNotRun, match=r'not at \(1, 3, 64, 128\)'):
        write(predict.graph(), out, ImageSize(64, 64), True, {})
    assert [path.read_text() for path in tmp_path.iterdir()] == ['an earlier file']


@pytest.mark.faults
@pytest.mark.parametrize('predict', ['mask_rcnn'], indirect=True)
def test_wrong_names_of_dimensions_are_found(predict, tmp_path, monkeypatch):
    """All open dimensions get a name, also those that are not equal."""
    monkeypatch.setattr(writing, '_has_name', lambda dim: not isinstance(dim, int))
    with pytest.raises(DoesNotRun) as error:
        write(predict.graph(), tmp_path / 'out.onnx', ImageSize(64, 64), True, {})
    assert str(error.value).startswith('the exported file cannot be run on 1 x 3 x 64 x 128 by onnxruntime (')
    assert '\n' not in str(error.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'options',
    [
        dict(stem='overlap_act', norm='simple_norm', activation='silu', kernel_size=(7, 5, 5, 3)),
        dict(stem='overlap_tiered', norm='rms_norm', activation='gelu_tanh', norm_before_pooling=True),
        dict(activation='hard_swish'),
    ],
)
def test_variants_of_the_network_are_written(predictors, tmp_path, options):
    predict = predictors['classification']
    model = copy.copy(predict.model)
    model._modules = {**model._modules, 'backbone': ConvNeXt(SIZE, out_indices=None, **options)}
    model.head = nn.Linear(40, 3)
    randomize(model)
    graph = ClassLogits(model.eval(), predict.normalization)
    write(graph, tmp_path / 'model.onnx', ImageSize(64, 64), dynamic=True, about={})
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    for size in ((64, 64), (96, 70)):
        images = images_of(size)
        with torch.no_grad():
            (expected,) = graph(images)
        np.testing.assert_allclose(session.run(None, {INPUT: images.numpy()})[0], expected, rtol=1e-3, atol=1e-4)
