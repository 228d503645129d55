"""The linear probe of a classifier: its held-out images, and the measurements."""

import numpy as np
import pytest
import torch

from convnext_dense.data.splits import split
from convnext_dense.engine.linear_probe import Features, cached_features, hold_out, measure
from convnext_dense.errors import UserError
from convnext_dense.models.classifier import MlpHead
from convnext_dense.probe.linear import Problem
from tests.helpers.small_classifier import classifier


def features(labels: list[int], folder: str = '/data', seed: int = 0) -> Features:
    """Features of 16 channels in which classes overlap."""
    rng = np.random.default_rng(seed)
    own = np.array(labels)
    centers = np.random.default_rng(99).normal(size=(5, 16))
    values = (centers[own] + 1.5 * rng.normal(size=(len(own), 16))).astype(np.float32)
    return Features([f'{folder}/{label}/{i:03d}.jpg' for i, label in enumerate(labels)], values, own, 0, [])


def test_a_fifth_of_each_class_is_held_out_by_name_and_seed():
    labels = [0] * 50 + [1] * 10 + [2] * 1 + [3] * 4
    train = features(labels)
    held_out = hold_out(train, seed=0)
    assert np.bincount(train.labels[held_out], minlength=4).tolist()[:3] == [10, 2, 0]
    assert np.array_equal(hold_out(features(labels, '/elsewhere/data'), seed=0), held_out)
    assert not np.array_equal(hold_out(train, seed=1), held_out)


def test_too_few_images_to_hold_some_out():
    with pytest.raises(UserError, match=r'^3 training images are too few .*--l2 0\.01$'):
        hold_out(features([0, 1, 2]), seed=0)


def test_the_head_is_the_fit_to_all_images_with_the_chosen_strength():
    train, val = features([0, 1, 2, 3, 4] * 20), features([0, 1, 2, 3, 4] * 8, seed=1)
    model = classifier(5)
    measured = measure(model, train, val, (1e-3, 1e-1, 10.0))
    assert measured.converged and measured.strength in (1e-3, 1e-1, 10.0) and len(measured.tried) == 3
    problem = Problem(train.values, train.labels, 5)
    weight, bias = problem.layer(problem.fit(measured.strength))
    torch.testing.assert_close(model.head.weight.detach(), weight.float())
    torch.testing.assert_close(model.head.bias.detach(), bias.float())
    logits = torch.from_numpy(val.values).double() @ weight.T + bias
    truth = torch.from_numpy(val.labels)
    assert measured.metrics['top1'] == pytest.approx(100 * (logits.argmax(1) == truth).double().mean().item())
    assert measured.metrics['top5'] == 100 and measured.metrics['images'] == 40


def test_neighbors_are_counted_on_the_validation_images_and_never_more_than_there_are():
    train, val = features([0, 1, 2, 3, 4] * 3), features([0, 1, 2, 3, 4] * 8, seed=1)
    measured = measure(classifier(5), train, val, (0.1,))
    assert measured.tried == [] and measured.strength == 0.1
    assert measured.knn.keys() == {10}  # of 15 images
    unit = [own.values / np.linalg.norm(own.values, axis=1, keepdims=True) for own in (val, train)]
    similarity = unit[0] @ unit[1].T
    right = 0
    for row, label in zip(similarity, val.labels, strict=True):
        near = np.argsort(-row)[:10]
        votes = np.bincount(train.labels[near], np.exp(row[near] / 0.07), minlength=5)
        right += votes.argmax() == label
    assert measured.knn[10] == pytest.approx(100 * right / 40)


def test_names_are_split_as_data_sets_are():
    train = features([0] * 20 + [1] * 20)
    from convnext_dense.data.splits import SplitRule

    names = [path.removeprefix('/data') for path in train.paths]
    _, expected = split(names, [(str(label),) for label in train.labels], SplitRule(0.2, seed=4))
    held_out = hold_out(train, seed=4)
    assert sorted(name for name, is_held in zip(names, held_out, strict=True) if is_held) == expected


def test_a_head_with_a_hidden_layer_is_refused_before_anything_is_computed(tmp_path):
    model = classifier(5)
    model.head = MlpHead(16, 16, 5)
    data = features([0, 1, 2, 3, 4] * 4)
    said = r'^the head has a hidden layer of 16 channels, .*: leave model\.head_hidden_size out$'
    with pytest.raises(UserError, match=said):
        measure(model, data, data, (0.1,))
    with pytest.raises(UserError, match=said):
        cached_features(model, [], {}, tmp_path / 'features', None, 'train')
    assert not (tmp_path / 'features').exists()
