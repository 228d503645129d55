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
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypedDict

from ..errors import UserError
from .config_parts import loaders

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..export.graphs import Graph, Normalization
    from ..io.image_size import ImageSize
    from ..io.value_range import ValueRange
    from ..results import Result
    from .sizes import SetBy


@dataclass(frozen=True)
class MainMetrics:
    """Main metrics of a task, in percent, for a panel of the curves."""

    title: str
    step: str
    """Unit in which the recipes of the task count their length: ``'epoch'`` or ``'optimizer step'``."""
    labels: Mapping[str, str]
    """Label of each metric's curve by the metric's name."""


@dataclass(frozen=True)
class CountColumn:
    """Table column with the number of examples of each class, for tasks with several examples per image."""

    heading: str
    as_share: bool = False
    """Show the share of all examples instead of a large number."""


@dataclass(frozen=True)
class ClassInfo:
    """The K classes of a model, from its checkpoint."""

    names: Sequence[str]
    colors: np.ndarray
    """uint8 (K, 3), RGB."""
    category_ids: Sequence[int] | None = None
    """Ids of the classes in the COCO file that a detector was trained on; None if unknown."""


class PreparedImage(NamedTuple):
    """An image prepared for the network."""

    path: str | None
    """The image's file, or None."""
    tensor: Tensor
    """The network's input, (3, h, w)."""
    sample: Any = None
    """The image's metadata: a data sample of mmdet or mmseg."""


class PredictionEntry(TypedDict):
    """An image in ``predictions.json``; see :class:`~convnext_dense.analysis.show.ShowPredictions`."""

    path: str
    caption: str


class ClassifiedEntry(PredictionEntry):
    """An image of a classification data set in ``predictions.json``: class names, and the score in [0, 1]."""

    ground_truth: str
    prediction: str
    score: float


class Comparison(NamedTuple):
    """A prediction drawn with its ground truth."""

    drawing: np.ndarray
    """uint8 (H, W, 3), RGB."""
    file_name: str
    entry: PredictionEntry


class Task(ABC):
    """Base class of tasks: how the task's configs, data, models and results are used.

    Attributes:
        name: the ``task`` of its configs.
        model_name: noun for its models, such as ``'detector'``.
        sample_folder: folder of its data in the sample data set.
        metrics: its main metrics.
        count_column: column for the examples per class in tables; None if each image is one example.
        sheet_images: default number of images on a contact sheet.
        exports: names of the outputs that can be exported, the default first.
        extra_files: endings of the files that a demo writes besides the drawing of each image; see
            :meth:`~convnext_dense.results.Result.save_extra_files`.
        has_techniques: True if ``--without`` can disable techniques of its training recipe.
        takes_squares: True if images enter its networks as squares.
    """

    name: ClassVar[str]
    model_name: ClassVar[str]
    sample_folder: ClassVar[str]
    metrics: ClassVar[MainMetrics]
    count_column: ClassVar[CountColumn | None] = None
    sheet_images: ClassVar[int] = 12
    exports: ClassVar[tuple[str, ...]] = ()
    extra_files: ClassVar[tuple[str, ...]] = ()
    has_techniques: ClassVar[bool] = False
    takes_squares: ClassVar[bool] = False

    # -- Data

    @abstractmethod
    def point_at(self, cfg: Config, root: str) -> None:
        """Point the data sets of a config at a data set on disk.

        Raises:
            NoData: if there is none in the expected layout.
        """

    @abstractmethod
    def count_classes(self, cfg: Config) -> int:
        """Count the classes of a config's data sets, for the heads.

        Raises:
            UserError: if the data can't be read, or training and validation data have different classes.
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
        """Read images and ground truth of a config's training and validation data for a check.

        Raises:
            NoData: if there are none.
        """
        loaders = {'train': cfg.train_dataloader, 'val': cfg.val_dataloader or cfg.test_dataloader}
        data = self.read_records({split: loader.dataset for split, loader in loaders.items()})
        data.value_range, data.training_side = self.value_range(cfg), self.training_side(cfg)
        data.takes_squares = self.takes_squares
        return data

    # -- Images

    def image_parts(self, cfg: Config) -> list[dict]:
        """Return the parts of a config that read images, each with ``value_range`` or without."""
        return []

    def value_range(self, cfg: Config) -> ValueRange | None:
        """Return the values that become black and white in the images of a config's data."""
        from ..io.value_range import as_value_range

        parts = self.image_parts(cfg)
        return as_value_range(parts[-1].get('value_range')) if parts else None

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
        """Count the classes of the head in a checkpoint.

        Args:
            state_dict: the weights by name.

        Returns:
            The number of classes, or None if there is no head of this task.
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
            UserError: if there is no such output, or the backbone has no features of four stages.
        """
        if not self.exports:
            raise self._unsupported('has nothing to export')
        if output is not None and output not in self.exports:
            raise UserError(f'--task-output {output}: a model for {self.name} has {", ".join(self.exports)}')
        graph = self.graph_class(output or self.exports[0])
        return graph(model, normalization).eval().requires_grad_(False)

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


def resize_tensor(image: Tensor, size: ImageSize) -> Tensor:
    """Resize an image (C, h, w) to (C, H, W) by bilinear interpolation, with its dtype."""
    import torch.nn.functional as F

    if tuple(image.shape[1:]) == tuple(size):
        return image
    resized = F.interpolate(image[None].float(), tuple(size), mode='bilinear', antialias=True)[0]
    return resized if image.is_floating_point() else resized.round().to(image.dtype)


def run_whole_model(model: nn.Module, image: Tensor) -> str:
    """Run the whole model and return a description of the part that ran."""
    model(image)
    return 'the whole forward pass'


def point_at_root(cfg: Config, root: str) -> None:
    """Set the ``root`` of every data set of a config."""
    for loader in loaders(cfg):
        loader.dataset.root = root


def count_head_rows(state_dict: Mapping[str, Tensor], ending: str) -> int | None:
    """Return the number of rows of the weight whose name ends with ``ending``, or None if there is no such weight."""
    rows = [len(tensor) for name, tensor in state_dict.items() if f'.{name}'.endswith(f'.{ending}')]
    return rows[-1] if rows else None
