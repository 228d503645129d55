"""Panoptic segmentation: things as objects, stuff as regions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from ..data.class_choice import as_choice
from ..errors import UserError
from ..weights.class_counts import stated_stuff
from .adaptation import PanopticAdaptation
from .anchors import least_side
from .datasets import innermost_datasets, is_own, own_datasets, takes
from .dense import RECORD_SIZE, read_as_annotated
from .heads import check_ignored_labels, count_head_rows
from .mmdet_models import NO_FILE, MmdetTask
from .records import ClassInfo, CountColumn, DataOptions, MainMetrics, TrainedClasses

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..data.formats.write.base import LabeledImage
    from ..data.panoptic.files import PanopticFiles
    from ..diagnosis.diagnosed_image import DiagnosedImage, LabelMaps
    from ..diagnosis.findings.base import Findings
    from ..export.graphs import Graph, Normalization
    from ..io.windowed_image import WindowedImage
    from ..models.tiled import TiledModel
    from ..results import Panoptic
    from .tiled_results import TiledFile, TileProgress

MOST_CLASSES = 999
"""Most classes of mmdet's panoptic predictions, which add 1000 times the number of the instance to the label."""
MISSING_GROUND_TRUTH = ("no attribute 'masks'", "no attribute 'gt_sem_seg'", "no attribute 'gt_instances'")
"""Words of errors of mmdet's heads that lack ground truth."""


class _Header(NamedTuple):
    name: str
    classes: tuple[str, ...]


class PanopticTask(MmdetTask):
    """Panoptic segmentation on COCO's panoptic files with mmdet's panoptic models, with PQ."""

    name = 'panoptic'
    modules = (
        'convnext_dense',
        'convnext_dense.data.panoptic.dataset',
        'convnext_dense.models.detector',
    )
    model_name = 'panoptic segmentor'
    sample_folder = 'coco'
    large_settings = '_base_/sample/large_panoptic.py'
    two_files = 'name two files with --data TRAIN.json:IMAGES:SEGMENTS,VAL.json:IMAGES:SEGMENTS'
    metrics = MainMetrics(
        'PQ on unseen images', 'epoch', {'PQ': 'all, ', 'PQ_things': 'things, ', 'PQ_stuff': 'stuff, '}
    )
    count_column = CountColumn('segments')
    exports = ('features',)
    extra_files = ('_panoptic.png',)
    tiled_files = ('_panoptic.tif',)
    writes_coco = True
    writes_annotations = True
    has_named_images = True
    score_advice = (
        ', or set the threshold of segments in model.test_cfg: object_mask_thr of a head with queries, rcnn.score_thr '
        'of one with boxes'
    )
    views_obstacle = 'the segments of several views have no scores by which to merge them'
    results_key = 'annotations'
    predictions_noun = 'panoptic segmentation'
    adaptation = PanopticAdaptation()

    # -- Data sets

    def find_splits(self, root: str, single: str, options: DataOptions) -> Mapping[str, PanopticFiles]:
        from ..data.panoptic.files import FORMAT, find_panoptic_splits

        if options.format not in (None, FORMAT):
            raise UserError(
                f'--data-format {options.format}: panoptic data are read in the format {FORMAT}: leave it out'
            )
        return find_panoptic_splits(root, single)

    def describe_source(self, source: PanopticFiles) -> str:
        return str(source.annotations)

    def set_source(self, dataset: ConfigDict, source: PanopticFiles | None) -> None:
        annotations, images, segments = map(str, source or (NO_FILE,) * 3)
        dataset.update(annotations=annotations, images=images, segments=segments)

    def read_header(self, dataset: Mapping) -> _Header:
        from ..data.panoptic.read import read_classes, read_own_classes

        path, choice = Path(dataset['annotations']), as_choice(dataset.get('choice'))
        if choice is not None:  # which is not made yet
            return _Header(path.stem, tuple(read_own_classes(path)))
        return _Header(path.stem, read_classes(path).classes)

    def join_classes(self, cfg: Config) -> None:
        super().join_classes(cfg)
        self._tell_things(cfg, self._read_things(cfg))

    def use_classes(self, cfg: Config, classes: TrainedClasses) -> None:
        super().use_classes(cfg, classes)
        if classes.stuff is not None:
            self._tell_things(cfg, classes.names[: len(classes.names) - classes.stuff])

    def count_stuff(self, cfg: Config, trained: TrainedClasses | None = None) -> int:
        datasets = own_datasets(cfg)
        if trained is not None and trained.stuff is not None:
            return trained.stuff
        if not datasets:  # another library's, whose own classes are compared with the model's before the run
            return stated_stuff(cfg.model)
        names = datasets[0].get('classes') or self.read_header(datasets[0]).classes
        things = datasets[0].get('thing_classes') or self._read_things(cfg)
        return sum(name not in set(things) for name in names)

    def _read_things(self, cfg: Config) -> list[str]:
        """Read the names of the things in our data sets of a config, of those that are there."""
        return _things_in(dataset for dataset in own_datasets(cfg) if self.has_data(dataset))

    def _tell_things(self, cfg: Config, things: Sequence[str]) -> None:
        """Have the data sets that take their labels from a list of classes know the things, which come first."""
        for dataset in own_datasets(cfg):
            if takes(dataset, 'thing_classes'):
                dataset.update(_things_first(dataset, things))

    def settle(self, cfg: Config, trained: TrainedClasses | None = None) -> None:
        """Have the training data leave out the images that are too thin for the model's anchors, and no others."""
        if cfg.get('train_dataloader') is None:
            return
        least = least_side(cfg.model)
        for dataset in innermost_datasets(cfg.train_dataloader.dataset):
            if is_own(dataset) and takes(dataset, 'least_side') and least != dataset.get('least_side', 0):
                dataset.least_side = least

    def read_data(self, cfg: Config) -> DatasetRecords:
        self.settle(cfg)
        return super().read_data(cfg)

    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        from ..data.panoptic.check import read_panoptic_files

        if any(dataset.get('classes') for dataset in datasets.values()):
            with suppress(UserError):  # which the records say, too
                things = _things_in(datasets.values())
                datasets = {split: _things_first(dataset, things) for split, dataset in datasets.items()}
        return read_panoptic_files(datasets)

    # -- Drawing

    def draw_ground_truth(self, data: Any, record: ImageRecord) -> np.ndarray:
        from ..results import Panoptic
        from ..results.colors import class_colors
        from ..results.drawing import shrunk

        assert record.size is not None
        image = read_as_annotated(record.path, record.size, data.value_range, record.is_upright, data.opening)
        names, truth = data.classes, data.read_segments(record)
        result = Panoptic.from_truth(record.path, truth, names, class_colors(names), len(data.stuff_classes))
        return shrunk(result.draw(image=image, legend_rows=2), RECORD_SIZE)

    def compare(
        self, output: Any, image: np.ndarray, metainfo: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray, str]:
        from ..evaluation.panoptic import match_segments, predicted_labels
        from ..io.panoptic import Segments, read_segments
        from ..results import Panoptic

        classes = _class_info(metainfo)
        names, stuff = classes.names, classes.stuff
        prediction, found = self.to_result(output, classes), output.pred_panoptic_seg.sem_seg[0].cpu().numpy()
        truth = output.get('panoptic')
        truth = Segments(found * 0, []) if truth is None else read_segments(truth)
        tallies = match_segments(truth, found, predicted_labels(found, len(names))).values()
        right, false, missed = (sum(getattr(one, key) for one in tallies) for key in ('found', 'false', 'missed'))
        caption = f'{right} of {right + missed} annotated segments are found, {false} predicted ones are wrong'
        ground_truth = Panoptic.from_truth(output.img_path, truth, names, classes.colors, stuff)
        return prediction.draw(image=image), ground_truth.draw(image=image), caption

    # -- Diagnosis

    def diagnosed_image(self, output: Any, metainfo: Mapping[str, Any]) -> DiagnosedImage:
        from .panoptic_images import with_segments

        return with_segments(output, len(metainfo['classes']))

    def shown_maps(self, output: Any, metainfo: Mapping[str, Any]) -> LabelMaps:
        from .panoptic_images import panoptic_maps

        things = len(metainfo['classes']) - len(metainfo['stuff_classes'])
        return panoptic_maps(output, len(metainfo['classes']), things)

    def find(self, images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
        from .findings import find_in_segments

        return find_in_segments(images, metainfo)

    # -- Prediction

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        things, stuff = (
            count_head_rows(state_dict, name) for name in ('fc_cls.weight', 'semantic_head.conv_logits.weight')
        )
        if things is None or stuff is None:
            return None
        return things + stuff - 2  # one row each is for the background, and for all things

    def count_stated_classes(self, cfg: Config) -> int | None:
        """Return the classes of things and stuff that a config states: of a panoptic head's, weights tell the sum."""
        from ..weights.class_counts import head_classes

        return max(head_classes(cfg.model).values(), default=None)

    def count_trained_stuff(self, cfg: Config, meta: Mapping[str, Any]) -> int:
        stuff = meta.get('stuff_classes')
        return len(stuff) if isinstance(stuff, list | tuple) else stated_stuff(cfg.model)

    def to_result(self, sample: Any, classes: ClassInfo) -> Panoptic:
        from ..evaluation.panoptic import predicted_labels
        from ..io.panoptic import NO_SEGMENTS
        from ..results import Panoptic

        if 'pred_panoptic_seg' not in sample:
            raise UserError(NO_SEGMENTS)
        segments = sample.pred_panoptic_seg.sem_seg[0].cpu().numpy()
        labels = predicted_labels(segments, len(classes.names))
        path = sample.get('img_path')
        return Panoptic.from_map(
            path, segments, labels, classes.names, classes.colors, classes.stuff, classes.category_ids
        )

    def predict_tiles(
        self,
        tiled: TiledModel,
        image: WindowedImage,
        classes: ClassInfo,
        progress: TileProgress,
        out: TiledFile | None = None,
    ) -> Panoptic:
        from .tiled_results import find_segments, write_segments

        if out is None:
            return find_segments(tiled, image, classes, progress)
        return write_segments(tiled, image, classes, progress, out)

    def coco_entries(self, output: Any, metainfo: Mapping[str, Any], folder: Path) -> list[Mapping]:
        number = output.img_id
        name = quote(number, safe='') if isinstance(number, str) else f'{number:012}'  # as COCO names its images
        png = folder / f'{name}.png'
        result = self.to_result(output, _class_info(metainfo)).with_image_id(output.img_id).with_extra_files(png)
        folder.mkdir(parents=True, exist_ok=True)
        result.save_extra_files(png)
        return [result.as_json()]

    def labeled_image(self, result: Any, needs_masks: bool = False) -> LabeledImage:
        from .labeled_images import with_segments

        return with_segments(result)

    # -- Training

    def check_model(self, model: Any, settings: Mapping[str, Any]) -> None:
        super().check_model(model, settings)
        check_ignored_labels(settings)
        classes = max((getattr(part, 'num_classes', None) or 0 for part in model.modules()), default=0)
        if classes > MOST_CLASSES:
            raise UserError(f'the data have {classes} classes: panoptic predictions have at most {MOST_CLASSES}')
        semantic = getattr(model, 'semantic_head', None)
        for name, part in semantic.named_modules() if semantic is not None else ():
            ignored = getattr(part, 'ignore_index', 255)
            if ignored != 255:
                key = f'model.semantic_head.{name}.ignore_index'
                raise UserError(f'{key} is {ignored}: pixels without a class have the label 255: set it to 255')
        padding = settings.get('data_preprocessor') or {}
        absent = [key for key in ('pad_mask', 'pad_seg') if not padding.get(key)]
        if absent:
            raise UserError(
                f'model.data_preprocessor has no {" and no ".join(absent)}: images are padded, and so must be the '
                'ground truth: set pad_mask=True and pad_seg=True'
            )

    def explain_training_error(self, error: Exception, cfg: Config) -> str | None:
        if any(words in str(error) for words in MISSING_GROUND_TRUTH):
            return (
                'the heads learn masks and the classes of all pixels, and the training pipeline loads none: begin '
                'train_dataloader.dataset.pipeline with convnext_dense.LoadImage and convnext_dense.LoadPanoptic'
            )
        return None

    # -- Counting and export

    def run_counted(self, model: Any, image: Tensor) -> str:
        return super().run_counted(model, image).partition('; not run: ')[0] + '; not run: the fusion of segments'

    def graph_class(self, output: str) -> type[Graph]:
        from ..export.graphs import Features

        return {'features': Features}[output]

    def build_graph(self, model: nn.Module, normalization: Normalization, output: str | None = None) -> Graph:
        if output is None:
            raise UserError(
                f'{type(model).__name__} cannot be exported as a whole: the fusion of its masks to segments depends '
                'on what it finds, which has no graph; --task-output features exports its backbone'
            )
        return super().build_graph(model, normalization, output)


def _things_in(datasets: Iterable[Mapping]) -> list[str]:
    """Read the names of the things in data sets, from their configs."""
    from ..data.panoptic.read import read_classes

    found: dict[str, None] = {}
    for dataset in datasets:
        classes = read_classes(Path(dataset['annotations']), as_choice(dataset.get('choice')))
        found |= dict.fromkeys(classes.thing_classes)
    return list(found)


def _things_first(dataset: Mapping, things: Sequence[str]) -> dict[str, Any]:
    """Return the config of a data set with its ``thing_classes``, if it has a list of classes, which they begin."""
    names = dataset.get('classes')
    if not names:
        return dict(dataset)
    own = [name for name in names if name in set(things)]
    return {**dataset, 'classes': [*own, *(name for name in names if name not in set(things))], 'thing_classes': own}


def _class_info(metainfo: Mapping[str, Any]) -> ClassInfo:
    """Return the classes in the metainfo of a data set, with colors."""
    from ..results.colors import class_colors

    names, stuff = metainfo['classes'], metainfo['stuff_classes']
    return ClassInfo(names, class_colors(names), metainfo.get('category_ids'), stuff=len(stuff))
