"""Data set for image/mask folders, for mmseg's transforms and segmentors.

A config names this module in its ``custom_imports``, since importing the package does not import mmcv.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ...io.image_size import ImageSize
from ...io.images import UNLABELED, check_on_bad_image
from ...io.window import Window
from ...registry import DATASETS
from ...results.colors import class_colors
from ...tiling.settings import TileSettings
from ..check.records import WARNING
from ..class_choice import ClassChoice, as_choice
from ..dense import DenseDataset
from ..formats.faults import describe_faults
from ..image_files import describe_left_out
from ..subset import Split
from ..text import shortened
from ..tiles import SMALLER, TILED_TIFF, Tile, TileTable, report_whole_decoding
from . import transforms as transforms  # registers them: configs name this module alone
from .find import find_masks_and_remarks, images_folder
from .join import describe_pixels, join_labels
from .label_zero import AUTO, LabelZeroSetting
from .mask_scan import scan_masks
from .masks import check_masks, classes_without_example, read_labels
from .options import MaskOptions
from .readers import MaskReader
from .subset import select_masks
from .tiles import count_classes, count_in_tiles, find_tiles
from .transforms import as_classes


@DATASETS.register_module()
class MaskFolder(DenseDataset, BaseDataset):
    """Data set of images with label maps, in ADE20K's layout or another one that is read.

    ``metainfo`` has ``classes``, the K names, ``palette``, K colors as [R, G, B] in 0..255, and, as mmseg's,
    ``reduce_zero_label``, and the ``choice`` of classes if there is one. ``remarks`` are lines for the log of a run,
    each with True if it is a warning. The pipeline begins with ``convnext_dense.LoadImage`` and
    :class:`~convnext_dense.data.segmentation.transforms.LoadMask`, followed by mmseg's transforms.

    Args:
        root: see :func:`~convnext_dense.data.segmentation.find.find_masks`, and for the names of the classes
            :func:`~convnext_dense.data.segmentation.masks.mask_classes`.
        split: ``'training'`` or ``'validation'``, or ``'whole'`` for data in no split.
        pipeline: transforms, such as mmseg's.
        reduce_zero_label: True if label 0 means unlabeled and label v class v - 1, as in ADE20K; False if label v is
            class v; ``'auto'`` if the data decide, see :mod:`~convnext_dense.data.segmentation.label_zero`.
        test_mode: True for evaluation: an unreadable image is omitted rather than replaced.
        on_bad_image: ``'stop'`` raises an error that names an unreadable image, ``'skip'`` skips it.
        indices: number of images to use, the first ones, or their indices.
        classes: names of the classes by label, such as those of a checkpoint; None for the folder's own. The folder's
            are joined to them by name, and may be some of them.
        subset: rule and part, if the images are a part of the split; see :mod:`~convnext_dense.data.subset`.
        choice: which of the folder's classes are taken, as :func:`~convnext_dense.data.class_choice.as_choice` reads
            it. Pixels of the others are unlabeled. With ``classes``, the folder may lack some that it names.
        mask_labels: kind of masks, of :data:`~convnext_dense.data.segmentation.options.MASK_LABELS`; ``'auto'`` for
            the one that the data show.
        mask_folder: name of the folder of masks; None for the one that there is.
        format: ``'masks'`` for files of masks, or a format of annotations from which they are drawn; None for the
            one that there is.
        tiles: train on tiles of the images, and evaluate by tiles; see
            :meth:`~convnext_dense.tiling.settings.TileSettings.of`. A tile is empty if all its labeled pixels are of
            the class that is most frequent in the data.

    Attributes:
        kept_split: the whole split that the images are a part of, or None.

    Raises:
        NoData: if there are no images in this layout.
        UserError: for unusable masks, if the data do not decide what label 0 means, and for a mask that becomes
            unreadable later.
    """

    def __init__(
        self,
        root: str,
        split: str,
        pipeline: Sequence[dict],
        reduce_zero_label: LabelZeroSetting = AUTO,
        test_mode: bool = False,
        on_bad_image: str = 'stop',
        indices: int | Sequence[int] | None = None,
        classes: Sequence[str] | None = None,
        subset: Mapping[str, Any] | None = None,
        choice: ClassChoice | Mapping | None = None,
        mask_labels: str = AUTO,
        mask_folder: str | None = None,
        format: str | None = None,
        tiles: TileSettings | Mapping | None = None,
    ) -> None:
        check_on_bad_image(on_bad_image)
        self.tiles = TileSettings.of(tiles)
        self.root, self.split, self.subset = root, split, subset
        self.kept_split: Split | None = None
        self.options = MaskOptions(mask_labels, mask_folder, format)
        labels = read_labels(root, reduce_zero_label, compare=not test_mode, options=self.options)
        self._labels, self.reduce_zero_label = labels, labels.reduce_zero_label
        self.on_bad_image = on_bad_image
        self.own_classes = labels.classes
        self.choice = as_choice(choice)
        chosen = self.own_classes if self.choice is None else self.choice.apply(self.own_classes).names
        if self.choice is not None and classes is None:
            self.choice.check(self.own_classes, root)
        classes = tuple(chosen if classes is None else classes)
        self.label_map = join_labels(root, self.own_classes, classes, self.choice)
        metainfo = {
            'classes': classes,
            'palette': class_colors(classes).tolist(),
            'reduce_zero_label': labels.reduce_zero_label,
            **({} if self.choice is None else {'choice': self.choice.as_config()}),
        }
        self.remarks = [(labels.doubtful, labels.line)]
        if labels.reading:
            self.remarks.insert(0, (False, labels.reading))
        super().__init__(metainfo=metainfo, pipeline=pipeline, test_mode=test_mode, indices=indices)

    def load_data_list(self) -> list[dict]:
        found = find_masks_and_remarks(self.root, self.split, self.options)
        for remark in found.remarks:
            print_log(remark, 'current', logging.WARNING)
        for fault in found.faults:
            (line,) = describe_faults(found.name, [fault])
            print_log(line, 'current', logging.WARNING if fault.level == WARNING else logging.INFO)
        if found.left_out:
            print_log(f'{self.root}: {describe_left_out(found.left_out)}', 'current')
        self._pairs = pairs = found.pairs
        scans = check_masks(pairs, len(self.own_classes), self.reduce_zero_label, self.reader)
        if self.subset is not None:
            folder = str(images_folder(self.root, self.split, self.options))
            indices, self.kept_split, notes = select_masks(pairs, scans, self._labels, folder, self.subset)
            for note in notes:
                print_log(note, 'current', logging.WARNING)
            pairs, scans = [pairs[index] for index in indices], [scans[index] for index in indices]
        if self.choice is not None:
            line = describe_pixels(self.choice, self.own_classes, self._labels.first_label, scans)
            self.remarks.append((False, f'{self.split}: {line}'))
        if not self.test_mode and (absent := classes_without_example(scans, self._labels, self.choice)):
            count = len(self.own_classes if self.choice is None else self.choice.apply(self.own_classes).names)
            gaps = f'; {self._labels.gaps}' if self._labels.gaps else ''
            what = f'{len(absent)} of {count} classes without an example in the training masks'
            self.remarks.append((True, f'{what}, which are not learned: {shortened(absent)}{gaps}'))
        shared = {'label_map': self.label_map, 'reduce_zero_label': self.reduce_zero_label}
        return [dict(img_path=image, seg_map_path=mask, seg_fields=[], **shared) for image, mask in pairs]

    @property
    def reader(self) -> MaskReader:
        """How the labels are read from the masks."""
        return self._labels.reader

    @cached_property
    def _classes_shown(self) -> dict[str, list[int]]:
        """The classes that each mask shows, by its path."""
        return {mask: list(counts) for mask, counts in self._pixels.items()}

    @property
    def _pixels(self) -> dict[str, dict[int, int]]:
        """The number of pixels of each class in each mask, by its path."""
        table, scans = self._table, zip(self._pairs, scan_masks(self._pairs, self.reader), strict=True)
        return {mask: count_classes(dict(scan.pixels), table) for (_, mask), scan in scans}

    @property
    def _table(self) -> np.ndarray:
        """The class of each label in a mask, uint8 (256,)."""
        return as_classes(np.arange(256), self.reduce_zero_label, self.label_map)

    def get_cat_ids(self, index: int) -> list[int]:
        """Return the classes that a mask or a tile shows, for mmengine's ``ClassBalancedDataset``."""
        if self.tile_table is not None:
            return self._classes_in_tiles[index] if index < len(self.tile_table.shown) else [self._common]
        return self._classes_shown[self.get_data_info(index)['seg_map_path']]

    def prepare(self, info: dict) -> dict | None:
        """Read the mask of a sample, with errors that name it, and run the pipeline."""
        if 'tile' not in info:
            info['mask'] = self.reader.read(info['seg_map_path'], retry_missing=True)
            info['height'], info['width'] = info['mask'].shape[:2]  # LoadImage rotates the image to fit
        return super().prepare(info)

    def size_of(self, info: dict) -> ImageSize:
        return self.reader.size(info['seg_map_path'])

    def read_classes(self, info: dict, window: Window | None = None) -> np.ndarray:
        """Read the ground truth of a window of an image, uint8 (h, w), 255 where it is unlabeled.

        Args:
            info: the annotations of the image.
            window: the window; None for all of it.

        Raises:
            UserError: if the mask can't be read.
        """
        mask = self.reader.read(info['seg_map_path'], retry_missing=True, window=window)
        return as_classes(mask, self.reduce_zero_label, self.label_map)

    def find_tiles(self) -> TileTable:
        assert self.tiles is not None
        pairs = [(info['img_path'], info['seg_map_path']) for info in self.data_list]
        sizes = [self.reader.size(mask) for _, mask in pairs]
        for info, size in zip(self.data_list, sizes, strict=True):
            info['image_size'] = tuple(size)
        table, pixels = self._table, self._pixels
        total = sum((Counter(pixels[mask]) for _, mask in pairs), Counter[int]())
        self._common = max(total, key=lambda label: (total[label], -label), default=0)
        counted = count_in_tiles(pairs, sizes, self.reader, self.tiles)
        counts = [[count_classes(one, table) for one in of_mask] for of_mask in counted]
        found, line, self._classes_in_tiles = find_tiles(sizes, counts, self.tiles, self._common)
        self.report_tiles(self.split, found, line)
        return found

    def report_masks(self, name: str, infos: Sequence[dict]) -> None:
        masks = ((info['seg_map_path'], ImageSize(*info['image_size'])) for info in infos)
        fix = TILED_TIFF if type(self.reader).reads_windows is MaskReader.reads_windows else SMALLER
        report_whole_decoding(name, masks, lambda mask: not self.reader.reads_windows(mask), 'mask', fix)

    def tile_content(self, tile: Tile, info: dict, reach: Window) -> Callable[[Window], dict | None]:
        labels = self.reader.read(info['seg_map_path'], retry_missing=True, window=reach)
        classes = as_classes(labels, self.reduce_zero_label, self.label_map)

        def content(window: Window) -> dict | None:
            inside = Window(window.top - reach.top, window.left - reach.left, *window.size).slices
            shown = classes[inside]
            is_learned = (shown != UNLABELED) & (shown != self._common) if tile.shows else shown != UNLABELED
            return {'mask': labels[inside]} if is_learned.any() else None

        return content
