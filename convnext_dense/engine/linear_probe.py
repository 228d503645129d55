"""The linear probe of a classifier's backbone: features of its data, the fitted head, and the measurements."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import ConfigDict
from torch import nn

from ..counting import counted
from ..data.splits import SplitRule, assign_parts
from ..errors import UserError
from ..evaluation import Accuracy
from ..io.progress import busy, progress_bar
from ..models.classifier import MlpHead
from ..probe.cache import FeatureCache, file_state
from ..probe.features import compute_features
from ..probe.identity import identity_of
from ..probe.knn import NEIGHBORS, nearest, vote
from ..probe.linear import CHUNK, STRENGTHS, Problem, Tried, best_of, try_strengths
from ..version import __version__
from .runner import Runner
from .workers import explain_dead_workers

HELD_OUT = 0.2
"""Share of each class's training images by which the strength of the regularization is chosen."""


class Features(NamedTuple):
    """Features and labels of the readable images of some data."""

    paths: list[str]
    values: np.ndarray
    """float32 (N, C), mapped from the disk."""
    labels: np.ndarray
    """(N,)."""
    computed: int
    """Number of images whose features were not in the cache."""
    skipped: list[str]
    """Paths of unreadable images."""


class Measured(NamedTuple):
    """The results of a linear probe."""

    metrics: dict[str, float]
    """Those of :class:`~convnext_dense.evaluation.Accuracy` on the validation images, in percent."""
    knn: dict[int, float]
    """Top-1 accuracy of the nearest neighbors by their number k."""
    strength: float
    tried: list[Tried]
    """Empty if the strength was given."""
    converged: bool


def cached_features(
    model: Any,
    datasets: Sequence[Any],
    loader: ConfigDict,
    folder: str | Path,
    precision: torch.dtype | None,
    description: str,
) -> Features:
    """Compute the features of data sets that are not in the cache yet, and return all.

    Args:
        model: the classifier.
        datasets: data sets of images with one class each, prepared by the same transform.
        loader: settings of the data loader; its data set is not used.
        folder: folder of the caches.
        precision: type of mixed precision, or None for float32.
        description: description of the progress bar.

    Raises:
        UserError: if an image can't be read and is not to be skipped, or features are NaN or infinite, or if the head
            is no linear layer.
    """
    _check_linear(model)
    identity = {
        'version': __version__,
        'network': identity_of(model.backbone),
        'preprocessor': identity_of(model.data_preprocessor),
        'transform': identity_of(datasets[0].transform),
        'value_range': identity_of(datasets[0].value_range),
        'page': datasets[0].opening.page,
        'precision': str(precision or torch.float32),
    }
    cache = FeatureCache(folder, identity, model.head.in_features)
    paths_of = [[os.fsdecode(path) for path in dataset.paths] for dataset in datasets]
    files = {path: file_state(path) for paths in paths_of for path in paths}
    skipped: list[str] = []
    computed = -len(cache)
    with progress_bar() as progress, explain_dead_workers('val_dataloader', resumes=False):
        for dataset, paths in zip(datasets, paths_of, strict=True):
            absent = {path: index for index, path in enumerate(paths) if files[path] not in cache}
            if not absent:
                continue
            task = progress.add_task(description, total=len(absent))
            part = dataset.chosen(np.array([*absent.values()]))
            batches = Runner.build_dataloader({**loader, 'dataset': part, 'persistent_workers': False})
            skipped += compute_features(model, batches, files, cache, precision, partial(progress.advance, task))
    computed += len(cache)
    labels = np.concatenate([dataset.labels for dataset in datasets])
    readable = [
        (path, label)
        for path, label in zip((path for paths in paths_of for path in paths), labels, strict=True)
        if files[path] in cache
    ]
    values = cache.features([files[path] for path, _ in readable])
    own = np.array([label for _, label in readable], np.int64)
    return Features([path for path, _ in readable], values, own, computed, list(dict.fromkeys(skipped)))


def _check_linear(model: Any) -> None:
    if isinstance(model.head, MlpHead):
        raise UserError(
            f'the head has a hidden layer of {model.head.in_features} channels, and a linear probe fits a linear '
            'layer: leave model.head_hidden_size out'
        )


def measure(
    model: Any,
    train: Features,
    val: Features,
    strengths: Sequence[float] = STRENGTHS,
    balanced: bool = False,
    seed: int = 0,
) -> Measured:
    """Fit the head of a classifier to features, and measure it and the nearest neighbors.

    Args:
        model: the classifier, whose head is replaced by the fitted one.
        train, val: features of the training and the validation images.
        strengths: strengths of the regularization to choose from, or one.
        balanced: weigh all classes alike.
        seed: seed of the images that are held out for the choice.

    Raises:
        UserError: if no strength can be chosen, or if the head is no linear layer.
    """
    _check_linear(model)
    return fit_head(model.head, train, val, strengths, balanced, seed)


def fit_head(
    head: nn.Linear,
    train: Features,
    val: Features,
    strengths: Sequence[float] = STRENGTHS,
    balanced: bool = False,
    seed: int = 0,
    shows: Callable[[str], AbstractContextManager] = busy,
) -> Measured:
    """Fit a linear layer to features, and measure it and the nearest neighbors.

    Args:
        head: the layer, which gets the fitted weights.
        train, val, strengths, balanced, seed: see :func:`measure`.
        shows: makes a context that shows what is done in it.

    Raises:
        UserError: if no strength can be chosen.
    """
    classes = head.out_features
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    tried: list[Tried] = []
    if len(strengths) > 1:
        held_out = hold_out(train, seed)
        with shows('choosing the strength of the regularization'):
            tried = [*try_strengths(train.values, train.labels, classes, held_out, strengths, balanced, device)]
    strength = best_of(tried).strength if tried else strengths[0]
    with shows('fitting the linear layer'):
        problem = Problem(train.values, train.labels, classes, None, balanced, device)
        solution = problem.fit(strength)
    weight, bias = problem.layer(solution)
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    with shows('nearest neighbors'):
        knn = _nearest_neighbors(train, val, classes, device)
    return Measured(_accuracy(head, val), knn, strength, tried, solution.converged)


def hold_out(train: Features, seed: int) -> np.ndarray:
    """Choose images by their names and a seed, of each class its share; a class's first one stays in training.

    Returns:
        (N,), True for the images that are held out.

    Raises:
        UserError: if none can be.
    """
    rule = SplitRule(HELD_OUT, seed=seed)
    paths = [os.path.abspath(path) for path in train.paths]
    common = len(os.path.commonpath(paths))
    names = [path[common:].replace(os.sep, '/') for path in paths]
    whole = round(1 / HELD_OUT)
    parts = assign_parts(names, [(str(label),) for label in train.labels], [whole - 1, 1], rule.seed, keep=0)
    held_out = np.array(parts, bool)
    if not held_out.any():
        raise UserError(
            f'{counted(len(names), "training image")} are too few to hold some out and choose the strength of the '
            'regularization: give one, such as --l2 0.01'
        )
    return held_out


def _accuracy(head: nn.Linear, val: Features) -> dict[str, float]:
    """Measure a head as ``test`` does."""
    metric = Accuracy()
    device = head.weight.device
    for start in range(0, len(val.labels), CHUNK):
        rows = slice(start, start + CHUNK)
        with torch.inference_mode():
            scores = head(torch.from_numpy(np.array(val.values[rows])).to(device)).softmax(dim=1).cpu()
        metric.process(None, _samples(scores, val.labels[rows]))
    return metric.compute_metrics(metric.results)  # of this process, which has all images


def _nearest_neighbors(train: Features, val: Features, classes: int, device: str) -> dict[int, float]:
    found: dict[int, float] = {}
    counts = [k for k in NEIGHBORS if k <= len(train.labels)]
    if not counts:
        return found
    similarities, indices = nearest(val.values, train.values, max(counts), device)
    labels = torch.from_numpy(train.labels)[indices]
    for k in counts:
        metric = Accuracy(topk=(1,))
        for start in range(0, len(val.labels), CHUNK):
            rows = slice(start, start + CHUNK)
            metric.process(None, _samples(vote(similarities[rows, :k], labels[rows, :k], classes), val.labels[rows]))
        found[k] = metric.compute_metrics(metric.results)['top1']
    return found


def _samples(scores: torch.Tensor, labels: np.ndarray) -> list[dict]:
    return [{'scores': row, 'label': int(label)} for row, label in zip(scores, labels, strict=True)]
