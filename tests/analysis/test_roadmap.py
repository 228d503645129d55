"""The roadmap in numbers: what is counted against independent counts, what is timed, what is drawn."""

import pytest
import torch
from matplotlib.patches import Rectangle

from convnext_dense import paper
from convnext_dense.analysis import roadmap
from convnext_dense.analysis.roadmap import document, throughput
from convnext_dense.analysis.roadmap_figure import draw
from convnext_dense.errors import UserError
from convnext_dense.models.roadmap import TRACKS

BUDGET = dict(
    data='sample', epochs=2, baseline_epochs=1, training_pictures=1440, validation_pictures=480, resolution=32, seeds=2
)


@pytest.fixture
def few_steps(monkeypatch):
    """Some steps, so that counting takes less than a second."""
    names = ('baseline', 'modern_recipe', 'depthwise_conv', 'kernel_9', 'separate_downsampling')
    track = tuple(step for step in TRACKS['resnet50'] if step.name in names)
    rows = tuple(row for row in paper.ROADMAP['resnet50'] if row.step in names)
    monkeypatch.setattr(roadmap, 'TRACKS', {'resnet50': track})
    monkeypatch.setitem(paper.ROADMAP, 'resnet50', rows)
    return names


@pytest.mark.usefixtures('few_steps')
def test_what_is_counted_is_what_the_architectures_have():
    steps = {step['step']: step for step in document('resnet50')['steps']}
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
    assert [name for name, step in steps.items() if not step['kept']] == ['kernel_9']


def test_an_unknown_track_is_named():
    with pytest.raises(UserError, match="no track 'resnet18': take one of resnet50, resnet200"):
        document('resnet18')


def test_networks_are_timed_in_turns(few_steps, monkeypatch):
    ran = []

    class Clock:
        """Runs nothing; a network is as slow as its place in the first round."""

        def __init__(self, stmt, globals, num_threads):
            assert (stmt, num_threads) == ('model(pictures)', torch.get_num_threads())
            assert globals['pictures'].shape == (4, 3, 224, 224)
            self.seconds = 0.05 * (1 + len(set(ran)))

        def timeit(self, runs):
            ran.append((id(self), runs))
            return self

        mean = property(lambda self: self.seconds)

    monkeypatch.setattr(roadmap, 'Timer', Clock)
    monkeypatch.setattr(roadmap, '_classifier', lambda track, step: torch.nn.Identity())
    timing = throughput('resnet50', batch=4)
    assert (timing['batch'], timing['rounds'], timing['device']) == (4, 7, 'cpu')
    assert timing['images_per_second'].keys() == set(few_steps)
    assert timing['images_per_second']['baseline'] == pytest.approx([4 / 0.05] * 7)
    assert timing['images_per_second']['modern_recipe'] == timing['images_per_second']['baseline']  # the same network
    turns = ran[4:]
    assert turns[:4] == turns[4:8] == turns[-4:]
    assert len(set(turns[:4])) == 4
    assert turns[0][1] == 4  # 0.2 seconds


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


def bars(axes) -> list[float]:
    return [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize('track', TRACKS)
def test_the_figure_shows_the_numbers_and_says_where_they_are_from(track, monkeypatch):
    monkeypatch.setattr(roadmap, '_count', lambda track, step: (1, len(step) * 10**9))
    content = document(track)
    published, macs = draw(content).axes
    assert bars(published) == [row.top1 for row in paper.ROADMAP[track]]
    table = {'resnet50': 'table 10', 'resnet200': 'table 11'}[track]
    assert any('PUBLISHED' in text.get_text() and table in text.get_text() for text in published.texts)
    assert any('COUNTED' in text.get_text() for text in macs.texts)
    kept = [step for step in TRACKS[track] if step.kept]
    assert list(macs.lines[0].get_xdata()) == [len(step.name) for step in kept]
    hatched = [step.name for step, bar in zip(TRACKS[track], published.patches, strict=True) if bar.get_hatch()]
    assert hatched == ['kernel_5', 'kernel_9', 'kernel_11']


def test_measured_accuracies_have_a_panel_of_their_own(monkeypatch):
    monkeypatch.setattr(roadmap, '_count', lambda track, step: (1, 10**9))
    figure = draw(document('resnet50', training=dict(BUDGET, top1={'gelu': {'0': 40.0, '1': 44.0}})))
    measured = figure.axes[1]
    assert [bar for bar in bars(measured) if bar == bar] == [42.0]
    assert any('MEASURED' in text.get_text() for text in measured.texts)
    assert figure.get_supxlabel() == (
        'Measured: 2 epochs (of the old recipe: 1) of 1,440 pictures of the drawn sample at 32, tested on 480 others; '
        'mean and standard deviation of 2 seeds'
    )
