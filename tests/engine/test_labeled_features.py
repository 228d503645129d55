"""Measurements of features during training, against scikit-learn on features that are computed image by image."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from convnext_dense.data.classification.probed import find_probed
from convnext_dense.engine import labeled_features
from convnext_dense.engine.labeled_features import LabeledFeatures, Loading
from convnext_dense.errors import UserError
from convnext_dense.models import FCMAE
from convnext_dense.registry import MODELS
from tests.helpers.probed_images import Unlabeled, write_classes

BACKBONE = dict(type='convnext_dense.ConvNeXt', arch=dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16]), version=2)
LOADING = Loading(batch_size=7, workers=0)


def model() -> FCMAE:
    torch.manual_seed(1)
    built = MODELS.build(dict(type='convnext_dense.FCMAE', backbone=BACKBONE, decoder_dim=16))
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built


def features_of(built: FCMAE, paths: list[str]) -> np.ndarray:
    """Of each image alone: average over all positions of the encoder's output, without mean, of variance 1."""
    transform = Unlabeled().transform
    rows = []
    for path in paths:
        with torch.no_grad(), Image.open(path) as image:
            maps = built.eval().backbone(transform(image.convert('RGB'))[None])[0]
        pooled = maps.double().flatten(1).numpy().mean(1)
        rows.append((pooled - pooled.mean()) / np.sqrt(pooled.var() + 1e-6))
    return np.array(rows)


@pytest.fixture
def files(tmp_path):
    return find_probed(write_classes(tmp_path / 'classes', spread=25))


def test_accuracies_are_those_of_scikit_learn(files, monkeypatch):
    monkeypatch.setattr(labeled_features, 'STRENGTHS', (0.05,))
    measured = LabeledFeatures(files, Unlabeled(), LOADING).measure(model())
    x, x_val = (features_of(model(), part.paths) for part in (files.train, files.val))
    y, y_val = files.train.labels, files.val.labels
    scaler = StandardScaler().fit(x)
    fitted = LogisticRegression(C=1 / (0.05 * len(x)), tol=1e-10, max_iter=10_000).fit(scaler.transform(x), y)
    assert measured.keys() == {'linear_top1', 'knn10_top1', 'knn20_top1'}
    assert measured['linear_top1'] == pytest.approx(100 * fitted.score(scaler.transform(x_val), y_val))
    for k in (10, 20):
        near = KNeighborsClassifier(
            k, metric='cosine', algorithm='brute', weights=lambda distance: np.exp((1 - distance) / 0.07)
        )
        assert measured[f'knn{k}_top1'] == pytest.approx(100 * near.fit(x, y).score(x_val, y_val))
    assert 40 < measured['linear_top1'] < 100  # neither chance nor saturated, or an error would not be seen


def test_again_is_the_same_to_the_bit_from_memory_and_from_files_in_workers_too(files, monkeypatch):
    probe = LabeledFeatures(files, Unlabeled(), LOADING)
    built = model()
    values, is_read = probe._compute(built.eval(), lambda: None)
    assert is_read.all() and len(values) == 60
    np.testing.assert_allclose(
        values, features_of(built, [*files.train.paths, *files.val.paths]), rtol=1e-4, atol=1e-5
    )
    measured = probe.measure(built)
    for path in [*files.train.paths, *files.val.paths]:
        Path(path).rename(path + '.away')
    assert probe.measure(built) == measured
    for path in [*files.train.paths, *files.val.paths]:
        Path(path + '.away').rename(path)
    monkeypatch.setattr(labeled_features, 'KEPT_BYTES', 10 * 32 * 32 * 3)  # of 10 images
    monkeypatch.setattr(labeled_features, 'FEW', 0)
    small = LabeledFeatures(files, Unlabeled(), LOADING._replace(workers=2))
    for _ in range(2):
        assert np.array_equal(small._compute(built, lambda: None)[0], values)
        assert len(small._kept) == 10


def test_random_numbers_go_on_as_without(files):
    def drawn() -> tuple:
        return random.random(), np.random.random(), torch.rand(1).item()

    probe, built = LabeledFeatures(files, Unlabeled(), LOADING), model()
    seeds = [], []
    for measures, own in zip((True, False), seeds, strict=True):
        random.seed(5), np.random.seed(5), torch.manual_seed(5)
        if measures:
            weights = {name: tensor.clone() for name, tensor in built.state_dict().items()}
            probe.measure(built)
            assert all(torch.equal(tensor, weights[name]) for name, tensor in built.state_dict().items())
        own.append(drawn())
    assert seeds[0] == seeds[1]


def test_processes_share_the_images_in_equally_many_batches(files, monkeypatch):
    calls = []
    probe = LabeledFeatures(files, Unlabeled(), LOADING)
    whole, _ = probe._compute(model().eval(), lambda: calls.append(1))
    assert len(calls) == 9  # 60 images, 7 at a time
    found, batches = [], []

    def gather(own: tuple) -> list:
        found.append(own)
        return found

    monkeypatch.setattr(labeled_features, 'get_world_size', lambda: 7)
    monkeypatch.setattr(labeled_features, 'all_gather_object', gather)
    for rank in range(7):
        monkeypatch.setattr(labeled_features, 'get_rank', lambda rank=rank: rank)
        calls.clear()
        values, is_read = LabeledFeatures(files, Unlabeled(), Loading(4, 0))._compute(
            model().eval(), lambda: calls.append(1)
        )
        batches.append(len(calls))
    assert batches == [3] * 7  # of 9 images, since 3 of the 60 are of two processes
    assert is_read.all()
    np.testing.assert_allclose(values, whole, rtol=1e-4, atol=1e-5)


def test_unreadable_images_are_left_out_or_end_the_run(files):
    broken = files.train.paths[3]
    Path(broken).write_bytes(b'no image')
    with pytest.raises(UserError, match=rf'bad image {broken}.*--on-bad-image skip'):
        LabeledFeatures(files, Unlabeled(), LOADING).measure(model())
    probe = LabeledFeatures(files, Unlabeled(on_bad_image='skip'), LOADING)
    _, is_read = probe._compute(model().eval(), lambda: None)
    assert probe.skipped == [broken] and np.flatnonzero(~is_read).tolist() == [3]
    assert probe.measure(model())['linear_top1'] > 0
    for path in files.val.paths:
        Path(path).write_bytes(b'no image')
    with pytest.raises(UserError, match=r'^--probe: no image to measure on can be read'):
        LabeledFeatures(files, Unlabeled(on_bad_image='skip'), LOADING).measure(model())


def test_few_images_have_a_fixed_strength_and_no_neighbors(tmp_path):
    files = find_probed(write_classes(tmp_path / 'few', count=2))
    assert len(files.train.paths) < 10
    probe = LabeledFeatures(files, Unlabeled(), LOADING)
    assert probe.measure(model()).keys() <= {'linear_top1', 'linear_mean_class_top1'}


def test_weights_that_diverged_measure_nothing(files):
    built = model()
    torch.nn.init.constant_(built.backbone.stages[3][0].dwconv.bias, torch.nan)
    assert LabeledFeatures(files, Unlabeled(), LOADING).measure(built) is None
