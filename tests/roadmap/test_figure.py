"""The figure of the roadmap."""

import pytest
from matplotlib.patches import Rectangle

from convnext_dense import paper
from convnext_dense.roadmap import measurements as roadmap
from convnext_dense.roadmap.figure import draw
from convnext_dense.roadmap.measurements import document
from convnext_dense.roadmap.steps import TRACKS

BUDGET = dict(
    data='sample', epochs=2, baseline_epochs=1, training_images=1440, validation_images=480, resolution=32, seeds=2
)


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
        'Measured: 2 epochs (of the old recipe: 1) of 1,440 images of the drawn sample at 32, tested on 480 others; '
        'mean and standard deviation of 2 seeds'
    )
