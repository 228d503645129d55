"""Tasks whose images enter the network as normalized squares, by timm's transforms: classification, pre-training."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .bands import bands_of
from .base import Task
from .config_parts import LOADERS
from .datasets import innermost_datasets, own_datasets, tested_dataset
from .records import PreparedImage
from .sizes import value_at

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..export.graphs import Normalization
    from ..io.image_size import ImageSize
    from ..weights.preprocessing import Preprocessing


class SquareImagesTask(Task):
    """Base of tasks whose data sets have a ``transform``: arguments of timm's transforms to normalized squares."""

    takes_squares = True
    normalization_keys = tuple(f'{key}.dataset.transform' for key in LOADERS)

    def image_parts(self, cfg: Config) -> list[dict]:
        return [*own_datasets(cfg)]

    def input_channels(self, cfg: Config) -> int:
        channels = super().input_channels(cfg)
        if channels != 3 and bands_of(cfg) is None:
            raise UserError(
                f'the network takes {channels} channels, and {self.model_name}s here read images as RGB: set '
                'model.backbone.in_channels=3'
            )
        return channels

    def preprocessing(self, cfg: Config) -> Preprocessing | None:
        from ..data.classification.transforms import check_normalized_once, preprocessing_of

        datasets = [dataset for dataset in own_datasets(cfg) if isinstance(dataset.get('transform'), dict)]
        found = [preprocessing_of(dataset.transform, trains(dataset)) for dataset in datasets]
        if found:  # data sets of others may leave it to the model
            for part in (cfg.model.get('data_preprocessor'), cfg.get('data_preprocessor')):
                check_normalized_once(part)
        other = next((one for one in found if not one.normalizes_like(found[0])), None)
        if other is not None:
            raise UserError(
                f'the config normalizes some images with {found[0]} and others with {other}: set mean and std of all '
                'transforms, such as with --mean and --std'
            )
        return max(found, key=lambda one: one.crop_mode is not None, default=None)

    def set_preprocessing(self, cfg: Config, wanted: Preprocessing, names: Collection[str]) -> None:
        from ..data.classification.transforms import INTERPOLATION

        if wanted.bgr:
            raise UserError(
                f'the weights are for BGR images, as {wanted.source} says, and {self.model_name}s here take RGB'
            )
        self.input_channels(cfg)
        height, width = wanted.input_size or (0, 0)
        if 'input_size' in names and height != width:
            raise UserError(
                f'the weights are for images of {height} x {width}, as {wanted.source} says, and {self.name} takes '
                f'squares: choose one, such as with --image-size {height} {height}'
            )
        values = {name: getattr(wanted, name) for name in names if getattr(wanted, name) is not None}
        if 'input_size' in values:
            values['input_size'] = height
        for dataset in own_datasets(cfg):
            transform = dataset.get('transform')
            if not isinstance(transform, dict):
                continue
            own = values
            if trains(dataset):
                kept = () if transform.get('interpolation') == INTERPOLATION else ('interpolation',)
                own = {name: values[name] for name in ('mean', 'std', 'interpolation') if name in values.keys() - kept}
            transform.update(own)

    def set_image_size(self, cfg: Config, size: ImageSize) -> None:
        if size.height != size.width:
            raise UserError(
                f'--image-size {size.height} {size.width}: {self.name} takes squares, '
                f'such as --image-size {size.height} {size.height}'
            )
        for dataset in own_datasets(cfg):
            if 'input_size' not in (dataset.get('transform') or {}):
                raise UserError(
                    f'--image-size {size.height} {size.width}: the data set of this config has no input_size'
                )
            dataset.transform.input_size = size.height

    def describe_sizes(self, cfg: Config) -> str:
        parts = (('train', 'training'), ('val', 'validation'), ('test', 'testing'))
        sides = {name: value_at(cfg, _input_size(split)) for split, name in parts}
        said = ', '.join(f'crops of {side} x {side} in {name}' for name, side in sides.items() if side)
        return f'{said}; --image-size sets all' if len(set(sides.values())) > 1 else said

    def training_side(self, cfg: Config) -> float | None:
        side: float | None = value_at(cfg, _input_size('train'))
        return side

    def input_shape(self, cfg: Config) -> ImageSize:
        from ..io.image_size import ImageSize

        size = tested_dataset(cfg).transform.input_size
        return ImageSize(size, size)

    def build_transform(self, dataset: ConfigDict) -> Callable:
        from ..data.classification.transforms import eval_transform

        return eval_transform(**dataset.transform)

    def normalization(self, model: nn.Module | None, transform: Any) -> Normalization:
        import torch

        from ..export.graphs import Normalization

        step = next(step for step in transform.transforms if hasattr(step, 'mean'))
        return Normalization(torch.as_tensor(step.mean) * 255, torch.as_tensor(step.std) * 255)

    def prepare(self, transform: Any, image: np.ndarray, path: str | None) -> PreparedImage:
        from PIL import Image

        return PreparedImage(path, transform(Image.fromarray(image)))

    def resize_prepared(self, image: PreparedImage, size: ImageSize) -> PreparedImage:
        return image.resized(size)

    def exported_input(self, image: PreparedImage, normalization: Normalization) -> Tensor:
        return image.tensor * normalization.std.view(3, 1, 1) + normalization.mean.view(3, 1, 1)

    def training_size(self, cfg: Config) -> ImageSize:
        from ..io.image_size import ImageSize

        size = innermost_datasets(cfg.train_dataloader.dataset)[0].get('transform', {}).get('input_size', 224)
        return ImageSize(size, size) if isinstance(size, int) else ImageSize(*size[-2:])

    def counted_shape(self, cfg: Config) -> ImageSize:
        return self.input_shape(cfg)


def trains(dataset: Mapping) -> bool:
    """Whether a data set's transform is one for training."""
    return bool(dataset.get('split') == 'train')


def _input_size(split: str) -> tuple[str, ...]:
    return f'{split}_dataloader', 'dataset', 'transform', 'input_size'
