"""Semantic segmentation."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.class_choice import as_choice
from ..errors import UserError
from ..io.image_size import ImageSize
from .adaptation import SegmentorAdaptation
from .class_choices import join_chosen
from .config_parts import LOADERS, loaders
from .datasets import (
    check_unsplit,
    innermost_datasets,
    is_own,
    join_classes_of_roots,
    own_datasets,
    point_at_root,
    set_subset,
    takes,
    tested_dataset,
)
from .dense import RECORD_SIZE, DenseTask, counted_samples, random_boxes, random_image, read_as_annotated
from .heads import check_class_weights, check_ignored_labels, classifies_pixels, count_head_rows
from .records import AS_FOUND, ClassInfo, CountColumn, DataOptions, MainMetrics, Part, TrainedClasses
from .segmentor_sizes import describe_sizes, follow_training_size, set_image_size

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..data.formats.write.base import LabeledImage
    from ..diagnosis.diagnosed_image import DiagnosedImage, LabelMaps
    from ..diagnosis.findings.base import Findings
    from ..export.graphs import Graph
    from ..io.windowed_image import WindowedImage
    from ..models.tiled import TiledModel
    from ..results import Segmentation
    from ..results.label_map_file import LabelMapFile
    from .sizes import SetBy
    from .tiled_results import TiledFile, TileProgress

MASK_KEYS = ('mask_labels', 'mask_folder', 'format')
"""Options on reading a data set that are arguments of ours."""

COUNTED_CROP = (512, 512)
"""Height and width of the crops of a model whose config does not say."""


def _own_classes(dataset: Mapping) -> list[str]:
    """Return the class names of a data set of ours, from its config."""
    from ..data.segmentation.label_zero import AUTO
    from ..data.segmentation.masks import mask_classes
    from ..data.segmentation.options import MaskOptions

    return mask_classes(dataset['root'], dataset.get('reduce_zero_label', AUTO), MaskOptions.of(dataset))


def _set_kind(dataset: ConfigDict) -> None:
    """Set the kind of masks and their format in the config of a data set that leaves it to its data, if it has any."""
    from ..data.segmentation.find import find_source
    from ..data.segmentation.label_zero import AUTO
    from ..data.segmentation.mask_kinds import read_kind
    from ..data.segmentation.options import MaskOptions

    options = MaskOptions.of(dataset)
    if options.labels != AUTO or not takes(dataset, 'mask_labels'):
        return
    if find_source(dataset.root, options) is None:
        return
    reading = read_kind(dataset.root, options)
    dataset.mask_labels = reading.reader.kind
    if reading.source is not None:
        dataset.format = reading.source.format


class SegmentationTask(DenseTask):
    """Semantic segmentation on images with label maps, with mmseg's segmentors and mIoU."""

    name = 'segmentation'
    default_scope = 'mmseg'
    modules = (
        'convnext_dense',
        'convnext_dense.data.segmentation.dataset',
        'convnext_dense.models.segmentor',
        'mmseg.datasets',
    )
    model_name = 'segmentor'
    small_lr_factor = 10.0
    sample_folder = 'ade20k'
    large_settings = '_base_/sample/large_segmentation.py'
    metrics = MainMetrics('mIoU on unseen images', 'optimizer step', {'mIoU': ''})
    count_column = CountColumn('pixels', as_share=True)
    exports = ('logits', 'labels', 'features')
    extra_files = ('_labels.png',)
    tiled_files = ('_labels.tif',)
    writes_annotations = True
    views_obstacle = 'the config has no tta_model, which merges the label maps of several views'
    data_options = ('mask_labels', 'mask_folder')
    adaptation = SegmentorAdaptation()

    def point_at(
        self, cfg: Config, root: str, optional: Collection[str] = (), options: DataOptions = AS_FOUND
    ) -> None:
        """Point the data sets at a folder, whose masks are recognized anew unless the options say what they are."""
        from ..data.formats.base import WHOLE
        from ..data.segmentation.find import has_split, is_whole
        from ..data.segmentation.options import MaskOptions

        for dataset in (loader.dataset for loader in loaders(cfg)):
            if dataset.get('root') != root:
                for key in MASK_KEYS:
                    dataset.pop(key, None)
            dataset.update({key: getattr(options, key) for key in MASK_KEYS if getattr(options, key) is not None})
        point_at_root(cfg, root)
        found = MaskOptions.of(loaders(cfg)[0].dataset)
        has_train, has_val = (has_split(root, split, found) for split in ('training', 'validation'))
        check_unsplit(options, has_train, has_val, root)
        for key in LOADERS:
            if cfg.get(key) is None:
                continue
            dataset, role = cfg[key].dataset, 'train' if key == 'train_dataloader' else 'val'
            was_part = dataset.get('subset') is not None
            is_part = set_subset(cfg, dataset, role, options, keep=has_train and not has_val)
            if is_part or was_part:
                dataset.split = 'training' if is_part or role == 'train' else 'validation'
            if not is_part and cfg.get('train_dataloader') is None and is_whole(root, MaskOptions.of(dataset)):
                dataset.split = WHOLE

    def set_label_zero(self, cfg: Config, meaning: str) -> None:
        for loader in loaders(cfg):
            for dataset in innermost_datasets(loader.dataset):
                dataset.reduce_zero_label = meaning == 'ignore'

    def settle(self, cfg: Config, trained: TrainedClasses | None = None) -> None:
        """Set what kind of masks there are and what their label 0 means in all data sets.

        Label 0 is as in training, by a setting, or by what the data say.

        The labels of a checkpoint and of its data have the same names whatever 0 means, so that only its own meaning
        keeps the names on the classes that it learned.
        """
        from ..data.segmentation.label_zero import AUTO, check_same_label_zero
        from ..data.segmentation.masks import agree_on_label_zero
        from ..data.segmentation.options import MaskOptions

        folders = own_datasets(cfg)
        options = {}
        for dataset in folders:
            _set_kind(dataset)
            options[str(dataset.root)] = MaskOptions.of(dataset)
        settings = [(dataset.root, dataset.get('reduce_zero_label', AUTO)) for dataset in folders]
        known = None if trained is None else trained.reduce_zero_label
        if known is not None:
            for _, setting in settings:
                check_same_label_zero(known, setting)
            settings = [(root, known if setting == AUTO else setting) for root, setting in settings]
        agreed = agree_on_label_zero(settings, options)
        for dataset in folders:
            dataset.reduce_zero_label = agreed

    def has_data(self, dataset: Mapping) -> bool:
        from ..data.segmentation.find import has_split
        from ..data.segmentation.options import MaskOptions

        return has_split(dataset['root'], dataset['split'], MaskOptions.of(dataset))

    def read_own_classes(self, dataset: Mapping) -> Sequence[str]:
        return _own_classes(dataset)

    def join_classes(self, cfg: Config) -> None:
        if not join_chosen(self, cfg):
            join_classes_of_roots(cfg, _own_classes)

    def count_classes(self, cfg: Config) -> int:
        dataset = loaders(cfg)[0].dataset
        return len(dataset.get('classes') or _own_classes(dataset))

    def check_trainable(self, cfg: Config) -> None:
        from ..data.segmentation.label_zero import AUTO
        from ..data.segmentation.masks import check_learnable, read_labels
        from ..data.segmentation.options import MaskOptions

        if cfg.get('train_dataloader') is None or not classifies_pixels(cfg):
            return
        for dataset in innermost_datasets(cfg.train_dataloader.dataset):
            if not is_own(dataset) or not self.has_data(dataset):
                continue
            options = MaskOptions.of(dataset)
            labels = read_labels(dataset.root, dataset.get('reduce_zero_label', AUTO), options=options)
            check_learnable(dataset.root, dataset.split, labels, as_choice(dataset.get('choice')), options)

    def read_data(self, cfg: Config) -> DatasetRecords:
        from ..data.check import Finding
        from ..data.segmentation.masks import UnusableMasks

        data = super().read_data(cfg)
        try:
            self.check_trainable(cfg)
        except UnusableMasks:  # the data have findings about them
            pass
        except UserError as error:
            if str(error) not in [finding.message for finding in data.findings]:
                data.findings.append(Finding.of_error('train', error))
        return data

    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        from ..data.segmentation.check import read_mask_folder

        return read_mask_folder(datasets)

    def set_image_size(self, cfg: Config, size: ImageSize) -> None:
        set_image_size(cfg, size)

    def follow_training_size(self, cfg: Config, set_by: SetBy) -> dict[str, Any]:
        return follow_training_size(cfg, set_by)

    def describe_sizes(self, cfg: Config) -> str:
        return describe_sizes(cfg)

    def draw_ground_truth(self, data: Any, record: ImageRecord) -> np.ndarray:
        import numpy as np

        from ..io.color_masks import BadLabels
        from ..io.images import read_rgb
        from ..results import UNLABELED, Segmentation
        from ..results.colors import class_colors
        from ..results.drawing import shrunk

        assert record.mask is not None
        try:
            labels = data.read_mask(record.mask).astype(int)
        except BadLabels:
            return shrunk(read_rgb(record.path, False, data.value_range, data.opening), RECORD_SIZE)
        image = read_as_annotated(record.path, ImageSize.of(labels), data.value_range, opening=data.opening)
        known = (labels >= data.first_label) & (labels <= UNLABELED)
        labels = np.where(known & (labels != UNLABELED), labels - data.first_label, UNLABELED).astype(np.uint8)
        joined = labels.copy()
        for own, label in data.label_maps.get(record.mask, {}).items():
            joined[labels == own] = label
        labels = np.where(joined < len(data.classes), joined, UNLABELED)
        image, labels = shrunk(image, RECORD_SIZE), shrunk(labels, RECORD_SIZE, smooth=False)
        result = Segmentation(record.path, labels, data.classes, class_colors(data.classes))
        return shrunk(result.draw(image=image, legend_rows=2), RECORD_SIZE)

    def compare(
        self, output: Any, image: np.ndarray, metainfo: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray, str]:
        from ..results import UNLABELED, Segmentation

        prediction, ground_truth = (
            Segmentation.from_sample(output, metainfo['classes'], metainfo['palette'], kind) for kind in ('pred', 'gt')
        )
        labeled = ground_truth.labels != UNLABELED
        right = (prediction.labels == ground_truth.labels)[labeled]
        caption = f'{right.mean():.1%} of the labeled pixels are right' if right.size else 'nothing is labeled'
        return prediction.draw(image=image), ground_truth.draw(image=image), caption

    def diagnosed_image(self, output: Any, metainfo: Mapping[str, Any]) -> DiagnosedImage:
        from .diagnosed_images import segmented

        return segmented(output, len(metainfo['classes']))

    def keep_for_diagnosis(self, cfg: Config) -> None:
        cfg.model.get('module', cfg.model).setdefault('test_cfg', {}).keep_confidence = True

    def shown_maps(self, output: Any, metainfo: Mapping[str, Any]) -> LabelMaps | None:
        from .diagnosed_images import label_maps

        return label_maps(output, len(metainfo['classes']))

    def find(self, images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
        from .findings import find_in_pixels

        return find_in_pixels(images, metainfo)

    def prepare_config(self, cfg: Config) -> None:
        from ..registry import MODELS

        if cfg.model.type == 'mmseg.EncoderDecoder' and MODELS.get('convnext_dense.Segmentor'):
            cfg.model.type = 'convnext_dense.Segmentor'

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        rows = count_head_rows(state_dict, 'conv_seg.weight')
        return 2 if rows == 1 else rows  # a single channel tells class 1 from class 0

    def first_label(self, cfg: Config, meta: Mapping[str, Any], checkpoint: Path) -> int:
        """Return the label of class 0 in the masks that a checkpoint was trained on, as it says or the config.

        Raises:
            UserError: if they contradict each other.
        """
        from ..data.segmentation.label_zero import check_same_label_zero

        known, given = meta.get('reduce_zero_label'), tested_dataset(cfg).get('reduce_zero_label')
        check_same_label_zero(known, given, f'checkpoint {checkpoint}')
        words = (True, False)
        if known not in words and given not in words:
            logging.getLogger('mmengine').warning(
                f'checkpoint {checkpoint} does not say what label 0 of its masks means: label maps are written as in '
                'ADE20K, with 1 for the first class; with 0 for it if you give --label-zero class'
            )
        return int(known if known in words else given if given in words else True)

    def input_shape(self, cfg: Config) -> ImageSize:
        tested, trained = cfg.model.get('test_cfg') or {}, cfg.model.get('data_preprocessor') or {}
        return ImageSize(*(tested.get('crop_size') or trained.get('size') or COUNTED_CROP))

    def to_result(self, sample: Any, classes: ClassInfo) -> Segmentation:
        from ..results import Segmentation

        return Segmentation.from_sample(sample, classes.names, classes.colors, first_label=classes.first_label or 0)

    def predict_tiles(
        self,
        tiled: TiledModel,
        image: WindowedImage,
        classes: ClassInfo,
        progress: TileProgress,
        out: TiledFile | None = None,
    ) -> Segmentation | LabelMapFile:
        from .tiled_results import segment, write_label_map

        if out is None:
            return segment(tiled, image, classes, progress)
        return write_label_map(tiled, image, classes, progress, out)

    def labeled_image(self, result: Any, needs_masks: bool = False) -> LabeledImage:
        from .labeled_images import with_label_map

        return with_label_map(result)

    def check_model(self, model: Any, settings: Mapping[str, Any]) -> None:
        check_class_weights(model)
        check_ignored_labels(settings)

    def training_size(self, cfg: Config) -> ImageSize:
        size = cfg.model.get('data_preprocessor', {}).get('size')
        steps = innermost_datasets(cfg.train_dataloader.dataset)[0].get('pipeline', ())
        crops = [step['crop_size'] for step in steps if 'crop_size' in step]
        return ImageSize(*(size or (crops[-1] if crops else (512, 512))))

    def head_parts(self, model: Any, features: Sequence[Tensor]) -> Iterator[Part]:
        for name in ('decode_head', 'auxiliary_head'):
            head = getattr(model, name, None)
            if head is None or (name == 'decode_head' and hasattr(head, '__len__')):
                continue  # the heads of a cascade depend on each other
            if _has_queries(head):
                continue  # it needs the samples' metadata, and values
            heads = {f'.{i}': one for i, one in enumerate(head)} if hasattr(head, '__len__') else {'': head}
            for place, one in heads.items():
                yield Part(f'model.{name}{place}', features)
                one(tuple(features))

    @contextmanager
    def whole_inference(self, model: Any) -> Iterator[None]:
        before = dict(model.test_cfg)
        model.test_cfg.mode = 'whole'
        try:
            yield
        finally:
            model.test_cfg.clear()
            model.test_cfg.update(before)

    def counted_shape(self, cfg: Config) -> ImageSize:
        height = ((cfg.model.get('data_preprocessor') or {}).get('size') or COUNTED_CROP)[0]
        return ImageSize(height, 4 * height)

    def run_counted(self, model: Any, image: Tensor) -> str:
        features, heads = model.extract_feat(image), model.decode_head
        if _has_queries(heads):
            heads(features, counted_samples(image))
            return 'backbone and decode head; not run: the sums of the masks by their classes'
        if _is_cascade(heads):
            logits = heads[0](features)
            for head in list(heads)[1:]:
                if hasattr(head, 'get_points_test'):  # PointRend's takes the features of points that it chooses
                    metas = [sample.metainfo for sample in counted_samples(image)]
                    logits = head.predict(features, logits, metas, model.test_cfg)
                else:
                    logits = head(features, logits)
        else:
            heads(features)
        auxiliary = '; not run: the auxiliary head, whose parameters are included'
        return f'backbone and decode head{auxiliary if model.with_auxiliary_head else ""}'

    def graph_class(self, output: str) -> type[Graph]:
        from ..export.graphs import Features
        from ..export.segmentation import PixelLabels, PixelLogits

        graphs = {'logits': PixelLogits, 'labels': PixelLabels, 'features': Features}
        return graphs[output]

    def export_obstacle(self, model: Any, output: str) -> str | None:
        head = model.decode_head
        if output == 'features':
            return None
        if _is_cascade(head):
            return 'its heads refine the logits of one another, which has no graph'
        if _has_queries(head):
            return f'its {type(head).__name__} predicts the masks and classes of queries, not the logits of each pixel'
        if getattr(model.data_preprocessor, 'test_cfg', None):
            return 'its data_preprocessor.test_cfg pads the images'
        return None

    def set_training_shape(self, cfg: Config, shape: ImageSize) -> None:
        cfg.model.data_preprocessor.size = tuple(shape)

    def random_sample(self, rng: np.random.Generator, shape: ImageSize, classes: int) -> dict:
        import numpy as np
        from mmengine.dataset import Compose

        labels = np.zeros(shape, np.uint8)
        for x1, y1, x2, y2 in random_boxes(rng, shape):
            labels[y1:y2, x1:x2] = rng.integers(classes)
        pack = dict(type='mmseg.PackSegInputs')
        return Compose([pack])(dict(random_image(rng, shape), gt_seg_map=labels, seg_fields=['gt_seg_map']))

    def comparable_outputs(self, model: Any, inputs: Tensor, samples: Sequence[Any]) -> list[Tensor]:
        """Compute all logits, and the logit of each predicted label: labels may differ where logits are equal."""
        import torch

        logits = model.inference(inputs, [sample.metainfo for sample in samples])
        labels = torch.stack([sample.pred_sem_seg.data for sample in model.predict(inputs, samples)]).long()
        return [logits, logits.gather(1, labels)]


def _is_cascade(head: nn.Module) -> bool:
    """Whether a decode head consists of several, each of which refines the logits of the one before."""
    from torch import nn

    return isinstance(head, nn.ModuleList)


def _has_queries(head: object) -> bool:
    """Whether a decode head predicts a mask and a class for each of its queries, as MaskFormer's."""
    return hasattr(head, 'pixel_decoder')
