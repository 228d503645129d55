"""The features of a network for labeled images, measured again and again while it is trained."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size, is_main_process
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Subset

from ..data.classification.probed import LabeledFiles, ProbedFiles
from ..data.classification.transforms import split_at_normalization
from ..data.image_files_dataset import ImageFilesDataset
from ..data.sampler import seeded
from ..errors import UserError
from ..probe.features import extract
from ..probe.linear import STRENGTHS
from ..weights.preprocessing import WARP_FROM
from .linear_probe import Features, fit_head, hold_out
from .signals import leave_signals_to_parent
from .workers import use_one_thread

KEPT_BYTES = 2**29
"""Resized images are kept in the memory of a process up to here, 3,500 of 224 x 224. Others are read anew."""
STRENGTH = 0.01
"""Of the regularization, where there are too few images to choose it by."""
FEW = 64
"""Images that are read without loader workers, which take as long to start."""


class PreparedImages(ImageFilesDataset):
    """Image files as another data set prepares them for evaluation, before they are normalized.

    A sample is uint8 (S, S, 3), or None for an unreadable image.

    Args:
        paths: the files.
        like: the data set, of images of the same kind.
    """

    training = False

    def __init__(self, paths: Sequence[str], like: ImageFilesDataset) -> None:
        self.paths = np.array([os.fsencode(path) for path in paths])
        self.on_bad_image, self.value_range, self.opening = like.on_bad_image, like.value_range, like.opening
        self.transform, self.normalize = split_at_normalization(like.transform)

    def __getitem__(self, index: int) -> np.ndarray | None:
        image = self.read(index).image
        return None if image is None else np.asarray(image)


class Loading(NamedTuple):
    """How images are read."""

    batch_size: int
    workers: int


class LabeledFeatures:
    """Labeled images, and the measurements of a network's features for them.

    Each of several processes computes the features of its share of the images, in as many batches as the others.

    Args:
        files: the images.
        like: a data set by which they are prepared.
        loading: how they are read.
        seed: seed of the images by which the strength of the regularization is chosen.

    Attributes:
        strengths: strengths of the regularization that are tried, or one if there are too few images to choose.
    """

    def __init__(self, files: ProbedFiles, like: ImageFilesDataset, loading: Loading, seed: int = 0) -> None:
        self.files, self.loading, self.seed = files, loading, seed
        self.images = PreparedImages([*files.train.paths, *files.val.paths], like)
        self.strengths: Sequence[float] = STRENGTHS
        try:
            hold_out(_features(files.train, np.empty((len(files.train.paths), 0))), seed)
        except UserError:
            self.strengths = (STRENGTH,)
        self.skipped: list[str] = []  # paths of the unreadable images of all processes
        self._kept: dict[int, np.ndarray | None] = {}
        self._room = KEPT_BYTES

    def measure(self, model: Any, between: Callable[[], object] = lambda: None) -> dict[str, float] | None:
        """Measure the features of a network, without an effect on the state of the random generators.

        Args:
            model: see :func:`~convnext_dense.probe.features.extract`; it is in evaluation mode afterwards.
            between: is called before each batch, on all processes equally often.

        Returns:
            ``linear_top1`` and, of classes of different sizes, ``linear_mean_class_top1``, accuracies of a linear
            layer, and ``knn10_top1`` and so on, those of the nearest neighbors, in percent, the same on all processes;
            None if features are NaN or infinite.

        Raises:
            UserError: if too few images can be read.
        """
        with seeded(0):  # for the base seed of loader workers and a layer's initial weights
            values, is_read = self._compute(model.eval(), between)
            measured = self._fit(values, is_read) if is_main_process() else None
        return next(iter(all_gather_object(measured)))  # that of the main process

    def _compute(self, model: Any, between: Callable[[], object]) -> tuple[np.ndarray, np.ndarray]:
        """Compute the features of all images, (N, C), and whether each was read, (N,)."""
        count, rank, processes = len(self.images), get_rank(), get_world_size()
        own = [number % count for number in range(rank, math.ceil(count / processes) * processes, processes)]
        images = self._read(own)
        parts = []
        with torch.no_grad():
            for start in range(0, len(own), self.loading.batch_size):
                between()
                batch = [next(images) for _ in own[start : start + self.loading.batch_size]]
                parts.append(extract(model, self._normalized(batch)).numpy())
        unread = {self.images.image(index)[0] for index in own if self._is_unread(index)}
        found = all_gather_object((own, np.concatenate(parts), sorted(unread)))
        self.skipped = sorted({path for _, _, paths in found for path in paths})
        values = np.empty((count, parts[0].shape[1]), np.float32)
        for indices, rows, _ in found:
            values[indices] = rows
        return values, ~np.isin([self.images.image(index)[0] for index in range(count)], self.skipped)

    def _fit(self, values: np.ndarray, is_read: np.ndarray) -> dict[str, float] | None:
        if not np.isfinite(values[is_read]).all():
            return None
        end = len(self.files.train.paths)
        train = _features(self.files.train, values[:end], is_read[:end])
        val = _features(self.files.val, values[end:], is_read[end:])
        for part, what in ((train, 'compare with'), (val, 'measure on')):
            if not len(part.labels):
                raise UserError(f'--probe: no image to {what} can be read: check the folder')
        head = nn.Linear(values.shape[1], len(self.files.classes))
        measured = fit_head(head, train, val, self.strengths, seed=self.seed, shows=_quietly)
        is_even = len({*np.unique(val.labels, return_counts=True)[1].tolist()}) == 1
        names = ('top1',) if is_even else ('top1', 'mean_class_top1')
        accuracies = {name: measured.metrics[name] for name in names}
        return {
            **{f'linear_{name}': float(value) for name, value in accuracies.items()},
            **{f'knn{k}_top1': float(value) for k, value in measured.knn.items()},
        }

    def _read(self, indices: Sequence[int]) -> Iterator[np.ndarray | None]:
        """Yield different images, from memory and the others from their files, which are kept while there is room."""
        absent = [index for index in indices if index not in self._kept]
        workers = self.loading.workers if len(absent) > FEW else 0
        start = partial(leave_signals_to_parent, partial(use_one_thread, None))
        loader = DataLoader(
            Subset(self.images, absent), None, num_workers=workers, worker_init_fn=start, collate_fn=_as_is
        )
        files: Iterator[np.ndarray | None] = iter(loader if absent else ())
        for index in indices:
            if index in self._kept:
                yield self._kept[index]
                continue
            image = next(files)
            size = 0 if image is None else image.nbytes
            if size <= self._room:
                self._room -= size
                self._kept[index] = image
            yield image

    def _is_unread(self, index: int) -> bool:
        return index in self._kept and self._kept[index] is None

    def _normalized(self, images: Sequence[np.ndarray | None]) -> torch.Tensor:
        """Return images as a batch, (B, 3, S, S), with black ones for those that could not be read."""
        sizes = [image.shape for image in images if image is not None]
        black = np.zeros(sizes[0] if sizes else (WARP_FROM, WARP_FROM, 3), np.uint8)
        normalize = self.images.normalize
        return torch.stack([normalize(Image.fromarray(black if image is None else image)) for image in images])


def _features(files: LabeledFiles, values: np.ndarray, is_read: np.ndarray | None = None) -> Features:
    if is_read is None:
        is_read = np.ones(len(files.paths), bool)
    paths = [path for path, is_own in zip(files.paths, is_read, strict=True) if is_own]
    return Features(paths, values[is_read], files.labels[is_read], 0, [])


def _as_is(image: Any) -> Any:
    return image


def _quietly(description: str) -> AbstractContextManager:
    """Show nothing: the run has a progress bar of its own."""
    return nullcontext()
