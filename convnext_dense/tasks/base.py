"""The contract of a task: everything in which one task differs from another.

To add a task, write a subclass of :class:`Task` in a module of its own and list it in :mod:`convnext_dense.tasks`; its
configs name it in their ``task``. Nothing else in the package asks which task a config has: commands call the methods
of ``task_of(cfg)``.

- Every task has a name, a folder of the sample data set, and the metrics that judge it; it points configs at data,
  counts classes and reads data sets for checks (the abstract methods).
- A task whose models predict something for an image has the methods under "Prediction".
- A task whose models can be exported lists its ``exports``.
- Methods with a body have a default that suits most tasks.

Tasks have no state. Importing this package loads neither torch nor mmengine; mmdet, mmseg and mmcv are imported inside
the methods of the tasks that need them, so classification never loads them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypedDict

from ..errors import UserError
from .config_parts import loaders

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DataSet, ImageRecord
    from ..export.graphs import Graph, Normalization
    from ..results import Result


@dataclass(frozen=True)
class MainMetrics:
    """The metrics that judge a task, in percent, for a panel of the curves."""

    title: str
    step: str
    """Unit in which the recipes of the task count their length: ``'epoch'`` or ``'optimizer step'``."""
    labels: Mapping[str, str]
    """Names of the metrics, each with the text that tells its curve from the others'."""


@dataclass(frozen=True)
class CountColumn:
    """The column of a table with the examples of each class, for tasks that have several in an image."""

    heading: str
    as_share: bool = False
    """Whether to show the share of all examples, because the numbers are too large to read."""


@dataclass(frozen=True)
class ClassInfo:
    """The K classes of a model, as its checkpoint describes them."""

    names: Sequence[str]
    colors: np.ndarray
    """uint8 (K, 3), RGB."""
    category_ids: Sequence[int] | None = None
    """Ids of the classes in the COCO file that a detector was trained on; None if unknown."""


class PreparedImage(NamedTuple):
    """An image as the network takes it."""

    path: str | None
    """Its file; None if it came from none."""
    tensor: Tensor
    """(3, h, w)."""
    sample: Any = None
    """mmdet's or mmseg's data sample, with the metadata of the image."""


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
    """A task: what it is called, and how its configs, data, models and results are used.

    Attributes:
        name: the ``task`` of its configs.
        model_name: noun for its models, such as ``'detector'``.
        sample_folder: folder of its data in the sample data set.
        metrics: the metrics that judge it.
        count_column: the examples of a class in tables of a data set; None where each image is one example.
        sheet_images: how many images a contact sheet has by default.
        exports: names of the outputs that a model can be exported with, the default first.
        extra_files: endings of the files that a demo writes beside the drawing of each image; see
            :meth:`~convnext_dense.results.Result.save_extra_files`.
        has_techniques: whether ``--without`` can leave out techniques of its training recipe.
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

    # -- Data

    @abstractmethod
    def point_at(self, cfg: Config, root: str) -> None:
        """Point the data sets of a config at a data set on disk.

        Raises:
            NoData: if it is not there, or not in the expected layout.
        """

    @abstractmethod
    def count_classes(self, cfg: Config) -> int:
        """Count the classes of a config's data sets, for the heads.

        Raises:
            UserError: if the data can't be read, or training and validation data have different classes.
        """

    @abstractmethod
    def read_records(self, datasets: Mapping[str, Mapping]) -> DataSet:
        """Read images and ground truth of a whole data set, to be checked.

        Args:
            datasets: the configs of the data sets called ``'train'`` and ``'val'``.

        Raises:
            NoData: if there is none.
        """

    def read_data(self, cfg: Config) -> DataSet:
        """Read images and ground truth of a config's training and validation data, to be checked.

        Raises:
            NoData: if there are none.
        """
        loaders = {'train': cfg.train_dataloader, 'val': cfg.val_dataloader or cfg.test_dataloader}
        return self.read_records({split: loader.dataset for split, loader in loaders.items()})

    @abstractmethod
    def draw_record(self, data: DataSet, record: ImageRecord, title: str, fault: str) -> np.ndarray:
        """Draw an image of a data set with its ground truth, for a contact sheet.

        Args:
            data: the data set.
            record: the image.
            title: text that names the image.
            fault: text that says what is wrong with it; empty if nothing is.

        Returns:
            uint8 (H, W, 3), RGB.

        Raises:
            UserError: if the image or its ground truth can't be read.
        """

    @abstractmethod
    def draw_comparison(self, output: Any, metainfo: Mapping[str, Any]) -> Comparison:
        """Draw a model's output for an image of the test set with its ground truth.

        Args:
            output: as the model's ``test_step`` gives it, with the ground truth inside.
            metainfo: of the test set: ``classes`` and, in segmentation, ``palette``.
        """

    # -- Prediction

    def prepare_config(self, cfg: Config) -> None:  # noqa: B027 - most tasks change nothing
        """Change a config so that its model predicts with as little memory as possible, and the same results."""

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        """Count the classes that the head in a checkpoint was made for.

        Args:
            state_dict: the weights by name.

        Returns:
            None if there is no head of this task.
        """
        return None

    def input_shape(self, cfg: Config) -> tuple[int, int]:
        """The height and width that a model is tested at, in pixels."""
        raise self._unsupported('gives no predictions for images')

    def build_transform(self, dataset: ConfigDict) -> Callable:
        """Build the test transform of a data set's config, for images that are read already."""
        raise self._unsupported('gives no predictions for images')

    def normalization(self, model: nn.Module, transform: Any) -> Normalization:
        """Find the normalization of the network's input, in the model or in the transform."""
        raise self._unsupported('gives no predictions for images')

    def prepare(self, transform: Any, image: np.ndarray, path: str | None) -> PreparedImage:
        """Prepare an image for the network.

        Args:
            transform: of :meth:`build_transform`.
            image: uint8 (H, W, 3), RGB, upright.
            path: its file, if it came from one.

        Raises:
            UserError: if the network can't take such an image.
        """
        raise self._unsupported('gives no predictions for images')

    def predict(self, model: Any, images: Sequence[PreparedImage], classes: ClassInfo) -> list[Result]:
        """Predict for images whose tensors have the same shape."""
        raise self._unsupported('gives no predictions for images')

    # -- Counting parameters, MACs and activations

    @abstractmethod
    def counted_shape(self, cfg: Config) -> tuple[int, int]:
        """The height and width of the image for which the MACs of a config's model are published, in pixels."""

    def run_counted(self, model: nn.Module, image: Tensor) -> str:
        """Run the part of a model whose MACs are published.

        Args:
            model: on the device of the image; on the meta device nothing is computed.
            image: (1, C, H, W).

        Returns:
            The parts that ran, in words.

        Raises:
            UserError: if there is no rule for a model of this kind.
        """
        return run_whole_model(model, image)

    # -- Export

    def graph_class(self, output: str) -> type[Graph]:
        """The graph that gives an output of ``exports``."""
        raise self._unsupported('has nothing to export')

    def build_graph(self, model: nn.Module, normalization: Normalization, output: str | None = None) -> Graph:
        """Build the graph that gives an output of a loaded model, the first of ``exports`` by default.

        Returns:
            The graph, in evaluation mode.

        Raises:
            UserError: if there is no such output, or the backbone has no features of four stages.
        """
        if output is not None and output not in self.exports:
            raise UserError(f'--task-output {output}: a model for {self.name} has {", ".join(self.exports)}')
        graph = self.graph_class(output or self.exports[0])
        return graph(model, normalization).eval().requires_grad_(False)

    # -- Benchmark

    def set_training_shape(self, cfg: Config, shape: tuple[int, int]) -> None:  # noqa: B027 - most models take any
        """Let a config's model train on images of this height and width, in pixels."""

    def random_sample(self, rng: np.random.Generator, shape: tuple[int, int], classes: int) -> dict:
        """Make an image of noise with random annotations, as the training data loader gives it.

        Args:
            rng: the source of the noise.
            shape: height and width in pixels.
            classes: number of classes.

        Returns:
            ``inputs`` and ``data_samples``.
        """
        raise self._unsupported('is not measured by the benchmark of whole models')

    def comparable_outputs(self, model: Any, inputs: Tensor, samples: Sequence[Any]) -> list[Tensor]:
        """Compute floating-point outputs in which two implementations of a model must agree.

        Args:
            model: in evaluation mode.
            inputs, samples: a batch as the model's data preprocessor gives it.
        """
        raise self._unsupported('is not measured by the benchmark of whole models')

    def _unsupported(self, problem: str) -> UserError:
        return UserError(f'a model for {self.name} {problem}: take a config of another task')


def run_whole_model(model: nn.Module, image: Tensor) -> str:
    """Run all of a model; returns that in words."""
    model(image)
    return 'the whole forward pass'


def point_at_root(cfg: Config, root: str) -> None:
    """Point every data set of a config at a root, for data sets that have one."""
    for loader in loaders(cfg):
        loader.dataset.root = root


def rows_of_head(state_dict: Mapping[str, Tensor], ending: str) -> int | None:
    """The rows of the head's weight, whose name ends with ``ending``; None if there is no such weight."""
    rows = [len(tensor) for name, tensor in state_dict.items() if f'.{name}'.endswith(f'.{ending}')]
    return rows[-1] if rows else None
