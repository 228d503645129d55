"""Data set for COCO files, for mmdet's transforms and detectors."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ...counting import counted
from ...errors import UserError
from ...io.coco_format import IGNORE_REGION, CocoAnnotation, Instance
from ...io.image_size import ImageSize
from ...io.images import check_on_bad_image
from ...io.window import Window
from ...registry import DATASETS
from ...tiling.settings import TileSettings
from ..check.records import WARNING
from ..class_choice import ClassChoice, as_choice
from ..dense import DenseDataset
from ..formats import FORMATS, describe_source, source_of
from ..formats.faults import describe_faults
from ..subset import Split
from ..text import count_of, shortened
from ..tiles import Tile, TileTable
from .coco import MOST_LOST, CocoData, check_enough_is_left, read_coco
from .coco_clean import BROKEN_MASK
from .instances import MarkUnmasked, to_instance, to_learned_instance
from .join import join_categories
from .options import FOR_BOXES
from .selection import Selection, describe_unmasked, is_object, select
from .subset import select_images
from .tiles import MaskRule, TiledObjects, leave_out_empty, mask_rule, shows_object

LEARNED_UNITS = 'objects to learn in the file'


@DATASETS.register_module()
class CocoDataset(DenseDataset, BaseDataset):
    """Data set of images with boxes, and masks if there are any, from a COCO file or another format.

    The pipeline gets a dict with ``img_path``, ``img_id`` (COCO's), ``height``, ``width`` and ``instances``, a list of
    :class:`~convnext_dense.io.coco_format.Instance`; and ``is_upright`` where the format's tools turn images by EXIF.
    For evaluation, ``meta_keys`` of ``mmdet.PackDetInputs`` must include ``instances``, since
    :class:`~convnext_dense.evaluation.CocoAP` takes the ground truth from the data samples.

    ``metainfo`` has the ``classes`` and their ``category_ids``, and the ``choice`` if there is one.

    In training, annotations that can't be used are ignore regions, and so are objects without a mask if the pipeline
    loads masks and ``keeps_unmasked`` is False: instances with ``ignore_flag`` 1 and the label
    :data:`~convnext_dense.io.coco_format.IGNORE_REGION`, where :class:`~convnext_dense.models.detector.MaxIoUAssigner`
    takes no background from.

    Args:
        annotations: the COCO file, or the file or folder of another ``format``. What is fixed, dropped or ignored, see
            :func:`~convnext_dense.data.detection.coco.read_coco`, is logged.
        images: the folder to which file names are relative.
        pipeline: transforms.
        test_mode: True for evaluation: use all images and boxes.
        filter_cfg: images to leave out of training: with ``filter_empty_gt=True`` those without annotations, with
            ``min_size=N`` those with a side shorter than N pixels.
        on_bad_image: ``'stop'`` raises an error that names an unreadable image. ``'skip'`` replaces it by the next
            image in training, and omits it in evaluation.
        indices: number of images to use, the first ones, or their indices.
        classes: names of the classes by label, such as those of a checkpoint; None for the categories of the file. The
            categories of the file are joined to them by name, and may be some of them.
        category_ids: ids of ``classes`` in the results, for those that are not in the file.
        needs_annotations: False for images that may have no annotations and no categories; ``has_ground_truth`` says
            whether they have.
        box_format: convention of the boxes of a COCO file, ``'xywh'``, ``'xyxy'`` (corners) or ``'cxcywh'`` (centers),
            in pixels; None for COCO's, ``'xywh'``, which is checked. Other formats say theirs themselves.
        most_lost: largest share of the annotations, in [0, 1], that may be dropped, ignored or have a box that
            contradicts its mask.
        least_side: shortest side, in pixels after resizing, of the images to train on; thinner ones are left out. The
            detection task sets it to what the anchors of the config's model fit into: 0 if they take all images.
        keeps_unmasked: learn objects without a mask as boxes where the pipeline loads masks: their bitmaps are filled
            with :data:`~convnext_dense.io.coco_format.UNMASKED`, by which
            :class:`~convnext_dense.models.detector.FCNMaskHead` leaves them out. The detection task sets it where the
            config's model has this head.
        format: name of the annotations' format, a key of :data:`~convnext_dense.data.formats.FORMATS`.
        split: the split as the format names it, where the annotations of several are in one place.
        subset: rule and part, if the images are a part of those; see :mod:`~convnext_dense.data.subset`.
        choice: which of the file's classes are taken, as :func:`~convnext_dense.data.class_choice.as_choice` reads it.
            Objects of others are left out, those of ignored ones are ignore regions. With ``classes``, the file may
            lack some that it names.
        tiles: train on tiles of the images, and evaluate by tiles; see
            :meth:`~convnext_dense.tiling.settings.TileSettings.of` and :mod:`.tiles`.

    Attributes:
        kept_split: the whole split that the images are a part of, or None.

    Raises:
        UserError: for an unusable file, or one of which too much is lost; for a category that is not in ``classes``;
            for a file without masks if the pipeline loads masks; in training, if no object or no image is left.
    """

    counted_units = 'annotations in the file'  # unit of ``class_counts``; in training ``LEARNED_UNITS``
    ignore_regions: int  # their number in training

    def __init__(
        self,
        annotations: str,
        images: str,
        pipeline: Sequence,
        test_mode: bool = False,
        filter_cfg: dict | None = None,
        on_bad_image: str = 'stop',
        indices: int | Sequence[int] | None = None,
        classes: Sequence[str] | None = None,
        category_ids: Sequence[int] | None = None,
        needs_annotations: bool = True,
        box_format: str | None = None,
        most_lost: float = MOST_LOST,
        least_side: int = 0,
        keeps_unmasked: bool = False,
        format: str = 'coco',
        split: str = '',
        subset: Mapping[str, Any] | None = None,
        choice: ClassChoice | Mapping | None = None,
        tiles: TileSettings | Mapping | None = None,
    ) -> None:
        check_on_bad_image(on_bad_image)
        self.tiles = TileSettings.of(tiles)
        self.on_bad_image = on_bad_image
        self.source = source_of(dict(annotations=annotations, images=images, format=format, split=split))
        self._steps, self.least_side, self.keeps_unmasked = pipeline, least_side, keeps_unmasked
        self._selected: Selection | None = None  # None in evaluation
        self.classes, self.category_ids, self.needs_annotations = classes, category_ids, needs_annotations
        self.box_format, self.most_lost = box_format, most_lost
        self.choice, self.subset = as_choice(choice), subset
        self.kept_split: Split | None = None
        super().__init__(pipeline=pipeline, test_mode=test_mode, filter_cfg=filter_cfg, indices=indices)

    def load_data_list(self) -> list[dict]:
        coco = read_coco(
            self.source, self.box_format, self.needs_annotations, self.choice, self.on_bad_image == 'skip'
        )
        if self.choice is not None and self.classes is None:
            self.choice.check(coco.own_classes, str(self.source.annotations))
        learns_masks = any(getattr(transform, 'with_mask', False) for transform in self.pipeline.transforms)
        keeps_unmasked = self.keeps_unmasked and learns_masks and not self.test_mode
        needs_masks = learns_masks and not keeps_unmasked
        self._report(coco, learns_masks, keeps_unmasked)
        are_broken = any(fault.message.startswith(BROKEN_MASK) for fault in coco.faults)
        if learns_masks and not coco.has_masks and coco.has_objects and (are_broken or not keeps_unmasked):
            why = ' that can be read' if are_broken else ''
            raise UserError(
                f'{self.source.annotations} has no masks{why}, which the pipeline loads: annotate them, or {FOR_BOXES}'
            )
        check_enough_is_left(self.source.annotations, coco, needs_masks, self.most_lost)
        if self.subset is not None:
            coco, self.kept_split, notes = select_images(coco, self.subset, str(self.source.images))
            for note in notes:
                print_log(note, 'current', logging.WARNING)
        self.has_ground_truth = any(coco.annotations.values())
        self.name = coco.name
        classes = coco.classes if self.classes is None else tuple(self.classes)
        ids = join_categories(self.source.annotations, coco, classes, self.category_ids)
        upright = {'is_upright': True} if FORMATS[self.source.format].is_upright else {}
        self._metainfo.update(classes=classes, category_ids=ids, **upright)
        if self.choice is not None:
            self._metainfo.update(choice=self.choice.as_config())
        labels = {number: label for label, number in enumerate(ids)}
        tile = None if self.tiles is None else self.tiles.size
        selected = None
        if not self.test_mode:
            selected = select(coco, self.filter_cfg, self._steps, self.least_side, needs_masks, tile)
        annotations = coco.annotations if selected is None else selected.annotations
        if selected is None:
            counted = [a for of_image in annotations.values() for a in of_image if not a.get('ignored')]
        else:
            self.counted_units = LEARNED_UNITS
            used = [a for image in selected.images for a in annotations[image['id']]]
            counted = [a for a in used if is_object(a, needs_masks) and not a['iscrowd']]
        self.class_counts = np.bincount([labels[a['category_id']] for a in counted], minlength=len(classes))

        def instance(annotation: CocoAnnotation) -> Instance:
            label = labels.get(annotation['category_id'], IGNORE_REGION)  # of an ignored class
            if self.test_mode:
                return to_instance(annotation, label)
            return to_learned_instance(annotation, label, learns_masks, keeps_unmasked)

        self._selected = selected
        self.ignore_regions = 0 if self.test_mode else coco.regions + (coco.without_mask if needs_masks else 0)
        if keeps_unmasked and coco.without_mask:
            self._mark_unmasked()
        return [
            {
                'img_path': os.path.join(self.source.images, image['file_name']),
                'img_id': image['id'],
                'height': image['height'],
                'width': image['width'],
                **upright,
                'instances': [instance(a) for a in annotations[image['id']]],
            }
            for image in coco.images
        ]

    def find_tiles(self) -> TileTable:
        assert self.tiles is not None
        sizes = [ImageSize(info['height'], info['width']) for info in self.data_list]
        for info, size in zip(self.data_list, sizes, strict=True):
            info['image_size'] = tuple(size)
        steps = self.pipeline.transforms
        instances = [info.pop('instances') for info in self.data_list]
        self._objects = TiledObjects(sizes, instances, self.tiles, mask_rule(steps))
        found = self._objects.find()
        self.ignore_regions += found.ignored
        self.report_tiles(self.name, found.table, found.line, leave_out_empty(steps, found.table))
        return found.table

    def tile_content(self, tile: Tile, info: dict, reach: Window) -> Callable[[Window], dict | None]:
        near = self._objects.near(tile.image, reach)

        def content(window: Window) -> dict | None:
            instances = self._objects.clip(near, tile.image, window)
            return None if tile.shows and not shows_object(instances) else {'instances': instances}

        return content

    def tile_annotations(self, tile: Tile) -> dict:
        near = self._objects.near(tile.image, tile.window)
        return {'instances': self._objects.clip(near, tile.image, tile.window, MaskRule(learned=False))}

    def _mark_unmasked(self) -> None:
        """Have the pipeline mark the objects without a mask, right after it has loaded the masks."""
        steps = self.pipeline.transforms
        if not any(isinstance(step, MarkUnmasked) for step in steps):
            place = max(number for number, step in enumerate(steps) if getattr(step, 'with_mask', False))
            steps.insert(place + 1, MarkUnmasked())

    def _report(self, coco: CocoData, learns_masks: bool, keeps_unmasked: bool) -> None:
        """Log what was read, what was changed in it, and what is not learned or measured of it."""
        if self.source.format != 'coco':
            found = (
                f'{count_of(coco.images, "image")} with {counted(coco.total + coco.of_other_classes, "annotation")}'
            )
            print_log(f'{coco.name}: {found} in {describe_source(self.source)}', 'current')
        if coco.choice_line:
            print_log(f'{coco.name}: {coco.choice_line}', 'current')
        for fault in coco.faults:
            (line,) = describe_faults(coco.name, [fault])
            print_log(line, 'current', logging.WARNING if fault.level == WARNING else logging.INFO)
        if learns_masks and coco.without_mask and (coco.has_masks or keeps_unmasked):
            line = f'{coco.name}: {describe_unmasked(coco, keeps_unmasked)}'
            print_log(line, 'current', logging.WARNING)
        absent = [name for name in self.classes or () if name not in coco.classes]
        if absent and coco.classes:
            line = f'{coco.name}: {count_of(absent, "class", "classes")} not in the file: {shortened(absent)}'
            print_log(line, 'current')
        if not coco.has_objects:
            line = coco.describe_no_objects(f' in {self.source.annotations}')
            if not self.test_mode:
                fix = 'choose others, or add some' if coco.of_other_classes else 'correct them'
                raise UserError(f'{line}, so that there is nothing to learn: {fix}')
            print_log(f'{line}, so that there is nothing to measure', 'current', logging.WARNING)

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the labels of an image's objects but crowds and ignore regions, by which classes are balanced."""
        if self.tile_table is not None and idx >= len(self.tile_table.shown):
            return []  # crowds, if anything
        instances = self.get_data_info(idx)['instances']
        labels = (instance['bbox_label'] for instance in instances if not instance['ignore_flag'])
        return [label for label in labels if label != IGNORE_REGION]

    def filter_data(self) -> list[dict]:
        """Leave out images by the rules of ``filter_cfg`` and those too thin for a detector, and log their number."""
        selected = self._selected
        if selected is None:
            return self.data_list
        if selected.thin_boxes:
            boxes = count_of(selected.thin_boxes, 'box', 'boxes')
            print_log(f'{self.name}: {boxes} thinner than a pixel not learned', 'current', logging.WARNING)
        rules = self.filter_cfg or {}
        line = (
            f'{self.name}: {len(selected.images)} of {len(self.data_list)} images are used; left out are '
            f'{len(selected.empty)} without annotations, {len(selected.small)} with a side of less than '
            f'{rules.get("min_size", 0)} pixels'
        )
        names = [image['file_name'] for image in selected.thin]
        thin = (
            f'{count_of(names, "image")} too thin for the anchors of a detector: {shortened(names)}' if names else ''
        )
        if not selected.images:
            raise UserError(f'nothing to learn from: {line}{f", {thin}" if thin else ""}')
        if rules:
            print_log(line, 'current')
        if thin:
            print_log(f'{self.name}: left out: {thin}', 'current', logging.WARNING)
        used = {image['id'] for image in selected.images}
        return [info for info in self.data_list if info['img_id'] in used]
