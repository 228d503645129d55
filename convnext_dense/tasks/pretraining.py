"""Masked pre-training on images without labels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE
from .bands import (
    OWN_PREPROCESSOR,
    BandOptions,
    bands_of,
    normalization_of_bands,
    set_bands,
    set_normalization,
    stated_normalization,
)
from .config_parts import LOADERS, loaders
from .datasets import check_unsplit, innermost_datasets, own_datasets, point_at_root, set_subset
from .mild_augmentation import Milder
from .records import AS_FOUND, Comparison, DataOptions, MainMetrics, Part, PreparedImage, ReconstructedEntry
from .sizes import value_at
from .square_images import SquareImagesTask, trains

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..diagnosis.content import Step
    from ..export.graphs import Normalization
    from ..io.image_size import ImageSize
    from ..results import Result
    from ..weights.preprocessing import Preprocessing
    from .tuned import Tuned


class PretrainingTask(SquareImagesTask):
    """Masked pre-training (FCMAE) on any folder of images, with the loss on images that are held out."""

    name = 'pretraining'
    model_name = 'masked autoencoder'
    sample_folder = 'coco'
    metrics = MainMetrics(
        'reconstruction loss on unseen images',
        'epoch',
        {'reconstruction_loss': ''},
        unit='',
        digits=4,
        is_diagnosed=False,
    )
    has_classes = False
    predictions_noun = 'reconstruction'
    probe_sample = 'classification'

    def point_at(
        self, cfg: Config, root: str, optional: Collection[str] = (), options: DataOptions = AS_FOUND
    ) -> None:
        from ..data.pretraining.find import check_takes, find_images
        from ..data.pretraining.subset import HELD_OUT, LEAST_TO_HOLD_OUT
        from ..data.splits import SplitRule

        check_takes(options.format)
        found = find_images(root)
        point_at_root(cfg, root)
        has_train, has_val = bool(found.train), bool(found.val)
        check_unsplit(options, has_train, has_val, root)
        alone = has_train and not has_val
        trains = cfg.get('train_dataloader') is not None
        for key in LOADERS:
            if cfg.get(key) is None:
                continue
            dataset, role = cfg[key].dataset, 'train' if key == 'train_dataloader' else 'val'
            is_part = set_subset(cfg, dataset, role, options, keep=alone)
            if not is_part and alone and trains and len(found.train) >= LEAST_TO_HOLD_OUT:
                dataset.subset = dict(SplitRule(HELD_OUT).as_setting(), part=role)
                is_part = True
            dataset.pop('source', None)
            if (is_part or (alone and not trains)) and dataset.split != 'train':
                dataset.source = 'train'

    def has_data(self, dataset: Mapping) -> bool:
        from ..data.pretraining.find import find_images

        return bool(find_images(dataset['root']).of_split(dataset.get('source') or dataset['split']))

    def count_classes(self, cfg: Config) -> int:
        return 0

    def settle(self, cfg: Config, trained: Any = None) -> None:
        _check_sizes(cfg)

    def set_bands(self, cfg: Config, options: BandOptions) -> None:
        cfg.model.setdefault('data_preprocessor', {'type': OWN_PREPROCESSOR})
        set_bands(cfg, options)
        left_out = set(cfg.get('left_out_for_bands') or ())
        for dataset in own_datasets(cfg):
            left_out |= _leave_out_options(dataset.get('transform') or {}, trains(dataset))
        cfg.left_out_for_bands = sorted(left_out)

    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        from ..data.pretraining.check import read_unlabeled

        return read_unlabeled(datasets)

    def preprocessing(self, cfg: Config) -> Preprocessing | None:
        return super().preprocessing(cfg) if bands_of(cfg) is None else stated_normalization(cfg)

    def set_preprocessing(self, cfg: Config, wanted: Preprocessing, names: Collection[str]) -> None:
        if bands_of(cfg) is None:
            super().set_preprocessing(cfg, wanted, names)
        else:
            set_normalization(cfg, wanted.mean, wanted.std)

    def set_image_size(self, cfg: Config, size: ImageSize) -> None:
        super().set_image_size(cfg, size)
        _check_sizes(cfg)

    def draw_record(self, data: DatasetRecords, record: ImageRecord, title: str, fault: str) -> np.ndarray:
        from ..io.images import read_rgb
        from ..results.drawing import TEXT_COLOR, WRONG_COLOR, draw_caption

        lines = [(fault, WRONG_COLOR)] if fault else []
        image = read_rgb(record.path, False, data.value_range, data.opening)
        return draw_caption(image, [*lines, (title, TEXT_COLOR)])

    def draw_comparison(self, output: Any, metainfo: Mapping[str, Any]) -> Comparison:
        import numpy as np

        from ..results import Reconstruction

        if 'shown_channels' in metainfo:
            result = Reconstruction.of_bands(output, metainfo['shown_channels'])
        else:
            mean, std = (np.array(metainfo[key]) * 255 for key in ('mean', 'std'))
            result = Reconstruction.from_prediction(output, mean, std)
        caption = f'loss {result.loss:.3f}'
        entry: ReconstructedEntry = {'path': str(result.path), 'caption': caption, 'panels': result.panels()}
        return Comparison(result.draw(), 'reconstruction.png', entry)

    def keep_for_diagnosis(self, cfg: Config) -> None:
        raise self._unsupported('has no diagnosis, which is of labels')

    def input_shape(self, cfg: Config) -> ImageSize:
        _check_sizes(cfg)
        return super().input_shape(cfg)

    def build_transform(self, dataset: ConfigDict) -> Callable:
        if not dataset.get('bands'):
            return super().build_transform(dataset)
        from ..data.pretraining.band_transforms import eval_bands
        from ..data.pretraining.dataset import shown_channels

        transform = eval_bands(**dataset.transform)
        transform.shown = shown_channels(dataset.bands, dataset.shown)
        return transform

    def normalization(self, model: nn.Module | None, transform: Any) -> Normalization:
        of_bands = None if model is None else normalization_of_bands(model)
        return super().normalization(model, transform) if of_bands is None else of_bands

    def prepare(self, transform: Any, image: np.ndarray, path: str | None) -> PreparedImage:
        if shown := getattr(transform, 'shown', ()):
            return PreparedImage(path, transform(image), shown)
        prepared = super().prepare(transform, image, path)
        return prepared._replace(sample=self.normalization(None, transform))

    def predict(self, model: Any, images: Sequence[PreparedImage], classes: Any) -> list[Result]:
        import torch

        from ..results import Reconstruction

        paths = [image.path or str(number) for number, image in enumerate(images)]
        batch = {'inputs': torch.stack([image.tensor for image in images]), 'paths': paths}
        results: list[Result] = []
        for image, prediction in zip(images, model.test_step(batch), strict=True):
            own = {**prediction, 'path': image.path}
            if isinstance(image.sample, list):  # of channels of bands
                results.append(Reconstruction.of_bands(own, image.sample))
                continue
            mean, std = (part.numpy() for part in (image.sample.mean, image.sample.std))
            results.append(Reconstruction.from_prediction(own, mean, std))
        return results

    def tuned_settings(self, cfg: Config, starts_from_weights: bool) -> dict[str, Tuned]:
        found = super().tuned_settings(cfg, starts_from_weights)
        if 'drop_path' in found:
            found['drop_path'] = replace(found['drop_path'], by_default=False, why_not='pre-training has none')
        return found

    def training_parts(self, model: Any, image: Tensor) -> Iterator[Part]:
        yield Part('model', [image])
        model(image, mode='loss')

    def mild_augmentation(self, cfg: Config) -> dict[str, Milder]:
        return {}  # crops and flips are all that there is

    def run_counted(self, model: Any, image: Tensor) -> str:
        from ..models.visible import patch_grid

        rows, columns = patch_grid(*image.shape[2:])
        visible = model.choose_visible(1, rows * columns).shape[1]
        model(image)
        share = visible / (rows * columns)
        return (
            f'encoder on {visible} of {rows * columns} patches ({share:.1%} visible), whose hidden positions only the '
            'depthwise convolutions compute, and decoder on all'
        )

    def facts_of_run(self, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
        from ..models.patches import visible_count

        ratio = value_at(settings, ('model', 'mask_ratio'))
        side = value_at(settings, ('train_dataloader', 'dataset', 'transform', 'input_size'))
        root = value_at(settings, ('default_hooks', 'probe', 'root'))
        facts = [('mask ratio', str(ratio or '')), ('probe', str(root or ''))]
        if isinstance(ratio, float) and isinstance(side, int):
            patches = (side // TOTAL_STRIDE) ** 2
            with suppress(UserError):  # which a run of these settings would have ended with
                visible = visible_count(patches, ratio)
                which = f'{visible} of {patches} patches of {TOTAL_STRIDE} x {TOTAL_STRIDE} pixels'
                facts.insert(1, ('visible share', f'{visible / patches:.1%}: {which}, images are {side} x {side}'))
        return [(name, value) for name, value in facts if value]

    def steps_after(self, settings: Mapping[str, Any], run: Path, command: Callable[..., str]) -> list[Step]:
        from ..diagnosis.content import Step

        train = command('train', 'CONFIG', '--data', 'LABELED', '--pretrained', run)
        return [
            Step(
                f'Fine-tune: `{train}`',
                'The encoder is taken by configs of classification, detection and segmentation with a backbone of the '
                'same size; the decoder stays behind',
                rule='',
            )
        ]


BAND_OPTIONS = {'input_size', 'interpolation'}
"""Options of transforms that bands take as RGB does; training and evaluation have more."""


def _leave_out_options(transform: dict, training: bool) -> set[str]:
    """Remove the options of a transform that are for RGB of 8 bits, and return those that changed something."""
    kept = BAND_OPTIONS | ({'scale', 'ratio', 'hflip', 'vflip'} if training else {'crop_ratio'})
    gone = {name: transform.pop(name) for name in list(transform) if name not in kept}
    return {name for name, value in gone.items() if value and name not in ('mean', 'std')}


def _check_sizes(cfg: Config) -> None:
    """Check that the images of a config can be cut into patches.

    Raises:
        UserError: if a side is not divisible by 32.
    """
    for loader in loaders(cfg):
        for dataset in innermost_datasets(loader.dataset):
            side = (dataset.get('transform') or {}).get('input_size')
            if isinstance(side, int) and side % TOTAL_STRIDE:
                below = max(TOTAL_STRIDE, side // TOTAL_STRIDE * TOTAL_STRIDE)
                raise UserError(
                    f'images of {side} x {side} cannot be cut into patches of {TOTAL_STRIDE} x {TOTAL_STRIDE}: take '
                    f'sides divisible by {TOTAL_STRIDE}, such as --image-size {below} {below}'
                )
