"""``export_onnx``: files give PyTorch's numbers at any size and say what they are; the check finds what is wrong."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.errors import UserError
from convnext_dense.export.check import compare
from convnext_dense.export.classification import ClassLogits
from convnext_dense.export.run import DoesNotRun
from convnext_dense.export.write import write
from convnext_dense.inference.predictor import Predictor, load
from convnext_dense.io.image_size import ImageSize
from tests.helpers.mask_rcnn import write_mask_rcnn
from tests.helpers.small_models import CLASSES, ONE_CHANNEL, write_checkpoint, write_config
from tests.inference.test_predictor import scene

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # ImageNet's
OTHER_SIZES = ((1, 77, 131), (3, 128, 64))  # images, height, width


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> Path:
    """``TASK.py`` and ``TASK.pth`` of each task, and two images."""
    folder = tmp_path_factory.mktemp('models')
    write_mask_rcnn(folder).rename(folder / 'detection.py')
    for task in ('classification', 'segmentation', 'detection'):
        config = folder / 'detection.py' if task == 'detection' else write_config(task, folder)
        write_checkpoint(config, folder / f'{task}.pth', classes=CLASSES)
    for seed in (0, 1):
        Image.fromarray(scene(160, 120, seed)).save(folder / f'{seed}.png')
    return folder


def export(files: Path, task: str, out: Path | str, *arguments: str) -> int:
    """``export_onnx`` with its arguments; returns the exit code."""
    return run_verb(
        'export_onnx',
        [str(files / f'{task}.py'), str(files / f'{task}.pth'), str(out), '--data', 'sample', *arguments],
    )


def expected(predict: Predictor, output: str, images: torch.Tensor) -> list[torch.Tensor]:
    """From the stock model in PyTorch."""
    model, images = predict.model, (images / 255 - MEAN) / STD
    with torch.no_grad():
        if output == 'features':
            return list(model.backbone(images))
        if predict.task.name == 'classification':
            return [model(images)]
        return [model.encode_decode(images, [{'img_shape': images.shape[2:]}])]


@pytest.mark.timeout(400)  # on a loaded machine
@pytest.mark.faults
@pytest.mark.parametrize(
    ('task', 'output', 'shapes'),
    [
        ('classification', 'logits', [['batch', 3]]),
        (
            'segmentation',
            'features',
            [['batch', c, f'(height//{s})', f'(width//{s})'] for c, s in ((8, 4), (16, 8), (24, 16), (32, 32))],
        ),
        ('segmentation', 'logits', [['batch', 3, 'height', 'width']]),
    ],
)
def test_dynamic_onnx_gives_pytorchs_numbers_at_any_size(files, tmp_path, capsys, task, output, shapes):
    out = tmp_path / 'out.onnx'
    paths = [str(files / f'{i}.png') for i in (0, 1)]
    arguments = ('--dynamic', '--shape', '96', '64', '--task-output', output, '--check', *paths)
    assert export(files, task, out, *arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith('exporting ')  # where there is no terminal with a status
    assert '  2 x 3 x 96 x 64' in said and '  2 x 3 x 72 x 80' in said and '  2 x 3 x 144 x 64' in said
    predicted = output != 'features'
    as_prepared = 0 if task == 'classification' else 2  # whose images are smaller than a dynamic file takes
    assert said.count(': ok\n') == (3 + as_prepared) * (len(shapes) + predicted) and 'LARGE' not in said

    predict = load(files / f'{task}.py', files / f'{task}.pth', device='cpu', data='sample')
    session = onnxruntime.InferenceSession(out)
    for count, height, width in OTHER_SIZES:
        images = torch.stack([torch.from_numpy(scene(width, height, i).copy()) for i in range(count)])
        images = images.permute(0, 3, 1, 2).float()
        found = session.run(None, {'image': images.numpy()})
        for a, b in zip(found, expected(predict, output, images), strict=True):
            assert np.abs(a - b.numpy()).max() < 1e-4
            assert b.std() > 0.01

    model = onnx.load(out)
    assert model.opset_import[0].version == 18
    assert [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output] == shapes
    (image,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim] == ['batch', 3, 'height', 'width']
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about['classes']) == CLASSES
    assert json.loads(about['mean']) == pytest.approx([123.675, 116.28, 103.53])
    assert json.loads(about['std']) == pytest.approx([58.395, 57.12, 57.375])
    assert list(json.loads(about['outputs'])) == [value.name for value in model.graph.output]
    assert about['input'] == 'float32 (N, 3, H, W), RGB values from 0 to 255; H and W from 64 on'


def test_a_program_of_torch_export_has_the_same(files, tmp_path, capsys):
    out = tmp_path / 'out.pt2'
    arguments = ('--task-output', 'labels', '--shape', '64', '96', '--check', str(files / '0.png'))
    assert export(files, 'segmentation', out, *arguments, '--cfg-options', 'tiles.size=64') == 0
    said = '  1 x 3 x 64 x 96     labels        100.000% of the pixels are equal, of at least 99.9%: ok\n'
    assert said in capsys.readouterr().out
    extra = {'metadata.json': ''}
    program = torch.export.load(out, extra_files=extra)
    metadata = json.loads(extra['metadata.json'])
    assert metadata['classes'] == CLASSES
    assert metadata['label_of_first_class_in_masks'] == 1
    assert metadata['not_inside'].endswith('; cutting images into tiles, and merging what is found in them')
    predict = load(files / 'segmentation.py', files / 'segmentation.pth', device='cpu', data='sample')
    images = torch.from_numpy(scene(96, 64).copy()).permute(2, 0, 1)[None].float()
    (labels,) = program.module()(images)
    assert torch.equal(labels, expected(predict, 'logits', images)[0].argmax(dim=1))


@pytest.mark.timeout(400)
def test_a_detector_is_exported_whole(files, tmp_path, capsys):
    out = tmp_path / 'out.onnx'
    assert export(files, 'detection', out, '--shape', '96', '160', '--check', str(files / '0.png')) == 0
    said = capsys.readouterr().out
    assert (
        'not inside: decoding and resizing the image, pasting each mask into its box, where it takes the pixels of '
        'at least 0.5\n'
    ) in said
    assert said.count(': ok\n') == 4  # instances, boxes, scores, masks
    stock = load(files / 'detection.py', files / 'detection.pth', device='cpu', data='sample')
    images, (result,) = stock.predict_whole([scene(160, 96)], ImageSize(96, 160))
    found = onnxruntime.InferenceSession(out).run(None, {'image': images.numpy()})
    assert [array.shape[1:] for array in found] == [(4,), (), (), (28, 28)]
    assert len(result.boxes) == len(found[0]) > 3
    assert np.allclose(found[1], result.scores, atol=1e-4) and np.array_equal(found[2], result.labels)
    assert np.allclose(found[0], result.boxes, atol=0.01)


def test_the_check_finds_other_weights(files, tmp_path, capsys, monkeypatch):
    predict = load(files / 'classification.py', files / 'classification.pth', device='cpu', data='sample')
    graph = predict.graph()
    out = tmp_path / 'out.pt2'
    write(graph, out, (64, 64), False, {})
    predict.model.head.bias.data[1] += 3e-4
    size = ImageSize(64, 64)
    logits, scores = compare(graph, out, [files / '0.png'], predict.predict_whole, size, False)
    said = re.fullmatch(r'largest difference 3.0e-04, of at most (\S+), largest value (\S+)', logits.description)
    assert not logits.within_tolerance and float(said[1]) == pytest.approx(1e-4 * max(1, float(said[2])), rel=0.05)
    assert scores.output == 'scores' and scores.within_tolerance

    original = ClassLogits.forward
    monkeypatch.setattr(ClassLogits, 'forward', lambda self, image: (original(self, image)[0] * 2,))
    assert export(files, 'classification', out, '--shape', '64', '64', '--check', str(files / '0.png')) == 1
    assert 'TOO LARGE' in (said := capsys.readouterr().out)
    assert said.endswith(f'error: {out}, which is kept, differs from what the model predicts by more than rounding\n')


def test_a_file_that_the_check_cannot_run_replaces_none(files, tmp_path, capsys, monkeypatch):
    def fails(path):
        raise DoesNotRun('the exported file cannot be loaded by onnxruntime (a reason)')

    monkeypatch.setattr('convnext_dense.export.check.open_exported', fails)
    out = tmp_path / 'out.onnx'
    assert export(files, 'classification', out, '--shape', '64', '64', '--check', str(files / '0.png')) == 2
    error = f'the exported file cannot be loaded by onnxruntime (a reason): {out} is not written'
    assert capsys.readouterr().err == f'error: {error}\n'
    assert list(tmp_path.iterdir()) == []
    out.write_bytes(b'a file that runs')
    assert export(files, 'classification', out, '--shape', '64', '64', '--check', str(files / '0.png')) == 2
    assert capsys.readouterr().err == f'error: {error}\n'
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b'a file that runs']


def test_labels_of_one_channel(files, tmp_path, capsys):
    """The whole way: a file with labels of both classes, which are those of ``predict``."""
    config, checkpoint = tmp_path / 'one_channel.py', tmp_path / 'one_channel.pth'
    config.write_text(f"_base_ = '{files / 'segmentation.py'}'\nmodel = {ONE_CHANNEL.format(threshold=0.4)}\n")
    write_checkpoint(config, checkpoint, classes=['off', 'on'])
    out, image = tmp_path / 'out.onnx', tmp_path / '0.png'
    Image.fromarray(scene(96, 64)).save(image)
    arguments = ('--task-output', 'labels', '--shape', '64', '96', '--check', str(image))
    assert export(tmp_path, 'one_channel', out, *arguments) == 0
    assert 'labels        100.000% of the pixels are equal' in capsys.readouterr().out
    predict = load(config, checkpoint, device='cpu', data='sample')
    pixels, (result,) = predict.predict_whole([image], ImageSize(64, 96))
    (labels,) = onnxruntime.InferenceSession(out).run(None, {'image': pixels.numpy()})
    assert np.array_equal(labels[0], result.labels) and 0.01 < labels.mean() < 0.99


class Unknown(ClassLogits):
    def forward(self, image):
        return (torch.special.gammaincc(image, image),)


def test_an_operator_that_prevents_the_export_is_named(files, tmp_path):
    predict = load(files / 'classification.py', files / 'classification.pth', device='cpu', data='sample')
    with pytest.raises(
        UserError, match=r'cannot be exported to ONNX: the operator prims\.igammac prevents it'
    ) as error:
        write(Unknown(predict.model, predict.normalization), tmp_path / 'out.onnx', (64, 64), False, {})
    assert '\n' not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('task', 'out', 'arguments', 'error'),
    [
        ('classification', 'out.tflite', (), 'out.tflite: name a file that ends in .onnx, or in .pt2'),
        ('classification', '/dev/null/out.onnx', (), '/dev/null/out.onnx cannot be written ('),
        ('classification', '/proc/out.onnx', (), '/proc/out.onnx cannot be written ('),
        (
            'classification',
            'out.onnx',
            ('--shape', '16', '64'),
            '--shape 16 64 is too small: take sides of at least 32',
        ),
        (
            'classification',
            'out.onnx',
            ('--dynamic',),
            'the size at which the model is tested, 48 x 48, is too small for a file: sides are at least 64 '
            '(with --dynamic): give --shape 64 64, or leave out --dynamic',
        ),
        (
            'detection',
            'out.onnx',
            ('--dynamic', '--image-size', '32', '160'),
            'the size at which the model is tested, 32 x 160, is too small for a file: sides are at least 64 '
            '(with --dynamic): give --shape 64 160, or leave out --dynamic',
        ),
        ('classification', 'out.onnx', ('--task-output', 'instances'), '--task-output instances: a model for class'),
        ('classification', 'out.onnx', ('--weights', 'ema'), 'holds no ema weights'),
        ('classification', 'out.onnx', ('--check', 'nowhere.png'), 'no image at nowhere.png'),
        ('detection', 'out.onnx', ('--shape', '63', '160', '--dynamic'), '--shape 63 160 is too small: take sides'),
    ],
)
def test_bad_input(files, tmp_path, capsys, monkeypatch, task, out, arguments, error):
    monkeypatch.chdir(tmp_path)
    assert export(files, task, out, *arguments) == 2
    said = capsys.readouterr()
    assert error in said.err and said.err.count('\n') == 1 and not said.out
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_model_and_absent_packages(files, tmp_path, capsys, monkeypatch):
    argv = [str(files / 'segmentation.py'), str(files / 'classification.pth'), str(tmp_path / 'out.onnx')]
    assert run_verb('export_onnx', argv) == 2
    assert 'is for classification, the config for segmentation' in capsys.readouterr().err
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *a: None if 'onnx' in name else find(name, *a))
    assert run_verb('export_onnx', [*argv, '--check']) == 2
    advice = 'onnx, onnxscript, onnxruntime not installed: pip install -r requirements/optional.txt'
    assert capsys.readouterr().err == f'error: {advice}\n'
