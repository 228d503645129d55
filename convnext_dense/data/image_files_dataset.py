"""Base of the data sets that read image files: seeds of the augmentation, and what becomes of unreadable images."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from ..errors import UserError
from ..io.images import MAX_UNREADABLE_IN_A_ROW, read_image, too_many_unreadable
from ..io.opening import Opening
from ..io.value_range import ValueRange
from .sampler import SeededIndex, seeded


class Sample(NamedTuple):
    """An image that a data set has read."""

    place: int
    """Its index in the data set, which is another than the one asked for if that one was skipped in training."""
    path: str
    image: Any
    """The result of the transform; None if it is unreadable and skipped in evaluation."""
    skipped: list[str]
    """Paths of the unreadable images before it, and of itself in evaluation."""


class ImageFilesDataset(Dataset):
    """Base of data sets of image files.

    Attributes:
        paths: bytes (N,), the files; an array, since the reference counts of a list would copy it into the memory of
            every loader worker.
        training: True if unreadable images are replaced by the next ones, False if they are omitted.
        on_bad_image: ``'stop'`` or ``'skip'``.
        value_range: the values that become black and white, or None.
        opening: how the files are opened.
        transform: function of what :meth:`open` returns.
    """

    paths: np.ndarray
    training: bool
    on_bad_image: str
    value_range: ValueRange | None
    opening: Opening
    transform: Callable

    def __len__(self) -> int:
        return len(self.paths)

    def full_init(self) -> None:
        """Do nothing: mmengine's wrappers of data sets call it, and the data set is complete once it is built."""

    def image(self, index: int) -> tuple[str, None]:
        """Return an image's path and None; other data sets return the annotated size instead of None."""
        return os.fsdecode(self.paths[index]), None

    def open(self, path: str) -> Any:
        """Open an image for the transform: by Pillow, RGB.

        Raises:
            UserError: if it is unreadable.
        """
        return read_image(path, True, self.value_range, self.opening)

    def read(self, key: int | SeededIndex) -> Sample:
        """Read and transform an image.

        Args:
            key: its index, or a pair of it and a seed of the augmentation.

        Raises:
            UserError: if it is unreadable and ``on_bad_image`` is ``'stop'``, or too many in a row are.
        """
        index, seed = key if isinstance(key, tuple) else (key, None)
        skipped: list[str] = []
        last = UserError('bad image')
        for _ in range(min(len(self), MAX_UNREADABLE_IN_A_ROW)):
            path = os.fsdecode(self.paths[index])
            try:
                image = self.open(path)
            except UserError as error:
                if self.on_bad_image == 'stop':
                    raise UserError(f'{error}: fix or remove it, or skip it with --on-bad-image skip') from None
                skipped.append(path)
                last = error
                if not self.training:
                    return Sample(index, path, None, skipped)
                index = (index + 1) % len(self)
                continue
            with nullcontext() if seed is None else seeded(seed):
                return Sample(index, path, self.transform(image), skipped)
        raise too_many_unreadable(skipped, last)
