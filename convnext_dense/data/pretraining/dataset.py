"""Data set of images without labels: all images of a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch.utils.data import default_collate

from ...errors import NoData, UserError
from ...io.band_choice import BandInput, join
from ...io.band_images import bad_image, read_input
from ...io.images import check_on_bad_image
from ...io.opening import as_opening
from ...io.value_range import as_value_range
from ...registry import DATASETS, FUNCTIONS
from ...weights.preprocessing import WARP_FROM
from ..classification.transforms import eval_transform, preprocessing_of, train_transform
from ..image_files_dataset import ImageFilesDataset
from ..sampler import SeededIndex
from ..subset import Split
from .band_transforms import eval_bands, train_bands
from .find import describe_stray, find_images
from .subset import select_files


@DATASETS.register_module()
class UnlabeledImages(ImageFilesDataset):
    """Data set of all images in a folder and its subfolders, whatever their layout and labels.

    A sample is ``dict(image=(C, S, S) float tensor, path=str, skipped=[paths], seed=int)``. A key is an index, or a
    pair of an index and a seed from :class:`~convnext_dense.data.sampler.SeededSampler`, of augmentation and
    hidden patches; without one, ``seed`` is None.

    Args:
        root: the folder; see :func:`~.find.find_images` for what is left out.
        split: ``'train'`` or ``'val'``.
        transform: arguments of :func:`~convnext_dense.data.classification.transforms.train_transform` or, for
            ``'val'``, of :func:`~convnext_dense.data.classification.transforms.eval_transform`.
        on_bad_image: ``'stop'`` raises an error that names an unreadable image. ``'skip'`` replaces it by the next
            readable image in training, and omits it in evaluation (``image`` is None); its path is in ``skipped``.
        value_range: the values that become black and white, of images of any depth; None for the rule of
            :func:`~convnext_dense.io.value_range.find_value_range`.
        source: the split that the images are from, if it is another one.
        subset: rule and part, if the images are a part of that split; see :mod:`~convnext_dense.data.subset`.
        indices: maximum number of images, the first ones; None for all.
        page, max_pixels: how image files are opened; see :class:`~convnext_dense.io.opening.Opening`.
        bands: numbers of the bands that are read as stored, from 1, and not normalized; None reads RGB. ``transform``
            then has arguments of :mod:`~.band_transforms`.
        stored_bands, dtype: number of bands and type of all images; None for any.
        fill: the value of each band that takes the place of NaN, infinity and no data.
        shown: three of the bands that drawings show; None for the first three, or the only one.

    Attributes:
        kept_split: the whole split that the images are a part of, or None.
        preprocessing: how the images are prepared; None for bands.

    Raises:
        UserError: if there are no images, or an image is unreadable with ``'stop'``.
    """

    labels_are_ignored = True

    def __init__(
        self,
        root: str,
        split: str,
        transform: dict,
        on_bad_image: str = 'stop',
        value_range: Sequence[float] | None = None,
        source: str | None = None,
        subset: Mapping[str, Any] | None = None,
        indices: int | None = None,
        page: int | None = None,
        max_pixels: int | None = None,
        bands: Sequence[int] | None = None,
        stored_bands: int | None = None,
        dtype: str | None = None,
        fill: Sequence[float] | float = 0.0,
        shown: Sequence[int] | None = None,
    ) -> None:
        if split not in ('train', 'val'):
            raise UserError(f"split {split!r} does not exist: take 'train' or 'val'")
        check_on_bad_image(on_bad_image)
        if indices is not None and indices < 1:
            raise UserError(f'indices {indices} is too small: take at least 1, or None for all images')
        found, whole = find_images(root), source or split
        files = list(found.of_split(whole))
        if not files:
            raise NoData(f'{root} holds no images for {whole}: hold some out with --val-split 0.05')
        if split == 'train':  # said once
            for note in filter(None, (*found.notes, describe_stray(found))):
                print_log(f'{root}: {note}', 'current')
        self.kept_split: Split | None = None
        if subset is not None:
            files, selected = select_files(root, files, subset)
            self.kept_split = selected.split
            for note in selected.notes:
                print_log(note, 'current', logging.WARNING)
        self.training = split == 'train'
        self.on_bad_image = on_bad_image
        self.value_range = as_value_range(value_range)
        self.opening = as_opening(page, max_pixels)
        self.paths = np.array([os.fsencode(path) for path in files[:indices]])
        self.bands, self.fill = None, fill
        self.metainfo: dict[str, list]  # for drawings
        self.transform: Callable
        if bands is not None:
            self.bands = BandInput(tuple(bands), tuple(bands[:3]), stored_bands, dtype)
            self.preprocessing = None  # the model normalizes
            self.metainfo = {'shown_channels': shown_channels(bands, shown or self.bands.shown)}
            self.transform = train_bands(**transform) if self.training else eval_bands(**transform)
            return
        self.preprocessing = preprocessing_of(transform, self.training)
        # of RGB values from 0 to 1
        self.metainfo = {'mean': list(self.preprocessing.mean), 'std': list(self.preprocessing.std)}
        self.transform = train_transform(**transform) if self.training else eval_transform(**transform)

    def open(self, path: str) -> Any:
        if self.bands is None:
            return super().open(path)
        try:
            return read_input(path, self.bands, self.fill, self.opening)
        except UserError as error:
            raise bad_image(path, error) from None

    def __getitem__(self, key: int | SeededIndex) -> dict:
        read = self.read(key)
        seed = key[1] if isinstance(key, tuple) else None
        return {'image': read.image, 'path': read.path, 'skipped': read.skipped, 'seed': seed}


def shown_channels(bands: Sequence[int], shown: Sequence[int]) -> list[int]:
    """Return the channels, from 0, of the bands that reconstructions are drawn in.

    Raises:
        UserError: if the network does not take one of them.
    """
    missing = [band for band in shown if band not in bands]
    if missing:
        raise UserError(
            f'--display-bands {join(tuple(shown))}: a reconstruction has no band {missing[0]}, only bands '
            f'{join(tuple(bands))}: show three of these'
        )
    return [list(bands).index(band) for band in shown]


@FUNCTIONS.register_module()
def collate_unlabeled(samples: Sequence[dict]) -> dict:
    """Collate a batch without its unreadable images.

    Returns:
        A dict with ``inputs`` (N, C, S, S), ``paths``, ``seeds`` of the images, or None if one has none, and
        ``skipped``, the paths of unreadable images.
    """
    readable = [sample for sample in samples if sample['image'] is not None]
    seeds = [sample.get('seed') for sample in readable]
    return {
        # default_collate stacks in the memory that a worker shares with the main process
        'inputs': default_collate([s['image'] for s in readable])
        if readable
        else torch.empty(0, 3, WARP_FROM, WARP_FROM),
        'paths': [s['path'] for s in readable],
        'seeds': None if None in seeds else seeds,
        'skipped': [path for s in samples for path in s['skipped']],
    }
