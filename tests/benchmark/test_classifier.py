"""A tiny network with tiny images through the real functions."""

import builtins

import pytest
import torch

from convnext_dense.benchmark import classifier as module
from convnext_dense.benchmark import peers
from convnext_dense.benchmark.classifier import classifier
from convnext_dense.benchmark.setting import Setting
from convnext_dense.io.image_size import ImageSize

ARCH = dict(depths=[1, 1, 2, 1], dims=[4, 8, 12, 16])
CPU = torch.device('cpu')
pytestmark = pytest.mark.usefixtures('two_rounds')
NAMES = ['ours', 'timm', 'timm, conv_mlp, channels_last', 'torchvision', 'transformers']


def run(what, dtypes=('fp32',)):
    return classifier(what, ARCH, 2, ImageSize(64, 32), Setting(CPU, dtypes, seconds=0))


def test_all_libraries_agree_on_the_forward_pass():
    series = run('forward', ('fp32', 'bf16'))
    assert [(row.name, row.dtype) for row in series.rows] == [(n, d) for n in NAMES for d in ('fp32', 'bf16')]
    assert series.about == 'ConvNeXt of another size, 2 x 3 x 64 x 32'
    assert series.items == 2
    for row in series.rows:
        assert row.problem is None
        assert len(row.seconds) == 2
        assert row.difference < (1e-5 if row.dtype == 'fp32' else 0.05)
    assert any(row.difference > 1e-4 for row in series.rows if row.dtype == 'bf16')  # it is another type


def test_all_libraries_agree_on_the_training_step():
    series = run('train')
    assert [row.name for row in series.rows] == NAMES
    for row in series.rows:
        assert row.problem is None
        assert row.difference < 1e-4
        assert 2 * 4 * 16 * 8 * 4 < row.memory < 1e7  # at least the stem's output; measured at each


@pytest.mark.parametrize('what', ['forward', 'train'])
def test_a_wrong_weight_is_refused(monkeypatch, what):
    build = peers._torchvision

    def broken(size, weights):
        model = build(size, weights)
        with torch.no_grad():
            model.features[3][0].layer_scale[1] += 0.05
        return model

    monkeypatch.setattr(peers, '_torchvision', broken)
    series = run(what)
    rows = {row.name: row for row in series.rows}
    assert 'not timed: its result is off by' in rows['torchvision'].problem
    assert series.failures() == [rows['torchvision']]
    assert len(rows['transformers'].seconds) == 2


def test_an_absent_library_has_a_row(monkeypatch):
    load = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.split('.')[0] == 'transformers':
            raise ModuleNotFoundError("No module named 'transformers'")
        return load(name, *arguments, **options)

    monkeypatch.setattr(builtins, '__import__', refuse)
    series = run('forward')
    last = series.rows[-1]
    assert last.name == 'transformers'
    assert last.problem == "not installed (No module named 'transformers')"
    assert not series.failures()
    assert all(len(row.seconds) == 2 for row in series.rows[:-1])


def test_every_parameter_counts():
    """A reference in which a swapped weight would not show could not be trusted."""
    model = module._ours(ARCH)
    module.randomize(model)
    x = torch.randn(1, 3, 32, 32)
    model(x).square().sum().backward()
    assert all(p.grad.abs().max() > 1e-6 and p.std() > 0 for p in model.parameters())
