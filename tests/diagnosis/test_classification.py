"""Numbers of classifiers against the metric of evaluations, loops, and hand-made cases."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score

from convnext_dense.diagnosis.classification import ConfidentError, Predictions, flips
from convnext_dense.diagnosis.intervals import bootstrap, most_changed, paired_bootstrap
from convnext_dense.diagnosis.records import ClassifiedImage, same_images
from convnext_dense.errors import UserError
from convnext_dense.evaluation import Accuracy

NAMES = [f'c{k}' for k in range(6)]


def image(path: str, scores: list[float], label: int) -> ClassifiedImage:
    return ClassifiedImage(path, np.array(scores, np.float32), label)


def random_images(number: int = 200, seed: int = 0) -> list[ClassifiedImage]:
    """Scores with ties, of six classes, the last one without images."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 5, number)
    logits = generator.integers(0, 4, (number, 6)).astype(np.float64)
    logits[np.arange(number), labels] += 1.5 * (generator.random(number) < 0.6)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return [
        image(f'{i}.jpg', row.tolist(), int(label)) for i, (row, label) in enumerate(zip(scores, labels, strict=True))
    ]


def metric_of(images: list[ClassifiedImage]) -> dict[str, float]:
    metric = Accuracy()
    metric.process(None, [{'scores': one.scores, 'label': one.label} for one in images])
    return metric.compute_metrics(metric.results)


def test_the_numbers_are_those_of_the_evaluation():
    images = random_images()
    predictions = Predictions.of(images, 6)
    measure = predictions.measure(NAMES)
    values = dict(zip(measure.quantities, measure.values(), strict=True))
    expected = metric_of(images)
    assert {name: values[(name, None, False)] for name in ('top1', 'top5', 'mean_class_top1')} == pytest.approx(
        {name: expected[name] for name in ('top1', 'top5', 'mean_class_top1')}
    )
    confusion = predictions.confusion
    assert 100 * confusion.right.sum() / 200 == pytest.approx(expected['top1'])
    by_class = [values['recall', name, False] for name in NAMES]
    assert by_class == pytest.approx(100 * confusion.recall, nan_ok=True) and np.isnan(by_class[5])
    assert values['calibration_error', None, True] == pytest.approx(100 * predictions.reliability().error)
    labels = predictions.labels, predictions.predicted
    assert values['macro_F1', None, False] == pytest.approx(100 * f1_score(*labels, average='macro'))
    for metric, score in (('precision', precision_score), ('F1', f1_score)):
        expected = score(*labels, labels=range(6), average=None, zero_division=np.nan)
        assert [values[metric, name, False] for name in NAMES] == pytest.approx(100 * expected, nan_ok=True)
    means = predictions.measure(NAMES, by_class=False)
    assert means.values() == pytest.approx(measure.values()[:5]) and len(means.quantities) == 5


def test_images_that_count_twice():
    """Numbers with multiplicities are those of the list with repeated images."""
    images = random_images(40)
    counts = np.random.default_rng(1).multinomial(40, [1 / 40] * 40, 3)
    measure = Predictions.of(images, 6).measure(NAMES)
    for row, values in zip(counts, measure.compute(counts), strict=True):
        repeated = [one for one, times in zip(images, row, strict=True) for _ in range(times)]
        expected = Predictions.of(repeated, 6).measure(NAMES).values()
        assert values == pytest.approx(expected, nan_ok=True)
        metric = metric_of(repeated)
        assert values[:3] == pytest.approx([metric['top1'], metric['top5'], metric['mean_class_top1']])
    assert len(bootstrap(measure, resamples=5)) == len(measure.quantities) == 23


def test_what_is_predicted_by_hand():
    images = [
        image('right', [0.1, 0.7, 0.2], 1),
        image('wrong', [0.1, 0.7, 0.2], 2),
        image('last', [0.3, 0.6, 0.1], 2),
        image('tie', [0.4, 0.4, 0.2], 0),
        image('above', [0, 1.000001, 0], 0),
    ]
    predictions = Predictions.of(images, 3)
    assert predictions.predicted.tolist() == [1, 1, 1, 1, 1]
    assert predictions.ranks.tolist() == [0, 1, 2, 1, 2]
    assert predictions.confidence == pytest.approx([0.7, 0.7, 0.6, 0.4, 1]) and predictions.confidence.max() == 1
    assert predictions.true_scores == pytest.approx([0.7, 0.2, 0.1, 0.4, 0])
    assert predictions.confusion.matrix()[:3, :3].tolist() == [[0, 2, 0], [0, 1, 0], [0, 2, 0]]
    errors = predictions.confident_errors(10)
    assert [error.path for error in errors] == ['above', 'wrong', 'last', 'tie']
    assert errors[1] == ConfidentError('wrong', 2, 1, *np.array([0.7, 0.2], np.float32).tolist())
    assert predictions.confident_errors(2) == errors[:2]


def test_equal_confidence_is_ranked_by_the_true_class():
    images = [image('a', [0.5, 0.3, 0.2], 1), image('b', [0.5, 0.3, 0.2], 2)]
    assert [error.path for error in Predictions.of(images, 3).confident_errors(5)] == ['b', 'a']


def test_images_that_flip():
    before = [image('a', [0.9, 0.1], 0), image('b', [0.9, 0.1], 1), image('c', [0.9, 0.1], 0), image('d', [1, 0], 1)]
    after = [image('a', [0.1, 0.9], 0), image('b', [0.2, 0.8], 1), image('c', [0.6, 0.4], 0), image('d', [1, 0], 1)]
    assert flips(Predictions.of(before, 2), Predictions.of(after, 2)) == (['b'], ['a'])


def test_two_runs():
    """The second run gets ten of forty images right that the first one does not, all of class 1, in another order."""
    before = [image(f'{i}', [0.6, 0.4] if i < 30 else [0.3, 0.7], i // 20) for i in range(40)]
    after = [image(f'{i}', [0.6, 0.4] if i < 20 else [0.2, 0.8], i // 20) for i in reversed(range(40))]
    first, second = (Predictions.of(run, 2) for run in zip(*same_images(before, after), strict=True))
    differences = paired_bootstrap(first.measure(['cat', 'dog']), second.measure(['cat', 'dog']))
    found = {(d.quantity.metric, d.quantity.class_name): (d.difference, d.clear, d.in_favor) for d in differences}
    assert found['top1', None] == pytest.approx((25, True, 1))
    assert found['recall', 'cat'] == (0, False, 0.5) and found['recall', 'dog'] == pytest.approx((50, True, 1))
    assert flips(first, second) == ([f'{i}' for i in range(20, 30)], [])
    changed = most_changed(first.paths, first.true_scores, second.true_scores, 100)
    assert [one.path for one in changed] == [f'{i}' for i in range(20, 40)]
    assert changed[0][1:] == pytest.approx((0.4, 0.8)) and changed[-1][1:] == pytest.approx((0.7, 0.8))


def test_one_class_and_no_images():
    single = Predictions.of([image('a', [1.0], 0)], 1)
    assert single.predicted.tolist() == [0] and single.measure(['cat']).values().tolist() == [
        100,
        100,
        0,
        100,
        100,
        100,
        100,
    ]
    nothing = Predictions.of([], 3)
    assert nothing.confident_errors(3) == [] and nothing.confusion.largest(3) == []
    assert np.isnan(nothing.measure(NAMES[:3]).values()).all() and np.isnan(nothing.reliability().error)


@pytest.mark.parametrize(
    ('scores', 'shown'), [([0.5, np.nan], 'nan to nan'), ([3.5, -1.25], '-1.25 to 3.5'), ([0.5, np.inf], '0.5 to inf')]
)
def test_scores_that_are_no_probabilities_are_refused(scores, shown):
    with pytest.raises(UserError) as error:
        Predictions.of([image('a.jpg', scores, 0)], 2)
    assert str(error.value) == (
        f'a.jpg: scores from {shown} are no probabilities: check the weights, and that the model ends with a softmax'
    )


@pytest.mark.parametrize(('classes', 'label'), [(3, 0), (2, 2), (2, -1)])
def test_other_classes_are_refused(classes, label):
    with pytest.raises(ValueError, match=f'a.jpg: 2 scores and label {label}, but there are {classes} classes'):
        Predictions.of([image('a.jpg', [0.5, 0.5], label)], classes)
