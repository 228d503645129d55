"""Object detection and instance segmentation."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NoData, UserError
from ..io.image_size import TOTAL_STRIDE, ImageSize
from .anchors import least_side
from .class_choices import join_chosen
from .config_parts import loaders
from .datasets import (
    check_unsplit,
    concatenations,
    innermost_datasets,
    is_own,
    own_datasets,
    set_subset,
    takes,
    tested_dataset,
)
from .dense import RECORD_SIZE, DenseTask, counted_samples, random_boxes, random_image, read_as_annotated
from .detector_sizes import describe_sizes, follow_training_size, scale_in_testing, set_image_size
from .drawn_annotations import draw_annotations
from .heads import check_class_weights, count_head_rows
from .masks import describe_boxes_only, keep_objects_without_mask, leave_out_masks, loads_masks
from .records import AS_FOUND, ClassInfo, CountColumn, DataOptions, MainMetrics, Part, TrainedClasses

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..data.detection.coco import Header
    from ..data.formats import Source
    from ..data.formats.write.base import LabeledImage
    from ..export.graphs import Graph
    from ..results import Detection
    from .sizes import SetBy

COUNTED_SHAPE = (800, 1280)
"""Height and width of the image for which detectors' MACs are published."""
READING_RULES = ('box_format', 'most_lost')
"""Settings of a data set that say how its COCO file is read."""
TWO_FILES = 'name two COCO files with --data TRAIN.json:IMAGES,VAL.json:IMAGES'
NO_FILE = 'no file'
"""Path of the annotations of a split that a data set does not have."""
RECIPE_SCALE = (1333, 800)
"""Size that images fit into in the recipes, for which the MACs are counted at :data:`COUNTED_SHAPE`."""
MISSING_ANNOTATIONS = {
    "no attribute 'masks'": 'the head learns masks, and the training pipeline loads none: set with_mask=True in '
    'mmdet.LoadAnnotations of train_dataloader.dataset.pipeline, or {for_boxes}',
    "no attribute 'gt_sem_seg'": 'the model has a head for the classes of all pixels, and COCO files with instances '
    'have none: leave out its semantic_head',
}
"""Lines for errors of mmdet's heads that lack ground truth, by words of the errors."""

DRAWN_SCORE = 0.3
"""Detections with a lower score are not drawn beside the ground truth."""


class DetectionTask(DenseTask):
    """Object detection and instance segmentation on COCO files with mmdet's detectors, with box and mask AP."""

    name = 'detection'
    default_scope = 'mmdet'
    modules = (
        'convnext_dense',
        'convnext_dense.data.detection.dataset',
        'convnext_dense.data.detection.mixed',
        'convnext_dense.models.detector',
    )
    model_name = 'detector'
    sample_folder = 'coco'
    metrics = MainMetrics('AP on unseen images, %', 'epoch', {'box_AP': 'boxes, ', 'mask_AP': 'masks, '})
    count_column = CountColumn('boxes')
    exports = ('instances', 'features')
    writes_coco = True
    writes_annotations = True

    def point_at(
        self, cfg: Config, root: str, optional: Collection[str] = (), options: DataOptions = AS_FOUND
    ) -> None:
        from ..data.formats import describe_source, find_sources

        single = 'val' if cfg.train_dataloader is None and options.split is None else 'train'
        try:
            splits = find_sources(root, single, options.format)
        except NoData as error:
            raise _for_segmentation(root) or error from None
        check_unsplit(options, 'train' in splits, 'val' in splits, root)
        alone = next(iter(splits.values())) if len(splits) == 1 else None
        for split, loader in _loaders_by_split(cfg):
            is_part = set_subset(cfg, loader.dataset, split, options, keep=alone is not None)
            source = (alone or splits['train']) if is_part else splits.get(split)
            if source is None and split not in optional:
                (own,) = splits.values()
                fix = 'hold some images out with --val-split 0.2' if split == 'val' else 'add some to train'
                raise NoData(f'no {split} annotations at {root}, beside {describe_source(own)}: {fix}, or {TWO_FILES}')
            _set_source(loader.dataset, source)

    def has_data(self, dataset: Mapping) -> bool:
        return Path(dataset['annotations']).exists()

    def use_classes(self, cfg: Config, classes: TrainedClasses) -> None:
        super().use_classes(cfg, classes)
        _keep_category_ids_apart(cfg)
        for dataset in own_datasets(cfg):
            if dataset.annotations == NO_FILE:
                raise NoData('the config is of a run without validation data: give some with --data PATH')
            if classes.category_ids is not None and takes(dataset, 'category_ids'):
                dataset.category_ids = list(classes.category_ids)

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

    def describe_masks(self, cfg: Config) -> str:
        return describe_boxes_only(cfg)

    def read_data(self, cfg: Config) -> DatasetRecords:
        from ..data.check import NOTE, Finding

        with suppress(UserError):  # which the records say, too
            self.leave_out_masks(cfg, reads_data=True)
        self.settle(cfg)
        data = super().read_data(cfg)
        if said := describe_boxes_only(cfg):
            data.findings.append(Finding(NOTE, 'train', said))
        return data

    def count_classes(self, cfg: Config) -> int:
        from ..data.detection.coco import read_header
        from ..data.formats import source_of

        dataset = loaders(cfg)[0].dataset
        if dataset.get('classes'):
            return len(dataset.classes)
        return len(read_header(source_of(dataset)).classes)

    def read_own_classes(self, dataset: Mapping) -> Sequence[str]:
        from ..data.detection.coco import read_header
        from ..data.formats import source_of

        return read_header(source_of(dataset)).classes

    def join_classes(self, cfg: Config) -> None:
        from ..data.detection.categories import check_known_names
        from ..data.detection.coco import read_header
        from ..data.formats import source_of

        _keep_category_ids_apart(cfg)
        if join_chosen(self, cfg):
            return
        used = [cfg[key] for key in ('train_dataloader', 'val_dataloader') if cfg.get(key) is not None]
        learned_or_measured = [one for loader in used for one in innermost_datasets(loader.dataset) if is_own(one)]
        headers: dict[Source, Header] = {}
        for dataset in learned_or_measured or own_datasets(cfg):  # testing is not part of training
            source = source_of(dataset)
            if source not in headers:
                headers[source] = read_header(source)
        for number, dataset in enumerate(own_datasets(cfg)):
            if number == 0:
                first = headers[source_of(dataset)]
                learned = tuple(dataset.get('classes') or first.classes)
            elif (header := headers.get(source_of(dataset))) and header.classes != learned:
                both = (header.name, first.name)
                if header.name == first.name:  # of two folders
                    both = (str(dataset.annotations), str(own_datasets(cfg)[0].annotations))
                check_known_names(header.classes, both[0], learned, both[1])
                dataset.classes = list(learned)

    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        from ..data.detection.check import read_coco_files

        return read_coco_files(datasets)

    def set_image_size(self, cfg: Config, size: ImageSize) -> None:
        set_image_size(cfg, size)

    def follow_training_size(self, cfg: Config, set_by: SetBy) -> dict[str, Any]:
        return follow_training_size(cfg, set_by)

    def describe_sizes(self, cfg: Config) -> str:
        return describe_sizes(cfg)

    def draw_ground_truth(self, data: DatasetRecords, record: ImageRecord) -> np.ndarray:
        from ..results.drawing import shrunk

        assert record.size is not None
        image = read_as_annotated(record.path, record.size, data.value_range, record.is_upright)
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

    def explain_training_error(self, error: Exception, cfg: Config) -> str | None:
        from ..data.detection.options import FOR_BOXES

        line = next((line for word, line in MISSING_ANNOTATIONS.items() if word in str(error)), None)
        return line and line.format(for_boxes=FOR_BOXES)

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        rows = count_head_rows(state_dict, 'fc_cls.weight')
        return None if rows is None else rows - 1  # one row is for the background

    def input_shape(self, cfg: Config) -> ImageSize:
        steps = tested_dataset(cfg).pipeline
        scale = next((step.scale for step in steps if isinstance(step.get('scale'), list | tuple)), COUNTED_SHAPE)
        short, long = (-(-side // TOTAL_STRIDE) * TOTAL_STRIDE for side in sorted(scale))
        return ImageSize(short, long)

    def to_result(self, sample: Any, classes: ClassInfo) -> Detection:
        from ..results import Detection

        return Detection.from_sample(sample, classes.names, classes.category_ids)

    def labeled_image(self, result: Any, needs_masks: bool = False) -> LabeledImage:
        from .labeled_images import with_objects

        return with_objects(result, needs_masks)

    def check_model(self, model: Any, settings: Mapping[str, Any]) -> None:
        check_class_weights(model)

    def head_parts(self, model: Any, features: Sequence[Tensor]) -> Iterator[Part]:
        for name in ('rpn_head', 'bbox_head'):
            head: Any = getattr(model, name, None)
            if getattr(head, 'prior_generator', None) is None:  # others take more than features
                continue
            yield Part(f'model.{name}', features)
            levels = head.prior_generator.num_levels
            if len(features) != levels:
                raise UserError(
                    f'model.{name} has anchors for {levels} levels and gets {len(features)}: set the strides of its '
                    "anchor_generator and the neck's num_outs to as many"
                )
            head(tuple(features))
        roi = getattr(model, 'roi_head', None)
        for name in ('bbox', 'mask') if roi is not None else ():
            if getattr(roi, f'with_{name}', False) and hasattr(roi, f'{name}_roi_extractor'):
                extractors = _stages(getattr(roi, f'{name}_roi_extractor'))
                heads = _stages(getattr(roi, f'{name}_head'))
                for number, (extractor, one) in enumerate(zip(extractors, heads, strict=False)):
                    stage = f'.{number}' if len(heads) > 1 else ''
                    levels = len(extractor.featmap_strides)
                    if levels > len(features):
                        raise UserError(
                            f'model.roi_head.{name}_roi_extractor takes {levels} levels and gets {len(features)}: '
                            'shorten its featmap_strides'
                        )
                    sides = extractor.roi_layers[0].output_size
                    regions = features[0].new_empty(len(features[0]) * 2, features[0].shape[1], *sides)
                    yield Part(f'model.roi_head.{name}_head{stage}', [regions])
                    one(regions)

    def counted_shape(self, cfg: Config) -> ImageSize:
        return ImageSize(*COUNTED_SHAPE) if scale_in_testing(cfg) == RECIPE_SCALE else self.input_shape(cfg)

    def run_counted(self, model: Any, image: Tensor) -> str:
        """Run backbone, neck, RPN, and each stage's heads on the maximum number of regions per image.

        A detector without regions runs as a whole, up to the outputs of its head.

        Raises:
            UserError: if the model is not one of mmdet's detectors.
        """
        import torch

        if not (getattr(model, 'with_rpn', False) and getattr(model, 'with_roi_head', False)):
            if not hasattr(model, '_forward'):
                raise UserError(f"{type(model).__name__} is not counted: the rule is for mmdet's detectors")
            model(image, counted_samples(image), mode='tensor')
            if hasattr(model, 'decoder'):  # of mmdet's DetectionTransformer
                return 'backbone, neck, encoder, decoder and head, with its queries; not run: the choice of results'
            return 'backbone, neck and head; not run: the choice of results (nms), pasting of masks'
        model.rpn_head(model.extract_feat(image))
        roi = model.roi_head
        regions = []
        for part, limits in (('bbox', model.rpn_head.test_cfg), ('mask', roi.test_cfg)):
            if not getattr(roi, f'with_{part}'):
                continue
            heads, extractors = _stages(getattr(roi, f'{part}_head')), _stages(getattr(roi, f'{part}_roi_extractor'))
            for head, extractor in zip(heads, extractors, strict=True):
                sides = extractor.roi_layers[0].output_size
                head(torch.empty(limits.max_per_img, extractor.out_channels, *sides, device=image.device))
            regions.append(f'the {"box" if part == "bbox" else part} head on {limits.max_per_img}')
        stages = getattr(roi, 'num_stages', 1)
        at_stages = f' at each of the {stages} stages' if stages > 1 else ''
        return (
            f'backbone, neck and RPN, and{at_stages} {" and ".join(regions)} regions; '
            'not run: the choice of regions (nms), RoIAlign, pasting of masks'
        )

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

    def comparable_outputs(self, model: Any, inputs: Tensor, samples: Sequence[Any]) -> list[Tensor]:
        return list(model.extract_feat(inputs))


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


def _loaders_by_split(cfg: Config) -> list[tuple[str, ConfigDict]]:
    """Return the data loaders of a config, each with the COCO split that it reads."""
    by_split = (
        ('train', cfg.get('train_dataloader')),
        ('val', cfg.get('val_dataloader')),
        ('val', cfg.test_dataloader),
    )
    return [(split, loader) for split, loader in by_split if loader is not None]


def _set_source(dataset: ConfigDict, source: Source | None) -> None:
    """Set where a data set's annotations are; None for a split without data."""
    from ..data.formats import Source

    annotations, images, name, split = source or Source(Path(NO_FILE), Path(NO_FILE))
    for key in ('format', 'split'):
        dataset.pop(key, None)
    dataset.update(annotations=str(annotations), images=str(images))
    if name != 'coco':
        dataset.update(format=name)
    if split:
        dataset.update(split=split)


def _share_rules(cfg: Config) -> None:
    """Have test data read their file by the rules that validation reads the same file by."""
    if cfg.get('val_dataloader') is None or cfg.get('test_dataloader') is None:
        return
    parts = innermost_datasets(cfg.val_dataloader.dataset)
    validated = {one.annotations: one for one in parts if 'annotations' in one}
    for dataset in innermost_datasets(cfg.test_dataloader.dataset):
        rules = validated.get(dataset.get('annotations'), {})
        dataset.update({key: rules[key] for key in READING_RULES if key in rules and dataset.get(key) is None})


def _keep_category_ids_apart(cfg: Config) -> None:
    """Let COCO files with other ids for the same categories be concatenated: labels are joined by name."""
    for wrapper in concatenations(cfg):
        ignored = wrapper.get('ignore_keys') or []
        keys = [ignored] if isinstance(ignored, str) else list(ignored)
        if takes(wrapper, 'ignore_keys') and 'category_ids' not in keys:
            wrapper.ignore_keys = [*keys, 'category_ids']


def _stages(parts: nn.Module | None) -> list[Any]:
    """Return the heads or extractors of a cascade's stages; a detector without a cascade has one stage."""
    from torch import nn

    return list(parts) if isinstance(parts, nn.ModuleList) else [parts]
