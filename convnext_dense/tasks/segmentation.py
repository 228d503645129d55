"""Semantic segmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..io.image_size import ImageSize
from .base import ClassInfo, CountColumn, MainMetrics, count_head_rows, point_at_root
from .config_parts import loaders
from .dense import RECORD_SIZE, DenseTask, random_boxes, random_image, read_as_annotated
from .pipelines import SizedStep, as_size, is_size, mean_side, scale_sizes
from .sizes import dotted, find_training_size, follow, pads_after, set_at, value_at

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config
    from torch import Tensor

    from ..data.check import DatasetRecords, ImageRecord
    from ..export.graphs import Graph
    from ..results import Segmentation
    from .sizes import SetBy

PADDED_SIZE = ('model', 'data_preprocessor', 'size')
"""Keys of the size to which the crops are padded in training."""
WINDOW = ('model', 'test_cfg')
"""Keys of the window of slide inference: its ``crop_size`` and ``stride``."""


class SegmentationTask(DenseTask):
    """Semantic segmentation on images with label maps, with mmseg's segmentors and mIoU."""

    name = 'segmentation'
    model_name = 'segmentor'
    sample_folder = 'ade20k'
    metrics = MainMetrics('mIoU on unseen images, %', 'optimizer step', {'mIoU': ''})
    count_column = CountColumn('pixels', as_share=True)
    exports = ('logits', 'labels', 'features')
    extra_files = ('_labels.png',)

    def point_at(self, cfg: Config, root: str) -> None:
        point_at_root(cfg, root)

    def count_classes(self, cfg: Config) -> int:
        from ..data.segmentation.masks import mask_classes

        dataset = loaders(cfg)[0].dataset
        return len(mask_classes(dataset.root, dataset.get('reduce_zero_label', True)))

    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        from ..data.segmentation.check import read_mask_folder

        return read_mask_folder(datasets)

    def set_image_size(self, cfg: Config, size: ImageSize) -> None:
        training = find_training_size(cfg)
        if training is None:
            raise UserError(
                f'--image-size {size.height} {size.width}: the training pipeline of this config has no crop to set'
            )
        factor = min(size) / min(training.size)

        def scaled(key: str, own: Any) -> Any:
            if key == 'crop_size':
                return tuple(size)
            sides = own if isinstance(own, tuple) else (own,)
            new = tuple(max(1, round(side * factor)) for side in sides)
            return new if isinstance(own, tuple) else new[0]

        scale_sizes([*(loader.dataset for loader in loaders(cfg)), cfg.get('tta_pipeline')], scaled)
        for keys in pads_after(cfg, training):
            set_at(cfg, keys, tuple(size.transposed))
        if is_size(value_at(cfg, PADDED_SIZE)):
            set_at(cfg, PADDED_SIZE, tuple(size))
        window = cfg.model.get('test_cfg') or {}
        if is_size(window.get('crop_size')):
            _set_window(window, size)

    def follow_training_size(self, cfg: Config, set_by: SetBy) -> dict[str, Any]:
        changed, training = {}, find_training_size(cfg)
        if training is not None:
            for padding in pads_after(cfg, training):
                changed.update(follow(cfg, training, padding, set_by, width_first=True))
            changed.update(follow(cfg, training, PADDED_SIZE, set_by))
            changed.update(_follow_with_window(cfg, training, set_by))
        return {**changed, **_close_gaps(cfg, set_by)}

    def describe_sizes(self, cfg: Config) -> str:
        training, window = find_training_size(cfg), cfg.model.get('test_cfg') or {}
        crops = f'crops of {training.size}' if training else 'images of any size'
        padding = value_at(cfg, PADDED_SIZE)
        padded = f', padded to {as_size(padding)}' if is_size(padding) else ''
        own = window.get('crop_size') if window.get('mode') == 'slide' else None
        windows = f'windows of {as_size(own)}' if is_size(own) else 'whole images'
        return f'{crops} in training{padded}, {windows} in testing'

    def training_side(self, cfg: Config) -> float | None:
        return mean_side(cfg)

    def draw_ground_truth(self, data: Any, record: ImageRecord) -> np.ndarray:
        import numpy as np

        from ..data.segmentation.mask_scan import read_mask
        from ..io.images import read_rgb
        from ..results import UNLABELED, Segmentation
        from ..results.drawing import palette, shrunk

        assert record.mask is not None
        labels = read_mask(record.mask).astype(int)
        if labels.ndim != 2:
            return shrunk(read_rgb(record.path, value_range=data.value_range), RECORD_SIZE)
        image = read_as_annotated(record.path, ImageSize.of(labels), data.value_range)
        known = (labels >= data.first_label) & (labels < data.first_label + len(data.classes))
        labels = np.where(known, labels - data.first_label, UNLABELED).astype(np.uint8)
        image, labels = shrunk(image, RECORD_SIZE), shrunk(labels, RECORD_SIZE, smooth=False)
        result = Segmentation(record.path, labels, data.classes, palette(len(data.classes)))
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

    def prepare_config(self, cfg: Config) -> None:
        from ..registry import MODELS

        if cfg.model.type == 'mmseg.EncoderDecoder' and MODELS.get('convnext_dense.Segmentor'):
            cfg.model.type = 'convnext_dense.Segmentor'

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        rows = count_head_rows(state_dict, 'conv_seg.weight')
        return 2 if rows == 1 else rows  # a single channel tells class 1 from class 0

    def input_shape(self, cfg: Config) -> ImageSize:
        return ImageSize(*(cfg.model.test_cfg.get('crop_size') or cfg.model.data_preprocessor.size))

    def to_result(self, sample: Any, classes: ClassInfo) -> Segmentation:
        from ..results import Segmentation

        return Segmentation.from_sample(sample, classes.names, classes.colors)

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
        height = cfg.model.data_preprocessor.size[0]
        return ImageSize(height, 4 * height)

    def run_counted(self, model: Any, image: Tensor) -> str:
        model.decode_head(model.extract_feat(image))
        return 'backbone and decode head; not run: the auxiliary head, whose parameters are included'

    def graph_class(self, output: str) -> type[Graph]:
        from ..export.graphs import Features
        from ..export.segmentation import PixelLabels, PixelLogits

        graphs = {'logits': PixelLogits, 'labels': PixelLabels, 'features': Features}
        return graphs[output]

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


def _set_window(window: dict, size: ImageSize) -> None:
    """Set the window of slide inference, whose stride keeps its share of it."""
    own, stride = window['crop_size'], window.get('stride')
    if is_size(stride):
        shares = zip(size, as_size(stride), as_size(own), strict=True)
        window['stride'] = tuple(max(1, round(new * step / old)) for new, step, old in shares)
    window['crop_size'] = tuple(size)


def _follow_with_window(cfg: Config, training: SizedStep, set_by: SetBy) -> dict[str, Any]:
    """Set the window of slide inference to the crop in training, unless the window was set as specifically."""
    window = value_at(cfg, WINDOW) or {}
    own, stride = window.get('crop_size'), window.get('stride')
    if not is_size(own) or as_size(own) == training.size:
        return {}
    crop_set = set_by(training.keys)
    if set_by((*WINDOW, 'crop_size')).overrides(crop_set):
        return {}
    _set_window(window, training.size)
    if set_by((*WINDOW, 'stride')).overrides(crop_set):
        window['stride'] = stride
    return {dotted((*WINDOW, key)): window.get(key) for key in ('crop_size', 'stride')}


def _close_gaps(cfg: Config, set_by: SetBy) -> dict[str, Any]:
    """Shorten a stride that is longer than the window, which would leave pixels out.

    Raises:
        UserError: if the stride was set as specifically as the window.
    """
    window = value_at(cfg, WINDOW) or {}
    if not is_size(window.get('crop_size')) or not is_size(window.get('stride')):
        return {}
    crop, stride = as_size(window['crop_size']), as_size(window['stride'])
    if stride.height <= crop.height and stride.width <= crop.width:
        return {}
    if set_by((*WINDOW, 'stride')).rank >= set_by((*WINDOW, 'crop_size')).rank:
        raise UserError(
            f'model.test_cfg.stride is {stride} and model.test_cfg.crop_size {crop}: windows this far apart leave '
            'pixels out, take a smaller stride'
        )
    window['stride'] = tuple(max(1, side * 2 // 3) for side in crop)  # as in the recipes
    return {dotted((*WINDOW, 'stride')): window['stride']}
