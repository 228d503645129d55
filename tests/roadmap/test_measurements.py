"""The roadmap in numbers: what is counted, against independent counts, and what is drawn."""

import json
from pathlib import Path

import pytest

from convnext_dense import paper
from convnext_dense.errors import UserError
from convnext_dense.roadmap import measurements as roadmap
from convnext_dense.roadmap.measurements import document
from convnext_dense.roadmap.steps import TRACKS

BUDGET = dict(
    data='sample', epochs=2, baseline_epochs=1, training_images=1440, validation_images=480, resolution=32, seeds=2
)


@pytest.fixture
def few_steps(monkeypatch):
    """Some steps, the first two of one network."""
    names = ('baseline', 'modern_recipe', 'depthwise_conv', 'kernel_9', 'separate_downsampling')
    track = tuple(step for step in TRACKS['resnet50'] if step.name in names)
    rows = tuple(row for row in paper.ROADMAP['resnet50'] if row.step in names)
    monkeypatch.setattr(roadmap, 'TRACKS', {'resnet50': track})
    monkeypatch.setitem(paper.ROADMAP, 'resnet50', rows)
    return names


@pytest.fixture(scope='module')
def counted():
    return document('resnet50')


def test_what_is_counted_is_what_the_architectures_have(counted):
    steps = {step['step']: step for step in counted['steps']}
    expected = {  # GMACs and 10^6 parameters, counted independently
        'baseline': (4.089, 25.56),
        'modern_recipe': (4.089, 25.56),
        'depthwise_conv': (2.350, 15.72),
        'kernel_9': (4.210, 26.05),
        'separate_downsampling': (4.456, 28.59),
    }
    for step, (macs, params) in expected.items():
        assert steps[step]['macs'] / 1e9 == pytest.approx(macs, abs=6e-4)
        assert steps[step]['params'] / 1e6 == pytest.approx(params, abs=0.006)
    assert steps['depthwise_conv']['published'] == dict(top1=78.28, std=0.08, gmacs=2.35, misprint='')
    assert 'ConvNeXt-T counts 4.46' in steps['separate_downsampling']['published']['misprint']
    assert [name for name, step in steps.items() if not step['kept']] == ['kernel_5', 'kernel_9', 'kernel_11']


def test_an_unknown_track_is_named():
    with pytest.raises(UserError, match="no track 'resnet18': take one of resnet50, resnet200"):
        document('resnet18')


@pytest.mark.usefixtures('few_steps')
def test_numbers_come_with_their_spread(monkeypatch):
    monkeypatch.setattr(roadmap, '_count', lambda *args: (1, 1))
    rates = {step.name: [3.0, 1.0, 2.0] for step in roadmap.TRACKS['resnet50']}
    training = dict(BUDGET, top1={'kernel_9': {'0': 40.0, '1': 44.0}, 'baseline': {'0': 30.0}})
    content = document('resnet50', dict(images_per_second=rates, batch=8), training)
    steps = {step['step']: step for step in content['steps']}
    assert (content['timing'], content['training']) == (dict(batch=8), BUDGET)
    assert steps['kernel_9']['images_per_second'] == dict(median=2.0, min=1.0, max=3.0)
    assert steps['kernel_9']['measured_top1'] == dict(
        mean=42.0, std=pytest.approx(8**0.5), by_seed={'0': 40.0, '1': 44.0}
    )
    assert steps['baseline']['measured_top1'] == dict(mean=30.0, std=None, by_seed={'0': 30.0})
    assert 'measured_top1' not in steps['depthwise_conv']


def test_the_readme_s_image_is_of_these_numbers(counted):
    file = Path(__file__).parents[2] / 'benchmarks' / 'roadmap_resnet50.json'
    assert counted == json.loads(file.read_text())
