"""Charts of what was logged: which there are, how they are named, and what is left of long curves."""

import pytest

from convnext_dense.analysis.page.scalars import main_panels, panels, thinned
from convnext_dense.tasks import TASKS
from tests.helpers.written_runs import LOSS


def by_title(logged, task):
    return {panel['title']: panel for panel in panels(logged, TASKS[task].metrics if task else None)}


@pytest.mark.parametrize(
    ('task', 'values', 'title', 'names', 'step'),
    [
        (
            'classification',
            {'val/raw/top1': [(1, 40.0), (2, 71.26)], 'val/ema/top1': [(1, 30.0)]},
            'Top-1 on unseen images',
            ['raw', 'EMA'],
            'epoch',
        ),
        (
            'detection',
            {'val/raw/box_AP': [(1, 20.0)], 'val/raw/mask_AP': [(1, 1.0)]},
            'AP on unseen images',
            ['boxes, raw', 'masks, raw'],
            'epoch',
        ),
        (
            'segmentation',
            {'val/raw/mIoU': [(20, 20.0), (50, 61.0)]},
            'mIoU on unseen images',
            ['raw'],
            'optimizer step',
        ),
    ],
)
def test_each_task_is_shown_by_its_own_metric(task, values, title, names, step):
    found = by_title({**LOSS, **values, 'val/raw/images': [(1, 9)], 'val/time': [(1, 0.1)]}, task)
    assert list(found) == ['Training loss', title, 'Learning rate']
    assert [one['name'] for one in found[title]['series']] == names
    assert found[title]['x']['label'] == step and found[title]['y']['label'] == '%'
    points = next(iter(values.values()))
    first = found[title]['series'][0]
    assert (first['x'], first['y']) == ([step for step, _ in points], [value for _, value in points])
    assert first['style'] == ('points' if len(points) == 1 else 'line')


def test_groups_that_differ_in_decay_are_one_curve_and_layers_are_in_order():
    lr = {f'train/lr/layer_{i}{end}': [(1, 0.1 * i)] for i in (10, 2) for end in ('_decay', '_no_decay')}
    series = by_title({**LOSS, **lr}, None)['Learning rate']['series']
    assert [one['name'] for one in series] == ["optimizer's own", 'layer 2', 'layer 10']


def test_everything_else_that_was_logged_has_a_chart():
    logged = {
        **LOSS,
        'train/s0.loss_bbox': [(1, 1.0)],
        'train/s0.acc': [(1, 80.0)],
        'train/grad_norm': [(1, 3.0)],
        'train/time': [(1, 0.1)],
        'host_memory': [(1, 2048.0)],
        'val/raw/top5': [(1, 90.0)],
        'epoch': [(1, 1)],
    }
    found = by_title(logged, 'classification')
    assert set(found) == {
        *('Training loss', 'Parts of the loss', 'Other metrics on unseen images', 'Learning rate', 'Time per step'),
        *('Accuracy in training', 'Grad norm', 'Peak memory so far'),
    }
    assert found['Peak memory so far']['series'][0]['y'] == [2.0]


def test_long_curves_keep_their_ends_and_extremes():
    points = [(i, float(i % 10)) for i in range(100_000)]
    points[54_321] = (54_321, 99.0)
    points[77_777] = (77_777, -5.0)
    kept = thinned(points, 200)
    assert len(kept) <= 200 and kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert {(54_321, 99.0), (77_777, -5.0)} <= set(kept)
    assert thinned(points[:200], 200) == points[:200]


def test_runs_are_compared_by_loss_and_main_metric():
    logged = {**LOSS, 'val/raw/top1': [(1, 1.0)], 'val/raw/top5': [(1, 1.0)]}
    assert [panel['title'] for panel in main_panels(logged, TASKS['classification'].metrics)] == [
        'Training loss',
        'Top-1 on unseen images',
    ]


def test_a_loss_is_compared_under_its_own_name_and_without_percent():
    logged = {**LOSS, 'val/raw/reconstruction_loss': [(1, 0.9), (2, 0.8)]}
    for found in (main_panels, panels):
        panel = found(logged, TASKS['pretraining'].metrics)[1]
        assert (panel['title'], panel['y']['label']) == ('Reconstruction loss on unseen images', '')


def test_accuracies_of_a_probe_have_a_chart_of_their_own():
    logged = {
        **LOSS,
        'val/raw/reconstruction_loss': [(1, 0.9), (2, 0.8)],
        'val/raw/linear_top1': [(1, 40.0), (2, 50.0)],
        'val/ema/knn20_top1': [(1, 30.0), (2, 35.0)],
        'val/raw/other': [(1, 1.0)],
    }
    found = by_title(logged, 'pretraining')
    probe = found['Features on labeled images, top-1']
    assert [(one['name'], one['y']) for one in probe['series']] == [
        ('linear probe, raw', [40.0, 50.0]),
        ('20 nearest neighbors, EMA', [30.0, 35.0]),
    ]
    assert probe['main'] and probe['y']['label'] == '%'
    assert [one['name'] for one in found['Other metrics on unseen images']['series']] == ['other, raw']
    assert found['Reconstruction loss on unseen images']['y']['label'] == ''
