"""What is found about a classifier, against scikit-learn and by hand."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score, top_k_accuracy_score

from convnext_dense.diagnosis.findings.classification import find
from convnext_dense.diagnosis.records import NO_LABEL, ClassifiedImage

NAMES = [f'c{k}' for k in range(7)]


def random_images(number: int = 150, seed: int = 0) -> list[ClassifiedImage]:
    """Images of six of seven classes, of which c1 is often taken for c2."""
    rng = np.random.default_rng(seed)
    images = []
    for i in range(number):
        label = int(rng.integers(6))
        z = rng.normal(0, 1, 7)
        z[label] += 1.2
        z[2] += 1.8 * (label == 1)
        e = np.exp(2 * z)
        images.append(ClassifiedImage(f'{i:03}.jpg', (e / e.sum()).astype(np.float32), label))
    return images


def section(findings, name):
    return next(one for one in findings.sections if one.id == name)


def cells(table, name):
    column = [one.name for one in table.columns].index(name)
    return [row[column] for row in table.rows]


def as_json(findings) -> str:
    return json.dumps([dataclasses.asdict(s) for s in findings.sections + findings.headlines], allow_nan=False)


def test_headlines_and_classes_are_those_of_scikit_learn():
    images = random_images()
    findings = find(images, NAMES, resamples=100)
    labels, scores = [image.label for image in images], np.stack([image.scores for image in images])
    predicted = scores.argmax(axis=1)
    values = {one.name: one.value for one in findings.headlines}
    confidence, right = scores.max(axis=1), predicted == labels
    bins = np.clip(np.ceil(confidence * 15) - 1, 0, 14)
    error = sum(abs(confidence[bins == b].sum() - right[bins == b].sum()) for b in range(15)) / len(images)
    assert values == pytest.approx(
        {
            'top-1': 100 * right.mean(),
            'top-5': 100 * top_k_accuracy_score(labels, scores, k=5, labels=range(7)),
            'mean recall of classes': 100 * balanced_accuracy_score(labels, predicted),
            'macro F1': 100 * f1_score(labels, predicted, average='macro'),
            'calibration error': 100 * error,
        },
        abs=1e-4,
    )
    assert all(one.low < one.value < one.high for one in findings.headlines)
    assert [one.name for one in findings.headlines if one.lower_is_better] == ['calibration error']
    table = section(findings, 'classes').blocks[0]
    options = dict(labels=range(7), average=None, zero_division=np.nan)
    for name, score in (('Recall', recall_score), ('Precision', precision_score), ('F1', f1_score)):
        expected = [None if np.isnan(v) else 100 * v for v in score(labels, predicted, **options)]
        shown = cells(table, name)
        assert [v is None for v in shown] == [v is None for v in expected]
        assert [v for v in shown if v is not None] == pytest.approx([v for v in expected if v is not None])
        for value, low, high in zip(shown, cells(table, f'{name} from'), cells(table, f'{name} to'), strict=True):
            assert value is None or (low is None and high is None) or (low < high and low <= value <= high)
    assert cells(table, 'Examples') == np.bincount(labels, minlength=7).tolist()
    assert cells(table, 'Predicted') == np.bincount(predicted, minlength=7).tolist()
    assert 'nothing can be said about c6' in section(findings, 'classes').blocks[1].text
    as_json(findings)


def test_leads_say_what_the_numbers_say():
    findings = find(random_images(), NAMES, resamples=50)
    matrix, table = section(findings, 'confusions').blocks
    true, predicted, times, of_class, of_errors = table.rows[0]
    assert (true, predicted) == ('c1', 'c2') and times == matrix.counts[1][2] == max(
        matrix.counts[i][j] for i in range(7) for j in range(7) if i != j
    )
    errors = sum(map(sum, matrix.counts)) - sum(matrix.counts[k][k] for k in range(7))
    assert of_errors == pytest.approx(100 * times / errors) and of_class == pytest.approx(
        100 * times / sum(matrix.counts[1])
    )
    assert section(findings, 'confusions').lead == (
        f'{of_errors:.0f}% of the errors are c1 taken for c2 ({times} images, {of_class:.0f}% of all c1).'
    )
    assert section(findings, 'errors').lead.startswith(f'{errors} of 150 images are predicted wrong')
    diagram = section(findings, 'calibration').blocks[0]
    assert all(0 <= y <= 1 for series in diagram.series for y in series.y)
    assert findings.facts.confusions[0].share_of_errors == of_errors


@pytest.mark.parametrize(
    ('confidence', 'words'),
    [
        (
            0.95,
            'too sure of itself: its confidence is 95% in the mean, and 75% is right; the calibration error is 20%.',
        ),
        (0.76, 'about as sure as it is right: its confidence is 76% in the mean, and 75% is right'),
        (0.6, 'less sure of itself than it could be: its confidence is 60% in the mean, and 75% is right'),
    ],
)
def test_confidence(confidence, words):
    images = [
        ClassifiedImage(f'{i}', np.array([confidence, 1 - confidence], np.float32), int(i < 25)) for i in range(100)
    ]
    findings = find(images, ['a', 'b'], resamples=20)
    assert words in section(findings, 'calibration').lead
    assert findings.facts.overconfidence == pytest.approx(100 * confidence - 75)


def test_images_and_galleries_by_hand():
    scores = {'sure': ([0.02, 0.98], 0), 'right': ([0.1, 0.9], 1), 'near': ([0.45, 0.55], 0), 'good': ([0.9, 0.1], 0)}
    images = [ClassifiedImage(p, np.array(s, np.float32), label) for p, (s, label) in scores.items()]
    findings = find(images, ['a', 'b'], resamples=20)
    assert findings.values == pytest.approx({'sure': 2, 'right': 90, 'near': 45, 'good': 90})
    assert findings.image_findings['sure'] == ['wrong', 'confident error', 'label contradicted strongly']
    assert findings.image_findings['near'] == ['wrong'] and findings.image_findings['right'] == []
    (gallery,) = section(findings, 'errors').blocks
    assert gallery.images == [0, 2] and gallery.captions[0] == 'a, predicted as b (0.98; a 0.02)'
    assert findings.suspects[0].path == 'sure' and findings.facts.suspects == 1


def test_images_without_labels():
    images = random_images(40)
    some = [dataclasses.replace(one, label=NO_LABEL) if i < 10 else one for i, one in enumerate(images)]
    findings = find(some, NAMES, resamples=20)
    assert findings.facts.images == 30 and findings.values[some[0].path] is None
    assert '10 images without a label' in section(findings, 'classes').blocks[-1].text
    assert min(section(findings, 'errors').blocks[0].images) >= 10
    none = find([dataclasses.replace(one, label=NO_LABEL) for one in images], NAMES)
    (only,) = none.sections
    assert only.lead.startswith('The images have no labels') and none.headlines == [] and none.suspects == []
    assert cells(only.blocks[0], 'Predicted') == np.bincount([i.scores.argmax() for i in images], minlength=7).tolist()
    assert find([], NAMES).sections[0].lead == 'There are no images, so that nothing can be said.'
    as_json(none)


def test_one_class_and_no_errors():
    findings = find([ClassifiedImage('a', np.ones(1, np.float32), 0)], ['a'], resamples=20)
    assert findings.headlines[0].value == 100 and findings.headlines[0].low is None
    assert section(findings, 'confusions').lead == 'There is one class, which can be confused with no other one.'
    two = [ClassifiedImage(str(k), np.eye(2, dtype=np.float32)[k], k) for k in (0, 1)]
    assert section(find(two, ['a', 'b'], 20), 'confusions').lead == 'All images are predicted right.'
    assert section(find(two, ['a', 'b'], 20), 'errors').lead == 'No image is predicted wrong.'


def test_thousands_of_classes_have_no_intervals_of_their_own():
    names = [str(k) for k in range(2500)]
    rng = np.random.default_rng(0)
    images = []
    for i in range(20):
        scores = np.full(2500, 1e-5, np.float32)
        scores[rng.integers(3)] = 0.9
        images.append(ClassifiedImage(f'{i}', scores, int(rng.integers(3))))
    findings = find(images, names, resamples=20)
    classes = section(findings, 'classes')
    assert len(classes.blocks[0].rows) == 2500 and set(cells(classes.blocks[0], 'F1 to')) == {None}
    assert len(section(findings, 'confusions').blocks[0].rows) == 40
    assert findings.headlines[0].low is not None
