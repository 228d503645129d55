import numpy as np
import pytest

from convnext_dense.diagnosis.records import ClassifiedImage
from convnext_dense.diagnosis.suspects import suspect_images


def images_of(scores, labels):
    rows = zip(np.asarray(scores, np.float32), labels, strict=True)
    return [ClassifiedImage(f'{number:04}', row, int(label)) for number, (row, label) in enumerate(rows)]


def test_a_class_that_is_never_sure_needs_no_high_score():
    # Mean scores of the labels: 0.7 for class 0, 0.4 for class 1.
    scores = [(0.9, 0.1), (0.8, 0.2), (0.4, 0.6), (0.6, 0.4), (0.65, 0.35), (0.55, 0.45)]
    labels = [0, 0, 0, 1, 1, 1]
    assert np.mean([0.9, 0.8, 0.4]) == pytest.approx(0.7) and np.mean([0.4, 0.35, 0.45]) == pytest.approx(0.4)
    (only,) = suspect_images(images_of(scores, labels))  # 0003 to 0005 look like class 0, but not like a sure one
    assert (only.path, only.kind, only.label, only.suggested) == ('0002', 'class', 0, 1)
    assert only.strength == pytest.approx(0.2)


def test_suspects_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    scores = rng.dirichlet(np.ones(5), 200).astype(np.float32)  # the fifth class has no images
    expected = {}
    means = [scores[labels == k, k].astype(np.float64).mean() for k in range(4)]
    for number in range(200):
        above = [(scores[number, k], k) for k in range(4) if scores[number, k] >= means[k]]
        if above and max(above)[1] != labels[number] and max(above)[0] > scores[number, labels[number]]:
            expected[f'{number:04}'] = (max(above)[1], max(above)[0] - scores[number, labels[number]])
    found = suspect_images(images_of(scores, labels))
    assert {one.path: (one.suggested, pytest.approx(one.strength)) for one in found} == expected
    assert len(found) > 50
    assert [one.strength for one in found] == sorted((one.strength for one in found), reverse=True)
    assert suspect_images([]) == []


def test_most_of_the_wrong_labels_are_the_first_suspects():
    """5% wrong labels, and a classifier that is right about 85% of the images: half of them at least come first."""
    rng = np.random.default_rng(1)
    count, classes = 1000, 5
    true = rng.integers(0, classes, count)
    logits = rng.normal(0, 1.3, (count, classes))
    logits[np.arange(count), true] += 3
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert 0.8 < (scores.argmax(axis=1) == true).mean() < 0.9
    wrong = rng.choice(count, 50, replace=False)
    labels = true.copy()
    labels[wrong] = (true[wrong] + rng.integers(1, classes, 50)) % classes
    first = [int(one.path) for one in suspect_images(images_of(scores, labels))[:50]]
    assert len(set(first) & set(wrong.tolist())) / 50 >= 0.5
