"""Base class of the tasks with models of mmdet: sizes of images, parts of the models, what is counted and compared."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import NoData, UserError
from ..io.image_size import TOTAL_STRIDE, ImageSize
from .class_choices import join_chosen
from .config_parts import loaders
from .datasets import (
    check_unsplit,
    innermost_datasets,
    is_own,
    keep_category_ids_apart,
    loaders_by_split,
    own_datasets,
    set_subset,
    takes,
    tested_dataset,
)
from .dense import DenseTask, counted_samples
from .detector_sizes import describe_sizes, follow_training_size, scale_in_testing, set_image_size
from .heads import check_class_weights, check_needed_packages, check_nms
from .pipelines import as_size, is_size, kind_of
from .records import AS_FOUND, DataOptions, Part, TrainedClasses

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from .sizes import SetBy

COUNTED_SHAPE = (800, 1280)
"""Height and width of the image for which detectors' MACs are published."""
RECIPE_SCALE = (1333, 800)
"""Size that images fit into in the recipes, for which the MACs are counted at :data:`COUNTED_SHAPE`."""


NO_FILE = 'no file'
"""Path of the annotations of a split that a data set does not have."""


class MmdetTask(DenseTask):
    """Dense prediction task whose models are detectors of mmdet, or built like them."""

    default_scope = 'mmdet'
    two_files: ClassVar[str]
    """How two files are named with ``--data``, for messages."""

    @abstractmethod
    def find_splits(self, root: str, single: str, options: DataOptions) -> Mapping[str, Any]:
        """Find the annotations of a data set on disk.

        Args:
            root: the data set.
            single: the split that annotations of no split are for.
            options: how the data set is read.

        Returns:
            The source of ``'train'``, ``'val'`` or both.

        Raises:
            NoData: if there are none.
        """

    @abstractmethod
    def describe_source(self, source: Any) -> str:
        """Describe where annotations are."""

    @abstractmethod
    def set_source(self, dataset: ConfigDict, source: Any) -> None:
        """Set where the annotations of a data set's config are; None for a split without data."""

    @abstractmethod
    def read_header(self, dataset: Mapping) -> Any:
        """Read ``name`` and ``classes`` of the annotations of one of our data sets, from its config.

        Raises:
            UserError: if they can't be read.
        """

    def point_at(
        self, cfg: Config, root: str, optional: Collection[str] = (), options: DataOptions = AS_FOUND
    ) -> None:
        single = 'val' if cfg.train_dataloader is None and options.split is None else 'train'
        splits = self.find_splits(root, single, options)
        check_unsplit(options, 'train' in splits, 'val' in splits, root)
        alone = next(iter(splits.values())) if len(splits) == 1 else None
        for split, loader in loaders_by_split(cfg):
            is_part = set_subset(cfg, loader.dataset, split, options, keep=alone is not None)
            source = (alone or splits['train']) if is_part else splits.get(split)
            if source is None and split not in optional:
                (own,) = splits.values()
                fix = 'hold some images out with --val-split 0.2' if split == 'val' else 'add some to train'
                where = f'{root}, beside {self.describe_source(own)}'
                raise NoData(f'no {split} annotations at {where}: {fix}, or {self.two_files}')
            self.set_source(loader.dataset, source)

    def has_data(self, dataset: Mapping) -> bool:
        return Path(dataset['annotations']).exists()

    def use_classes(self, cfg: Config, classes: TrainedClasses) -> None:
        super().use_classes(cfg, classes)
        keep_category_ids_apart(cfg)
        for dataset in own_datasets(cfg):
            if dataset.annotations == NO_FILE:
                raise NoData('the config is of a run without validation data: give some with --data PATH')
            if classes.category_ids is not None and takes(dataset, 'category_ids'):
                dataset.category_ids = list(classes.category_ids)

    def count_classes(self, cfg: Config) -> int:
        dataset = loaders(cfg)[0].dataset
        return len(dataset.get('classes') or self.read_header(dataset).classes)

    def read_own_classes(self, dataset: Mapping) -> Sequence[str]:
        return self.read_header(dataset).classes

    def join_classes(self, cfg: Config) -> None:
        from ..data.detection.categories import check_known_names

        keep_category_ids_apart(cfg)
        if join_chosen(self, cfg):
            return
        used = [cfg[key] for key in ('train_dataloader', 'val_dataloader') if cfg.get(key) is not None]
        learned_or_measured = [one for loader in used for one in innermost_datasets(loader.dataset) if is_own(one)]
        headers: dict[tuple, Any] = {}
        for dataset in learned_or_measured or own_datasets(cfg):  # testing is not part of training
            place = _source_key(dataset)
            if place not in headers:
                headers[place] = self.read_header(dataset)
        for number, dataset in enumerate(own_datasets(cfg)):
            if number == 0:
                first = headers[_source_key(dataset)]
                learned = tuple(dataset.get('classes') or first.classes)
            elif (header := headers.get(_source_key(dataset))) and header.classes != learned:
                both = (header.name, first.name)
                if header.name == first.name:  # of two folders
                    both = (str(dataset.annotations), str(own_datasets(cfg)[0].annotations))
                check_known_names(header.classes, both[0], learned, both[1])
                dataset.classes = list(learned)

    def set_image_size(self, cfg: Config, size: ImageSize) -> None:
        set_image_size(cfg, size)

    def follow_training_size(self, cfg: Config, set_by: SetBy) -> dict[str, Any]:
        return follow_training_size(cfg, set_by)

    def describe_sizes(self, cfg: Config) -> str:
        return describe_sizes(cfg)

    def input_shape(self, cfg: Config) -> ImageSize:
        steps = tested_dataset(cfg).pipeline
        scale = next((step.scale for step in steps if isinstance(step.get('scale'), list | tuple)), COUNTED_SHAPE)
        pads = (step['size'] for step in steps if kind_of(step) == 'Pad' and is_size(step.get('size')))
        sides = (*sorted(scale), *next((as_size(size).transposed for size in pads), (0, 0)))  # a pad is width first
        short, long, height, width = (-(-side // TOTAL_STRIDE) * TOTAL_STRIDE for side in sides)
        return ImageSize(max(short, height), max(long, width))

    def check_model(self, model: Any, settings: Mapping[str, Any]) -> None:
        check_needed_packages(model)
        check_class_weights(model)
        check_nms(settings)

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
                    if _number_of_inputs(one) > 1:  # such as Sparse R-CNN's, which takes its queries too
                        continue
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

        A detector without regions runs as a whole, up to the outputs of its head, and without a mask head that takes
        the objects which the box head finds.

        Raises:
            UserError: if the model is not one of mmdet's detectors.
        """
        import torch
        from torch import nn

        if not (getattr(model, 'with_rpn', False) and getattr(model, 'with_roi_head', False)):
            if not hasattr(model, '_forward'):
                raise UserError(f"{type(model).__name__} is not counted: the rule is for mmdet's detectors")
            if getattr(model, 'with_bbox', False) and getattr(model, 'with_mask', False):
                model.bbox_head(model.extract_feat(image))
                return 'backbone, neck and box head; not run: the mask head, which takes the objects that are found'
            model(image, counted_samples(image), mode='tensor')
            if hasattr(model, 'decoder'):  # of mmdet's DetectionTransformer
                return 'backbone, neck, encoder, decoder and head, with its queries; not run: the choice of results'
            return 'backbone, neck and head; not run: the choice of results (nms), pasting of masks'
        features = model.extract_feat(image)
        if hasattr(model.rpn_head, 'init_proposal_bboxes'):
            return _run_learned_regions(model, features, counted_samples(image))
        if type(model.rpn_head).forward is nn.Module.forward:  # it has none, as mmdet's CascadeRPNHead
            model.rpn_head.predict(features, counted_samples(image), rescale=False)
        else:
            model.rpn_head(features)
        roi, parts, regions = model.roi_head, 'backbone, neck and RPN', []
        if getattr(model, 'with_semantic_head', False):
            model.semantic_head(features)
            parts = 'backbone, neck, RPN and semantic head'
        for part, limits in (('bbox', model.rpn_head.test_cfg), ('mask', roi.test_cfg)):
            if not getattr(roi, f'with_{part}'):
                continue
            heads, extractors = _stages(getattr(roi, f'{part}_head')), _stages(getattr(roi, f'{part}_roi_extractor'))
            for head, extractor in zip(heads, extractors, strict=True):
                sides = extractor.roi_layers[0].output_size
                pooled = torch.zeros(limits.max_per_img, extractor.out_channels, *sides, device=image.device)
                head(*[pooled] * _number_of_inputs(head))
            regions.append(f'the {"box" if part == "bbox" else part} head on {limits.max_per_img}')
        stages = getattr(roi, 'num_stages', 1)
        at_stages = f' at each of the {stages} stages' if stages > 1 else ''
        return (
            f'{parts}, and{at_stages} {" and ".join(regions)} regions; '
            'not run: the choice of regions (nms), RoIAlign, pasting of masks'
        )

    def comparable_outputs(self, model: Any, inputs: Tensor, samples: Sequence[Any]) -> list[Tensor]:
        return list(model.extract_feat(inputs))


def _stages(parts: nn.Module | None) -> list[Any]:
    """Return the heads or extractors of a cascade's stages; a detector without a cascade has one stage."""
    from torch import nn

    return list(parts) if isinstance(parts, nn.ModuleList) else [parts]


def _number_of_inputs(head: nn.Module) -> int:
    """Return how many features of regions a head takes: one, or two as mmdet's DoubleConvFCBBoxHead."""
    parameters = inspect.signature(head.forward).parameters.values()
    return max(1, sum(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters))


def _run_learned_regions(model: Any, features: Sequence[Tensor], samples: list[Any]) -> str:
    """Run the stages of mmdet's SparseRCNN and QueryInst, and describe them: the regions of these are learned."""
    regions = model.rpn_head.predict(features, samples, rescale=False)
    metas, roi = [sample.metainfo for sample in samples], model.roi_head
    roi.predict_bbox(features, metas, regions, roi.test_cfg, rescale=False)
    masks = '; not run: the mask heads' if model.with_mask else ''
    return f'backbone, neck, and the box heads of all stages on {model.rpn_head.num_proposals} learned regions{masks}'


def _source_key(dataset: Mapping) -> tuple:
    """Return what tells the annotations of a data set from others, from its config."""
    return tuple(str(dataset.get(key)) for key in ('annotations', 'images', 'format', 'split'))
