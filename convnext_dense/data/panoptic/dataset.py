"""Data set for COCO's panoptic files, for mmdet's transforms and its panoptic models.

A config names this module in its ``custom_imports``, since importing the package does not import mmcv.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ...errors import BadImage, UserError
from ...io.color_masks import RESTORE
from ...io.image_size import ImageSize
from ...io.images import check_on_bad_image
from ...io.panoptic import read_segments
from ...io.window import Window
from ...registry import DATASETS
from ...tiling.grid import tile_windows
from ...tiling.settings import TileSettings
from ..check.records import WARNING
from ..class_choice import ClassChoice, as_choice
from ..dense import DenseDataset
from ..formats.faults import describe_faults
from ..subset import Split
from ..text import count_of, shortened
from ..tiles import Tile, TileTable
from . import transforms as transforms  # registers them: configs name this module alone
from .files import PanopticFiles
from .join import join_classes
from .read import PanopticData, read_panoptic
from .selection import Selection, select_for_training, select_part
from .tiles import cut_segments, find_shown, find_tiles, scan_segments

LEARNED_UNITS = 'segments to learn in the file'


@DATASETS.register_module()
class PanopticDataset(DenseDataset, BaseDataset):
    """Data set of images with panoptic segmentations: each pixel has a class, and things are told apart.

    The pipeline gets a dict with ``img_path``, ``img_id`` (as in the file, a number or a name),
    ``height``, ``width`` and ``panoptic``, the image's :class:`~convnext_dense.io.panoptic.PanopticTruth`; in training
    it begins with ``convnext_dense.LoadImage`` and :class:`~convnext_dense.data.panoptic.transforms.LoadPanoptic`. For
    evaluation, ``meta_keys`` of ``mmdet.PackDetInputs`` must include ``panoptic``, since the metric takes the ground
    truth from the data samples, by :func:`~convnext_dense.io.panoptic.read_segments`.

    ``metainfo`` has the ``classes`` by label, ``thing_classes``, which come first, and ``stuff_classes``; the
    ``category_ids``, and the ``choice`` if there is one.

    Args:
        annotations: the JSON file.
        images: the folder to which file names are relative.
        segments: the folder of the PNG files.
        pipeline: transforms.
        test_mode: True for evaluation: use all images.
        filter_cfg: images to leave out of training; see :func:`.selection.select_for_training`.
        on_bad_image: ``'stop'`` raises an error that names an image, or PNG file in training, that is unreadable.
            ``'skip'`` replaces it by the next image in training, and omits an unreadable image in evaluation.
        indices: number of images to use, the first ones, or their indices.
        classes: names of the classes by label, such as those of a checkpoint; None for the categories of the file. The
            categories of the file are joined to them by name, and may be some of them.
        thing_classes: those of ``classes`` that are things, the first ones; needed if the file lacks some classes.
        category_ids: ids of ``classes`` in the results, for those that are not in the file.
        least_side: shortest side, in pixels after resizing, of the images to train on; thinner ones are left out.
        subset: rule and part, if the images are a part of those; see :mod:`~convnext_dense.data.subset`.
        choice: which of the file's classes are taken, as :func:`~convnext_dense.data.class_choice.as_choice` reads it.
            Segments of others are unlabeled: nothing is learned or measured there.
        tiles: train on tiles of the images, and evaluate by tiles; see
            :meth:`~convnext_dense.tiling.settings.TileSettings.of`. A tile without a thing is empty.

    Attributes:
        kept_split: the whole split that the images are a part of, or None.

    Raises:
        UserError: for an unusable file; for a category that is not in ``classes``; in training, if no segment or no
            image is left.
    """

    counted_units = 'segments in the file'  # unit of ``class_counts``; in training ``LEARNED_UNITS``

    def __init__(
        self,
        annotations: str,
        images: str,
        segments: str,
        pipeline: Sequence,
        test_mode: bool = False,
        filter_cfg: dict | None = None,
        on_bad_image: str = 'stop',
        indices: int | Sequence[int] | None = None,
        classes: Sequence[str] | None = None,
        thing_classes: Sequence[str] | None = None,
        category_ids: Sequence[int] | None = None,
        least_side: int = 0,
        subset: Mapping[str, Any] | None = None,
        choice: ClassChoice | Mapping | None = None,
        tiles: TileSettings | Mapping | None = None,
    ) -> None:
        check_on_bad_image(on_bad_image)
        self.tiles = TileSettings.of(tiles)
        self.on_bad_image = on_bad_image
        self.files = PanopticFiles(Path(annotations), Path(images), Path(segments))
        self.classes, self.thing_classes, self.category_ids = classes, thing_classes, category_ids
        self.least_side, self.subset, self.choice = least_side, subset, as_choice(choice)
        self._steps = pipeline
        self._selected: Selection | None = None  # None in evaluation
        self.kept_split: Split | None = None
        super().__init__(pipeline=pipeline, test_mode=test_mode, filter_cfg=filter_cfg, indices=indices)

    def load_data_list(self) -> list[dict]:
        path = self.files.annotations
        data = read_panoptic(self.files, self.choice, self.on_bad_image == 'skip')
        if self.choice is not None and self.classes is None:
            self.choice.check(data.own_classes, str(path))
        self._report(data)
        if self.subset is not None:
            data, self.kept_split, notes = select_part(data, self.subset, str(self.files.images))
            for note in notes:
                print_log(note, 'current', logging.WARNING)
        joined = join_classes(path, data, self.classes, self.thing_classes, self.category_ids)
        self._metainfo.update(
            classes=joined.classes,
            thing_classes=joined.thing_classes,
            stuff_classes=joined.stuff_classes,
            category_ids=joined.category_ids,
        )
        if self.choice is not None:
            self._metainfo.update(choice=self.choice.as_config())
        self.name = data.name
        self._selected = None
        if not self.test_mode:
            tile = None if self.tiles is None else self.tiles.size
            self._selected = select_for_training(data, self.filter_cfg, self._steps, self.least_side, tile)
        used = data.images if self._selected is None else self._selected.images
        labels = [joined.classes.index(name) for name in data.classes]
        shown = [labels[s['label']] for one in used for s in one.truth['segments'] if not s['iscrowd']]
        self.class_counts = np.bincount(shown, minlength=len(joined.classes))
        if not self.test_mode:
            self.counted_units = LEARNED_UNITS
        if used and not shown:
            line = f'{path} has no segment of a class but crowds'
            if not self.test_mode:
                raise UserError(f'{line}, so that there is nothing to learn: choose other classes, or add some')
            print_log(f'{line}, so that there is nothing to measure', 'current', logging.WARNING)
        return [
            {
                'img_path': os.path.join(self.files.images, one.image['file_name']),
                'img_id': one.id,
                'height': one.image['height'],
                'width': one.image['width'],
                'panoptic': {
                    **one.truth,
                    'segments': [{**s, 'label': labels[s['label']]} for s in one.truth['segments']],
                    'things': len(joined.thing_classes),
                },
            }
            for one in data.images
        ]

    def _report(self, data: PanopticData) -> None:
        """Log what was changed in the file, and what is not in it."""
        if data.choice_line:
            print_log(f'{data.name}: {data.choice_line}', 'current')
        for fault in data.faults:
            (line,) = describe_faults(data.name, [fault])
            print_log(line, 'current', logging.WARNING if fault.level == WARNING else logging.INFO)
        absent = [name for name in self.classes or () if name not in data.classes]
        if absent:
            line = f'{data.name}: {count_of(absent, "class", "classes")} not in the file: {shortened(absent)}'
            print_log(line, 'current')

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the labels of an image's segments but crowds, for mmengine's ``ClassBalancedDataset``."""
        info = self.get_data_info(idx)
        segments = [segment for segment in info['panoptic']['segments'] if not segment['iscrowd']]
        shown = {segment['id'] for segment in segments}
        if self.tile_table is not None:
            shown = self._shown_in(self.tile_table.pick(idx, draws=False))
        return [segment['label'] for segment in segments if segment['id'] in shown]

    def _shown_in(self, tile: Tile) -> set[int]:
        """Return the ids of the segments that are learned in a tile that is not moved."""
        assert self.tiles is not None
        scan, info = self._scans[tile.image], self.data_list[tile.image]
        windows = tile_windows(ImageSize(*info['image_size']), self.tiles.size, self.tiles.overlap)
        ids = scan.tiles[windows.index(tile.window)]
        shown = find_shown(info['panoptic'], ids, scan.boxes, tile.window, self.tiles.least_visible)
        return {*shown.things, *shown.stuff}

    def find_tiles(self) -> TileTable:
        assert self.tiles is not None
        for info in self.data_list:
            info['image_size'] = (info['height'], info['width'])
        truths = [info['panoptic'] for info in self.data_list]
        self._scans = scan_segments(truths, self.tiles)
        found, line, self.ignore_regions = find_tiles(truths, self._scans, self.tiles)
        self.report_tiles(self.name, found, line)
        return found

    def tile_content(self, tile: Tile, info: dict, reach: Window) -> Callable[[Window], dict | None]:
        assert self.tiles is not None
        truth, least = info['panoptic'], self.tiles.least_visible
        boxes = self._scans[tile.image].boxes
        try:
            read = read_segments(truth, retry_missing=True, window=reach)
        except UserError as error:
            raise BadImage(str(error).removesuffix(RESTORE)) from None

        def content(window: Window) -> dict | None:
            cut = cut_segments(read, reach, window)
            ids = [one['id'] for one in cut.segments if one['area']]
            shown = find_shown(truth, ids, boxes, window, least)
            is_learned = shown.things or (shown.stuff and not tile.shows)
            return {'segments': cut, 'ignored_things': shown.ignored} if is_learned else None

        return content

    def filter_data(self) -> list[dict]:
        """Leave out images by the rules of ``filter_cfg`` and those too thin for anchors, and log their number."""
        selected = self._selected
        if selected is None:
            return self.data_list
        rules = self.filter_cfg or {}
        line = (
            f'{self.name}: {len(selected.images)} of {len(self.data_list)} images are used; left out are '
            f'{len(selected.empty)} without things, {len(selected.small)} with a side of less than '
            f'{rules.get("min_size", 0)} pixels'
        )
        names = [one.image['file_name'] for one in selected.thin]
        thin = f'{count_of(names, "image")} too thin for the anchors of the model: {shortened(names)}' if names else ''
        if not selected.images:
            raise UserError(f'nothing to learn from: {line}{f", {thin}" if thin else ""}')
        if rules:
            print_log(line, 'current')
        if thin:
            print_log(f'{self.name}: left out: {thin}', 'current', logging.WARNING)
        used = {one.id for one in selected.images}
        return [info for info in self.data_list if info['img_id'] in used]
