"""Object detection and instance segmentation."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NoData, UserError
from ..io.image_size import ImageSize
from .adaptation import DetectorAdaptation
from .anchors import least_side
from .copy_paste import describe_copy_paste, set_copy_paste
from .datasets import innermost_datasets, is_own, takes
from .dense import RECORD_SIZE, random_boxes, random_image, read_as_annotated
from .drawn_annotations import draw_annotations
from .heads import count_head_rows
from .masks import describe_boxes_only, keep_objects_without_mask, leave_out_masks, loads_masks
from .mmdet_models import NO_FILE, MmdetTask
from .records import ClassInfo, CountColumn, DataOptions, MainMetrics, TrainedClasses

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..data.detection.coco import Header
    from ..data.formats import Source
    from ..data.formats.write.base import LabeledImage
    from ..diagnosis.diagnosed_image import DiagnosedImage
    from ..diagnosis.findings.base import Findings
    from ..export.graphs import Graph
    from ..io.windowed_image import WindowedImage
    from ..models.tiled import TiledModel
    from ..results import Detection
    from .tiled_results import TiledFile, TileProgress

READING_RULES = ('box_format', 'most_lost')
"""Settings of a data set that say how its COCO file is read."""
MISSING_ANNOTATIONS = {
    "no attribute 'masks'": 'the head learns masks, and the training pipeline loads none: set with_mask=True in '
    'mmdet.LoadAnnotations of train_dataloader.dataset.pipeline, or {for_boxes}',
    "no attribute 'gt_sem_seg'": 'the model has a head for the classes of all pixels, and COCO files with instances '
    'have none: leave out its semantic_head',
}
"""Lines for errors of mmdet's heads that lack ground truth, by words of the errors."""

DRAWN_SCORE = 0.3
"""Detections with a lower score are not drawn beside the ground truth."""


class DetectionTask(MmdetTask):
    """Object detection and instance segmentation on COCO files with mmdet's detectors, with box and mask AP."""

    name = 'detection'
    modules = (
        'convnext_dense',
        'convnext_dense.data.detection.dataset',
        'convnext_dense.data.detection.mixed',
        'convnext_dense.data.detection.mixing',
        'convnext_dense.models.detector',
    )
    model_name = 'detector'
    small_lr_factor = 4.0
    sample_folder = 'coco'
    large_settings = '_base_/sample/large_detection.py'
    two_files = 'name two COCO files with --data TRAIN.json:IMAGES,VAL.json:IMAGES'
    metrics = MainMetrics('AP on unseen images', 'epoch', {'box_AP': 'boxes, ', 'mask_AP': 'masks, '})
    count_column = CountColumn('boxes')
    exports = ('instances', 'features')
    writes_coco = True
    has_scores = True
    views_obstacle = 'it merges the objects of several views by NMS, and the config has no tta_model that does'
    writes_annotations = True
    adaptation = DetectorAdaptation()

    def find_splits(self, root: str, single: str, options: DataOptions) -> Mapping[str, Source]:
        from ..data.formats import find_sources

        try:
            return find_sources(root, single, options.format)
        except NoData as error:
            raise _for_segmentation(root) or error from None

    def describe_source(self, source: Source) -> str:
        from ..data.formats import describe_source

        return describe_source(source)

    def set_source(self, dataset: ConfigDict, source: Source | None) -> None:
        from ..data.formats import Source

        annotations, images, name, split = source or Source(Path(NO_FILE), Path(NO_FILE))
        for key in ('format', 'split'):
            dataset.pop(key, None)
        dataset.update(annotations=str(annotations), images=str(images))
        if name != 'coco':
            dataset.update(format=name)
        if split:
            dataset.update(split=split)

    def read_header(self, dataset: Mapping) -> Header:
        from ..data.detection.coco import read_header
        from ..data.formats import source_of

        return read_header(source_of(dataset))

    def settle(self, cfg: Config, trained: TrainedClasses | None = None) -> None:
        """Have the training data leave out the images that are too thin for the model's anchors, and no others.

        Objects without a mask are kept where the mask head can leave them out. The data for testing are read by the
        rules of those for validation, where they are the same and state none.
        """
        _share_rules(cfg)
        if cfg.get('train_dataloader') is None:
            return
        settings = {
            'least_side': least_side(cfg.model),
            'keeps_unmasked': loads_masks(cfg) and keep_objects_without_mask(cfg),
        }
        for dataset in innermost_datasets(cfg.train_dataloader.dataset):
            for key, value in settings.items() if is_own(dataset) else ():
                if takes(dataset, key) and value != dataset.get(key, 0):
                    dataset[key] = value

    def leave_out_masks(self, cfg: Config, as_trained: bool = False, reads_data: bool = False) -> bool:
        return leave_out_masks(cfg, as_trained, reads_data)

    def set_copy_paste(self, cfg: Config, prob: float) -> None:
        set_copy_paste(cfg, prob)

    def describe_masks(self, cfg: Config) -> str:
        return '; '.join(filter(None, (describe_boxes_only(cfg), describe_copy_paste(cfg))))

    def read_data(self, cfg: Config) -> DatasetRecords:
        from ..data.check import NOTE, Finding

        with suppress(UserError):  # which the records say, too
            self.leave_out_masks(cfg, reads_data=True)
        self.settle(cfg)
        data = super().read_data(cfg)
        if said := describe_boxes_only(cfg):
            data.findings.append(Finding(NOTE, 'train', said))
        return data

    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        from ..data.detection.check import read_coco_files

        return read_coco_files(datasets)

    def draw_ground_truth(self, data: DatasetRecords, record: ImageRecord) -> np.ndarray:
        from ..results.drawing import shrunk

        assert record.size is not None
        image = read_as_annotated(record.path, record.size, data.value_range, record.is_upright, data.opening)
        return shrunk(draw_annotations(image, record.instances, data.classes), RECORD_SIZE)

    def compare(
        self, output: Any, image: np.ndarray, metainfo: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray, str]:
        from ..results import Detection

        classes, annotated = metainfo['classes'], output.get('instances')  # not in another library's data set
        prediction = Detection.from_sample(output, classes).above(DRAWN_SCORE)
        caption = (
            f'{len(prediction.boxes)} predicted with a score of {DRAWN_SCORE:.0%} or more, '
            f'{"no" if annotated is None else len(annotated)} annotated'
        )
        ground_truth = draw_annotations(image, annotated or [], classes)
        return prediction.draw(image=image), ground_truth, caption

    def diagnosed_image(self, output: Any, metainfo: Mapping[str, Any]) -> DiagnosedImage:
        from .diagnosed_images import detected

        return detected(output)

    def find(self, images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
        from .findings import find_in_objects

        return find_in_objects(images, metainfo)

    def explain_training_error(self, error: Exception, cfg: Config) -> str | None:
        from ..data.detection.options import FOR_BOXES

        line = next((line for word, line in MISSING_ANNOTATIONS.items() if word in str(error)), None)
        return line and line.format(for_boxes=FOR_BOXES)

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        rows = count_head_rows(state_dict, 'fc_cls.weight')
        return None if rows is None else rows - 1  # one row is for the background

    def to_result(self, sample: Any, classes: ClassInfo) -> Detection:
        from ..results import Detection

        return Detection.from_sample(sample, classes.names, classes.category_ids)

    def predict_tiles(
        self,
        tiled: TiledModel,
        image: WindowedImage,
        classes: ClassInfo,
        progress: TileProgress,
        out: TiledFile | None = None,
    ) -> Detection:
        from .tiled_results import detect

        return detect(tiled, image, classes, progress)

    def coco_entries(self, output: Any, metainfo: Mapping[str, Any], folder: Path) -> list[Mapping]:
        from ..evaluation.coco import coco_results

        return list(coco_results([output.to_dict()], metainfo['category_ids']))

    def labeled_image(self, result: Any, needs_masks: bool = False) -> LabeledImage:
        from .labeled_images import with_objects

        return with_objects(result, needs_masks)

    def graph_class(self, output: str) -> type[Graph]:
        from ..export.detection import Instances
        from ..export.graphs import Features

        graphs = {'instances': Instances, 'features': Features}
        return graphs[output]

    def export_obstacle(self, model: nn.Module, output: str) -> str | None:
        if output == 'features':
            return None
        from ..export.detection import obstacle

        return obstacle(model)

    def random_sample(self, rng: np.random.Generator, shape: ImageSize, classes: int) -> dict:
        from mmengine.dataset import Compose

        instances = []
        for x1, y1, x2, y2 in random_boxes(rng, shape):
            instance = dict(bbox=[x1, y1, x2, y2], bbox_label=int(rng.integers(classes)), ignore_flag=0)
            instances.append(dict(instance, mask=[[x1, y1, x2, y1, x2, y2, x1, y2]]))
        keys = ('img_id', 'ori_shape', 'img_shape', 'scale_factor')
        pack = [
            dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='mmdet.PackDetInputs', meta_keys=keys),
        ]
        return Compose(pack)(dict(random_image(rng, shape), instances=instances, **shape._asdict()))


def _for_segmentation(root: str) -> NoData | None:
    """Return the error for a folder of images with masks; None for any other."""
    from ..data.segmentation.folders import find_folders
    from ..data.segmentation.options import AS_FOUND as ANY_MASKS

    try:
        if not Path(root).is_dir() or not find_folders(Path(root), ANY_MASKS):
            return None
    except UserError:
        return None
    return NoData(
        f'no data at {root}: expected annotations of objects, and it holds images with masks: take a config of a '
        f'segmentor, or make objects of the regions with convnext-dense convert-data {shlex.quote(root)} NEW --to coco'
    )


def _share_rules(cfg: Config) -> None:
    """Have test data read their file by the rules that validation reads the same file by."""
    if cfg.get('val_dataloader') is None or cfg.get('test_dataloader') is None:
        return
    parts = innermost_datasets(cfg.val_dataloader.dataset)
    validated = {one.annotations: one for one in parts if 'annotations' in one}
    for dataset in innermost_datasets(cfg.test_dataloader.dataset):
        rules = validated.get(dataset.get('annotations'), {})
        dataset.update({key: rules[key] for key in READING_RULES if key in rules and dataset.get(key) is None})
