"""Interface of a task: everything that differs between tasks.

To add a task, write a subclass of :class:`Task` in a module of its own and list it in :mod:`convnext_dense.tasks`; its
configs name it in their ``task``. No other code depends on the task of a config: commands call the methods of
``task_of(cfg)``.

- Every task has a name, a folder in the sample data set, and main metrics; it points configs at data, counts classes
  and reads data sets for checks (the abstract methods).
- A task whose models predict results for images implements the methods under "Prediction".
- A task whose models can be exported lists its ``exports``.
- Other methods have a default that suits most tasks.

Tasks have no state. Importing this package loads neither torch nor mmengine; mmdet, mmseg and mmcv are imported inside
the methods of the tasks that need them, so classification never loads them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UserError
from .class_choices import join_checked, settle_choice
from .datasets import only_own_dataset, own_datasets, takes
from .records import AS_FOUND, DataOptions, Part

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..data.formats.write.base import LabeledImage
    from ..export.graphs import Graph, Normalization
    from ..io.image_size import ImageSize
    from ..io.value_range import ValueRange
    from ..results import Result
    from .records import ClassInfo, Comparison, CountColumn, MainMetrics, PreparedImage, TrainedClasses
    from .sizes import SetBy


class Task(ABC):
    """Base class of tasks: how the task's configs, data, models and results are used.

    Attributes:
        name: the ``task`` of its configs.
        model_name: noun for its models, such as ``'detector'``.
        sample_folder: folder of its data in the sample data set.
        metrics: its main metrics.
        default_scope: scope of names without one, in its configs.
        modules: modules that register the parts of its configs; every config imports them.
        count_column: column for the examples per class in tables; None if each image is one example.
        sheet_images: default number of images on a contact sheet.
        exports: names of the outputs that can be exported, the default first.
        extra_files: endings of the files that a demo writes besides the drawing of each image; see
            :meth:`~convnext_dense.results.Result.save_extra_files`.
        writes_coco: True if its results are entries of COCO's results files.
        writes_annotations: True if its results can be written as annotations, such as for labeling tools.
        has_techniques: True if ``--without`` can disable techniques of its training recipe.
        takes_squares: True if images enter its networks as squares.
        data_options: names of the options in :data:`.records.TASK_OPTIONS` that its data sets take.
    """

    name: ClassVar[str]
    model_name: ClassVar[str]
    sample_folder: ClassVar[str]
    metrics: ClassVar[MainMetrics]
    default_scope: ClassVar[str] = 'mmengine'
    modules: ClassVar[tuple[str, ...]] = ('convnext_dense',)
    count_column: ClassVar[CountColumn | None] = None
    sheet_images: ClassVar[int] = 12
    exports: ClassVar[tuple[str, ...]] = ()
    extra_files: ClassVar[tuple[str, ...]] = ()
    writes_coco: ClassVar[bool] = False
    writes_annotations: ClassVar[bool] = False
    has_techniques: ClassVar[bool] = False
    takes_squares: ClassVar[bool] = False
    data_options: ClassVar[tuple[str, ...]] = ()

    # -- Data

    @abstractmethod
    def point_at(
        self, cfg: Config, root: str, optional: Collection[str] = (), options: DataOptions = AS_FOUND
    ) -> None:
        """Point the data sets of a config at a data set on disk.

        Args:
            cfg: the config.
            root: the data set.
            optional: splits, of ``'train'`` and ``'val'``, that may be absent; :meth:`has_data` is then False.
            options: how the data set is read.

        Raises:
            NoData: if there is none in the expected layout.
        """

    def has_data(self, dataset: Mapping) -> bool:
        """Check whether the folder or file of a data set's split exists, from the data set's config."""
        return True

    def read_own_classes(self, dataset: Mapping) -> Sequence[str]:
        """Read the names of the classes in the files of one of our data sets, before any choice, from its config.

        Raises:
            UserError: if they can't be read.
        """
        raise self._unsupported('has no classes to choose')

    def join_classes(self, cfg: Config) -> None:  # noqa: B027 - data sets may have their classes from one place
        """Have all our data sets in a config take their labels from the classes of the first one, by name."""

    def use_classes(self, cfg: Config, classes: TrainedClasses) -> None:
        """Have the data sets of a config join their classes by name to those of a checkpoint.

        Data sets of other packages keep their own, which must then be the same.
        """
        for dataset in own_datasets(cfg):
            if takes(dataset, 'classes'):
                dataset.classes = list(classes.names)

    def set_label_zero(self, cfg: Config, meaning: str) -> None:
        """Set what label 0 of the masks means in every data set of a config.

        Args:
            cfg: the config.
            meaning: ``'ignore'`` or ``'class'``.

        Raises:
            UserError: if the task has no masks with labels.
        """
        raise UserError(f'--label-zero is for the masks of segmentation: leave it out for {self.name}')

    def leave_out_masks(self, cfg: Config, as_trained: bool = False, reads_data: bool = False) -> bool:
        """Have a detector learn boxes alone, if there are no masks to learn.

        Args:
            cfg: the config.
            as_trained: the weights of the model are of a detector without masks.
            reads_data: the training data may decide it.

        Returns:
            True if the config is now one of boxes alone.

        Raises:
            UserError: if its model learns from masks alone.
        """
        return False

    def describe_masks(self, cfg: Config) -> str:
        """Describe why masks are left out of a config, in a line; empty if none are."""
        return ''

    def settle(self, cfg: Config, trained: TrainedClasses | None = None) -> None:  # noqa: B027 - most have no such setting
        """Set what a config leaves to its data to decide, or to the run of a checkpoint, which comes first.

        Args:
            cfg: the config.
            trained: the classes of the checkpoint that is tested; None for those of the data.

        Raises:
            UserError: if they do not decide it, or the config contradicts the checkpoint.
        """

    @abstractmethod
    def count_classes(self, cfg: Config) -> int:
        """Count the classes of a config's data sets, for the heads.

        Raises:
            UserError: if the data can't be read.
        """

    def check_trainable(self, cfg: Config) -> None:  # noqa: B027 - a detector learns from any data
        """Check that a config's model has something to learn from its data.

        Raises:
            UserError: if it has not.
        """

    @abstractmethod
    def read_records(self, datasets: Mapping[str, Mapping]) -> DatasetRecords:
        """Read images and ground truth of a whole data set for a check.

        Args:
            datasets: the data sets' configs by split, ``'train'`` and ``'val'``.

        Raises:
            NoData: if there is none.
        """

    def read_data(self, cfg: Config) -> DatasetRecords:
        """Read images and ground truth of a config's training and validation data for a check, if there are any.

        Raises:
            NoData: if there are none.
        """
        from ..data.check import PROBLEM, WARNING, Finding
        from ..engine.total_batch import check_one_batch

        settle_choice(cfg)
        used = {'train': cfg.train_dataloader, 'val': cfg.val_dataloader or cfg.test_dataloader}
        datasets = {split: only_own_dataset(loader) for split, loader in used.items() if loader is not None}
        present = {split: dataset for split, dataset in datasets.items() if self.has_data(dataset)}
        join_checked(self, present.values())
        data = self.read_records(present or datasets)
        read = ('train_dataloader', 'val_dataloader' if cfg.val_dataloader is not None else 'test_dataloader')
        data.value_range = self.value_range(cfg, read)
        if 'train' not in present:
            fix = 'add some to train; test needs none'
            data.findings.append(Finding(PROBLEM, 'train', 'no data for this split, so that no run can train', fix))
        elif datasets['train'] is cfg.train_dataloader.dataset:  # not repeated by a wrapper
            (images,) = (split.images for split in data.splits if split.name == 'train')
            try:
                check_one_batch(sum(image.is_read for image in images), cfg.train_dataloader.batch_size)
            except UserError as error:
                if images:  # else there are findings about that
                    data.findings.append(Finding(WARNING, 'train', str(error)))
        if 'val' not in present:
            message = 'no data for this split, so that training neither measures anything nor keeps a best.pth'
            data.findings.append(Finding(WARNING, 'val', message, 'hold some images out, with --val-split 0.2'))
        return data

    # -- Images

    def image_parts(self, cfg: Config) -> list[dict]:
        """Return the parts of a config that read images, each with ``value_range`` or without."""
        return []

    def value_range(self, cfg: Config, keys: Collection[str] = ('test_dataloader',)) -> ValueRange | None:
        """Return the values that become black and white in the images of a config's loaders.

        Args:
            cfg: the config.
            keys: the loaders.

        Raises:
            UserError: if they are not the same for all images.
        """
        from mmengine.config import Config

        from ..io.value_range import as_value_range

        parts = self.image_parts(Config({key: cfg.get(key) for key in keys}))
        ranges = list(dict.fromkeys(as_value_range(part.get('value_range')) for part in parts))
        if len(ranges) > 1:
            raise UserError(
                f'{" and ".join(keys)}: images are read with different values of black and white '
                f'({", ".join(str(one) if one else "none set" for one in ranges)}): '
                'set the same value_range for all, such as with --value-range LOW HIGH'
            )
        return ranges[0] if ranges else None

    def set_value_range(self, cfg: Config, value_range: ValueRange) -> None:
        """Set the values that become black and white in all images of a config."""
        for part in self.image_parts(cfg):
            part['value_range'] = tuple(value_range)

    def set_image_size(self, cfg: Config, size: ImageSize) -> None:
        """Set the size at which images enter the network, in training and testing, in all settings that state it.

        Raises:
            UserError: if the network can't take images of this size, or the config does not say its own.
        """
        raise self._unsupported('has no size of images to set')

    def follow_training_size(self, cfg: Config, set_by: SetBy) -> dict[str, Any]:
        """Set the sizes that follow from the size of the images in training.

        Args:
            cfg: the config.
            set_by: see :data:`~convnext_dense.tasks.sizes.SetBy`.

        Returns:
            What was changed, by keys joined with dots.

        Raises:
            UserError: if two settings of one size were set on purpose, and differ.
        """
        return {}

    def describe_sizes(self, cfg: Config) -> str:
        """Describe the sizes at which images enter the network, in training and testing; empty if it is unknown."""
        return ''

    def training_side(self, cfg: Config) -> float | None:
        """Return the shorter side that training resizes images to on average, in pixels; None if it is unknown."""
        return None

    # -- Drawing

    @abstractmethod
    def draw_record(self, data: DatasetRecords, record: ImageRecord, title: str, fault: str) -> np.ndarray:
        """Draw an image of a data set with its ground truth, for a contact sheet.

        Args:
            data: the data set.
            record: the image.
            title: the image's title.
            fault: description of a problem with the image, or empty.

        Returns:
            uint8 (H, W, 3), RGB.

        Raises:
            UserError: if the image or its ground truth can't be read.
        """

    @abstractmethod
    def draw_comparison(self, output: Any, metainfo: Mapping[str, Any]) -> Comparison:
        """Draw a model's output for an image of the test set with its ground truth.

        Args:
            output: an element of the output of the model's ``test_step``, which includes the ground truth.
            metainfo: the test set's ``classes`` and, in segmentation, ``palette``.
        """

    # -- Prediction

    def prepare_config(self, cfg: Config) -> None:  # noqa: B027 - most tasks change nothing
        """Change a config so that its model predicts the same results with less memory."""

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        """Count the classes of a well-known head in weights from elsewhere, by the names of its parameters.

        Args:
            state_dict: the weights by name.

        Returns:
            The number of classes, or None if there is no well-known head of this task.
        """
        return None

    def first_label(self, cfg: Config, meta: Mapping[str, Any], checkpoint: Path) -> int | None:
        """Return :attr:`ClassInfo.first_label` for a checkpoint.

        Args:
            cfg: the model's config.
            meta: the metainfo of the data set in the checkpoint.
            checkpoint: the checkpoint's file, for messages.
        """
        return None

    def input_shape(self, cfg: Config) -> ImageSize:
        """Return the height and width at which a model is tested."""
        raise self._unsupported('gives no predictions for images')

    def build_transform(self, dataset: ConfigDict) -> Callable:
        """Build a data set's test transform, without the steps that read the image."""
        raise self._unsupported('gives no predictions for images')

    def normalization(self, model: nn.Module, transform: Any) -> Normalization:
        """Find the normalization of the network's input, in the model or in the transform."""
        raise self._unsupported('gives no predictions for images')

    def prepare(self, transform: Any, image: np.ndarray, path: str | None) -> PreparedImage:
        """Prepare an image for the network.

        Args:
            transform: the result of :meth:`build_transform`.
            image: uint8 (H, W, 3), RGB, upright.
            path: the image's file, or None.

        Raises:
            UserError: if the network can't take the image.
        """
        raise self._unsupported('gives no predictions for images')

    def resize_prepared(self, image: PreparedImage, size: ImageSize) -> PreparedImage:
        """Resize the network's input for an image, whose result is then in pixels of that size.

        Args:
            image: the result of :meth:`prepare`.
            size: height and width; the image's own changes nothing but the result's size.
        """
        raise self._unsupported('gives no predictions for images')

    def exported_input(self, image: PreparedImage, normalization: Normalization) -> Tensor:
        """Return a prepared image as an exported file takes it: float32 (3, h, w), RGB, 0 to 255."""
        raise self._unsupported('gives no predictions for images')

    def whole_inference(self, model: Any) -> AbstractContextManager:
        """Context in which the model predicts each image as a whole, without windows."""
        return nullcontext()

    def predict(self, model: Any, images: Sequence[PreparedImage], classes: ClassInfo) -> list[Result]:
        """Predict for images whose tensors have the same shape."""
        raise self._unsupported('gives no predictions for images')

    def labeled_image(self, result: Any, needs_masks: bool = False) -> LabeledImage:
        """Convert a result for an image file to annotations that other programs read.

        Args:
            result: the result.
            needs_masks: objects without masks are of no use.

        Raises:
            UserError: if it is none of positions in the image, or has no masks that are needed.
        """
        raise self._unsupported('predicts nothing with a position in the image')

    # -- Training

    def check_model(self, model: Any, settings: Mapping[str, Any]) -> None:  # noqa: B027 - most tasks check nothing
        """Check that settings of a model fit its classes, before it is trained.

        Args:
            model: the model.
            settings: its config, ``cfg.model``.

        Raises:
            UserError: if one does not.
        """

    def training_size(self, cfg: Config) -> ImageSize:
        """Return the height and width of the images that a config trains on, or of a typical one."""
        return self.counted_shape(cfg)

    def training_parts(self, model: Any, image: Tensor) -> Iterator[Part]:
        """Run the parts of a model that training runs, as far as they are of known kinds, and yield each before.

        Args:
            model: a model in training mode.
            image: (N, C, H, W), on any device.

        Raises:
            UserError: if the outputs of a part are not as many as the next one takes.
        """
        yield Part('model', [image])
        model(image)

    def explain_training_error(self, error: Exception, cfg: Config) -> str | None:
        """Explain an error of the model in training that its config or data cause, in one line; None for others."""
        return None

    # -- Counting parameters, MACs and activations

    @abstractmethod
    def counted_shape(self, cfg: Config) -> ImageSize:
        """Return the image size for which the MACs of a config's model are published."""

    def run_counted(self, model: nn.Module, image: Tensor) -> str:
        """Run the part of a model whose MACs are published.

        Args:
            model: a model on the device of the image; on the meta device nothing is computed.
            image: (1, C, H, W).

        Returns:
            Description of the parts that ran.

        Raises:
            UserError: if there is no rule for this kind of model.
        """
        return run_whole_model(model, image)

    # -- Export

    def graph_class(self, output: str) -> type[Graph]:
        """Return the graph class for an output in ``exports``."""
        raise self._unsupported('has nothing to export')

    def build_graph(self, model: nn.Module, normalization: Normalization, output: str | None = None) -> Graph:
        """Build the graph of an output of a loaded model.

        Args:
            model: the model.
            normalization: normalization of the network's input.
            output: a name in ``exports``; None for the first.

        Returns:
            The graph, in evaluation mode.

        Raises:
            UserError: if there is no such output, or none of this kind of model, or the backbone has no features of
                four stages.
        """
        if not self.exports:
            raise self._unsupported('has nothing to export')
        if output is not None and output not in self.exports:
            raise UserError(f'--task-output {output}: a model for {self.name} has {", ".join(self.exports)}')
        output = output or self.exports[0]
        if reason := self.export_obstacle(model, output):
            raise UserError(
                f'{type(model).__name__} cannot be exported as {output}: {reason}; '
                '--task-output features exports its backbone'
            )
        return self.graph_class(output)(model, normalization).eval().requires_grad_(False)

    def export_obstacle(self, model: nn.Module, output: str) -> str | None:
        """Return the reason why a kind of model has no graph for an output in ``exports``; None if it has one."""
        return None

    # -- Benchmark

    def set_training_shape(self, cfg: Config, shape: ImageSize) -> None:  # noqa: B027 - most models take any
        """Change a config so that its model trains on images of this size."""

    def random_sample(self, rng: np.random.Generator, shape: ImageSize, classes: int) -> dict:
        """Make an image of noise with random annotations, in the format of the training data loader.

        Args:
            rng: random generator.
            shape: height and width of the image.
            classes: number of classes.

        Returns:
            A dict with ``inputs`` and ``data_samples``.
        """
        raise self._unsupported('is not measured by the benchmark of whole models')

    def comparable_outputs(self, model: Any, inputs: Tensor, samples: Sequence[Any]) -> list[Tensor]:
        """Compute floating-point outputs for comparing two implementations of a model.

        Args:
            model: a model in evaluation mode.
            inputs, samples: a batch from the model's data preprocessor.
        """
        raise self._unsupported('is not measured by the benchmark of whole models')

    def _unsupported(self, problem: str) -> UserError:
        return UserError(f'a model for {self.name} {problem}: take a config of another task')


def run_whole_model(model: nn.Module, image: Tensor) -> str:
    """Run the whole model and return a description of the part that ran."""
    model(image)
    return 'the whole forward pass'
