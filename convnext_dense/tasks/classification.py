"""Image classification."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .class_choices import join_chosen
from .config_parts import LOADERS, loaders
from .datasets import (
    check_unsplit,
    innermost_datasets,
    is_own,
    join_classes_of_roots,
    point_at_root,
    set_subset,
)
from .heads import count_head_rows
from .mild_augmentation import Milder, of_classification
from .records import AS_FOUND, ClassifiedEntry, ClassInfo, Comparison, DataOptions, MainMetrics, PreparedImage
from .square_images import SquareImagesTask
from .tuned import Tuned, image_settings

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor

    from ..data.check import DatasetRecords, ImageRecord
    from ..diagnosis.diagnosed_image import DiagnosedImage
    from ..diagnosis.findings.base import Findings
    from ..export.graphs import Graph
    from ..results import Result


class ClassificationTask(SquareImagesTask):
    """Image classification on image folders, with top-1 accuracy."""

    name = 'classification'
    model_name = 'classifier'
    sample_folder = 'classification'
    metrics = MainMetrics('top-1 on unseen images', 'epoch', {'top1': ''})
    sheet_images = 32
    exports = ('logits', 'probabilities', 'features')
    has_techniques = True
    balance = 1.0
    data_options = ('label_column',)
    small_lr_factor = 2.0

    def point_at(
        self, cfg: Config, root: str, optional: Collection[str] = (), options: DataOptions = AS_FOUND
    ) -> None:
        from ..data.classification.find import find_split
        from ..data.classification.layout import Reading
        from ..data.layouts import IMAGE_FOLDER, misplaced

        point_at_root(cfg, root)
        reading = Reading(options.format, options.label_column)
        has_train, has_val = (find_split(root, split, reading) is not None for split in ('train', 'val'))
        check_unsplit(options, has_train, has_val, root, misplaced(Path(root), IMAGE_FOLDER))
        alone = has_train and not has_val
        for key in LOADERS:
            if cfg.get(key) is None:
                continue
            dataset, role = cfg[key].dataset, 'train' if key == 'train_dataloader' else 'val'
            is_part = set_subset(cfg, dataset, role, options, keep=alone)
            # without training, all images of a data set in no split are for testing
            whole = is_part or (alone and cfg.get('train_dataloader') is None and cfg.get('val_dataloader') is None)
            for name, value in (
                *reading._asdict().items(),
                ('source', 'train' if whole and dataset.split != 'train' else None),
            ):
                dataset.pop(name, None)
                if value is not None:
                    dataset[name] = value

    def has_data(self, dataset: Mapping) -> bool:
        from ..data.classification.find import find_split
        from ..data.classification.layout import Reading

        source = dataset.get('source') or dataset['split']
        return find_split(dataset['root'], source, Reading.of(dataset)) is not None

    def read_own_classes(self, dataset: Mapping) -> Sequence[str]:
        from ..data.classification.find import scan_classes
        from ..data.classification.layout import Reading

        return scan_classes(dataset['root'], Reading.of(dataset))

    def join_classes(self, cfg: Config) -> None:
        if not join_chosen(self, cfg):
            join_classes_of_roots(cfg, _classes_of)

    def count_classes(self, cfg: Config) -> int:
        return len(_classes_of(loaders(cfg)[0].dataset))

    def check_trainable(self, cfg: Config) -> None:
        if cfg.get('train_dataloader') is None:
            return
        datasets = [one for one in innermost_datasets(cfg.train_dataloader.dataset) if is_own(one)]
        roots = [dataset for dataset in datasets if self.has_data(dataset)]
        classes = {name for dataset in roots for name in _classes_of(dataset)}
        if len(classes) == 1 and len(roots) == len(innermost_datasets(cfg.train_dataloader.dataset)):
            raise UserError(
                f'the images in {roots[0].root} are of one class only, {classes.pop()!r}, so that there is nothing to '
                'learn: add a folder of images for a second one'
            )

    def read_data(self, cfg: Config) -> DatasetRecords:
        from ..data.check import Finding

        data = super().read_data(cfg)
        if len(data.classes) == 1:
            try:
                self.check_trainable(cfg)
            except UserError as error:
                data.findings.append(Finding.of_error('train', error))
        return data

    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        from ..data.classification.check import read_image_folder

        return read_image_folder(datasets)

    def tuned_settings(self, cfg: Config, starts_from_weights: bool) -> dict[str, Tuned]:
        return {**super().tuned_settings(cfg, starts_from_weights), **dict(image_settings(cfg))}

    def draw_record(self, data: DatasetRecords, record: ImageRecord, title: str, fault: str) -> np.ndarray:
        from ..io.images import read_rgb
        from ..results.drawing import TEXT_COLOR, WRONG_COLOR, draw_caption
        from ..results.text import drawable_names

        assert record.label is not None
        lines = [(drawable_names(data.classes)[record.label], TEXT_COLOR)]
        lines += [(fault, WRONG_COLOR)] if fault else []
        image = read_rgb(record.path, False, data.value_range, data.opening)
        return draw_caption(image, [*lines, (title, TEXT_COLOR)])

    def draw_comparison(self, output: Any, metainfo: Mapping[str, Any]) -> Comparison:
        from ..io.images import read_rgb
        from ..io.opening import AS_USUAL
        from ..results.drawing import RIGHT_COLOR, TEXT_COLOR, WRONG_COLOR, draw_caption
        from ..results.text import drawable_names

        classes = metainfo['classes']
        label, ground_truth = int(output['scores'].argmax()), output['label']
        score = float(output['scores'][label])
        entry: ClassifiedEntry = {
            'path': output['path'],
            'caption': f'predicted {classes[label]}, is {classes[ground_truth]}',
            'ground_truth': classes[ground_truth],
            'prediction': classes[label],
            'score': round(score, 4),
        }
        names = drawable_names(classes)
        lines = [
            (f'{names[label]}  {score:.0%}', RIGHT_COLOR if label == ground_truth else WRONG_COLOR),
            (f'ground truth: {names[ground_truth]}', TEXT_COLOR),
        ]
        image = read_rgb(output['path'], True, metainfo.get('value_range'), metainfo.get('opening') or AS_USUAL)
        drawing = draw_caption(image, lines)
        return Comparison(drawing, f'{classes[ground_truth]}.png', entry)

    def diagnosed_image(self, output: Any, metainfo: Mapping[str, Any]) -> DiagnosedImage:
        from .diagnosed_images import classified

        return classified(output)

    def find(self, images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
        from .findings import find_in_classes

        return find_in_classes(images, metainfo)

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        return count_head_rows(state_dict, 'head.weight')

    def predict(self, model: Any, images: Sequence[PreparedImage], classes: ClassInfo) -> list[Result]:
        import torch

        from ..results import Classification

        batch = {'inputs': torch.stack([image.tensor for image in images]), 'paths': [image.path for image in images]}
        return [Classification.from_prediction(prediction, classes.names) for prediction in model.test_step(batch)]

    def mild_augmentation(self, cfg: Config) -> dict[str, Milder]:
        return of_classification(cfg)

    def probed_datasets(self, cfg: Config) -> tuple[list[ConfigDict], list[ConfigDict]]:
        train, val = (innermost_datasets(loader.dataset) for loader in (cfg.train_dataloader, cfg.val_dataloader))
        for dataset in (*train, *val):
            if not (is_own(dataset) and 'split' in dataset and 'transform' in dataset):
                raise UserError(
                    f'a linear probe reads class folders and lists of images, and the config has a '
                    f'{dataset.get("type")}: take --data PATH with a config of this package'
                )
        if any(dataset.transform != val[0].transform for dataset in val):
            raise UserError(
                f'the {len(val)} data sets of val_dataloader have different values of transform, so that it is not '
                'clear how to prepare an image for a linear probe: give all the same'
            )
        prepared = dict(split='val', transform=val[0].transform)
        return [one.__class__({**one, 'source': one.get('source') or one.split, **prepared}) for one in train], val

    def graph_class(self, output: str) -> type[Graph]:
        from ..export.classification import ClassLogits, ClassProbabilities
        from ..export.graphs import Features

        graphs = {'logits': ClassLogits, 'probabilities': ClassProbabilities, 'features': Features}
        return graphs[output]


def _classes_of(dataset: ConfigDict) -> list[str]:
    from ..data.classification.find import scan_classes
    from ..data.classification.layout import Reading

    return list(dataset.get('classes') or scan_classes(dataset.root, Reading.of(dataset)))
