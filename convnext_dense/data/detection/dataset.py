"""Data set for COCO files, for mmdet's transforms and detectors."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from ...errors import UserError
from ...io.coco_format import CocoAnnotation
from ...registry import DATASETS
from ..dense import DenseDataset
from .coco import describe_faults, read_coco
from .find import CocoPaths
from .instances import to_instance
from .join import join_categories

MIN_BOX_SIDE = 1.0  # pixels: thinner boxes are not used for training, as in mmdet and so in the published recipes


@DATASETS.register_module()
class CocoDataset(DenseDataset, BaseDataset):
    """Data set of images with boxes, and masks if there are any, from a COCO file.

    The pipeline gets a dict with ``img_path``, ``img_id`` (COCO's), ``height``, ``width`` and ``instances``, a list of
    :class:`~convnext_dense.io.coco_format.Instance`. For evaluation, ``meta_keys`` of ``mmdet.PackDetInputs`` must
    include ``instances``, since :class:`~convnext_dense.evaluation.CocoAP` takes the ground truth from the data
    samples.

    ``metainfo`` has the ``classes`` and their ``category_ids``.

    Args:
        annotations: the COCO file. Faults that :func:`~convnext_dense.data.detection.coco.read_coco` fixes are logged.
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

    Raises:
        UserError: for a category that is not in ``classes``, for an unusable file, for a file without masks if the
            pipeline loads masks, and if no image is left.
    """

    counted_units = 'annotations in the file'  # unit of ``class_counts``

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
    ) -> None:
        if on_bad_image not in ('stop', 'skip'):
            raise UserError(f"on_bad_image {on_bad_image!r} does not exist: take 'stop' or 'skip'")
        self.on_bad_image = on_bad_image
        self.paths = CocoPaths(Path(annotations), Path(images))
        self.classes, self.category_ids, self.needs_annotations = classes, category_ids, needs_annotations
        super().__init__(pipeline=pipeline, test_mode=test_mode, filter_cfg=filter_cfg, indices=indices)

    def load_data_list(self) -> list[dict]:
        coco = read_coco(self.paths, self.needs_annotations)
        self.has_ground_truth = any(coco.annotations.values())
        for line in describe_faults(coco.faults):
            print_log(line, 'current', logging.WARNING)
        learns_masks = any(getattr(transform, 'with_mask', False) for transform in self.pipeline.transforms)
        if learns_masks and not coco.has_masks:
            raise UserError(
                f'{self.paths.annotations} has no masks, which the detector needs: take a config of a detector '
                'without masks, or annotate them'
            )
        self.name = coco.name
        classes = coco.classes if self.classes is None else tuple(self.classes)
        ids = join_categories(self.paths.annotations, coco, classes, self.category_ids)
        self._metainfo.update(classes=classes, category_ids=ids)
        annotations = coco.annotations if self.test_mode else self._drop_thin_boxes(coco.annotations)
        labels = {number: label for label, number in enumerate(ids)}
        learned = [labels[a['category_id']] for of_image in annotations.values() for a in of_image]
        self.class_counts = np.bincount(learned, minlength=len(labels))
        return [
            {
                'img_path': os.path.join(self.paths.images, image['file_name']),
                'img_id': image['id'],
                'height': image['height'],
                'width': image['width'],
                'instances': [to_instance(a, labels[a['category_id']]) for a in annotations[image['id']]],
            }
            for image in coco.images
        ]

    def _drop_thin_boxes(self, annotations: dict[int, list[CocoAnnotation]]) -> dict[int, list[CocoAnnotation]]:
        kept = {
            image: [a for a in of_image if min(a['bbox'][2:]) >= MIN_BOX_SIDE]
            for image, of_image in annotations.items()
        }
        thin = sum(map(len, annotations.values())) - sum(map(len, kept.values()))
        if thin:
            print_log(f'{self.name}: boxes thinner than a pixel are not learned: {thin}', 'current')
        return kept

    def filter_data(self) -> list[dict]:
        """Leave out images by the rules of ``filter_cfg``, and log their number."""
        if self.test_mode or not self.filter_cfg:
            return self.data_list
        least = self.filter_cfg.get('min_size', 0)
        filled = [p for p in self.data_list if p['instances'] or not self.filter_cfg.get('filter_empty_gt')]
        kept = [p for p in filled if min(p['height'], p['width']) >= least]
        line = (
            f'{self.name}: {len(kept)} of {len(self.data_list)} images are used; left out are '
            f'{len(self.data_list) - len(filled)} without annotations, {len(filled) - len(kept)} with a side of less '
            f'than {least} pixels'
        )
        if not kept:
            raise UserError(f'nothing to learn from: {line}')
        print_log(line, 'current')
        return kept
