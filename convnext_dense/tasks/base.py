"""Interface of a task: everything that differs between tasks.

To add a task, write a subclass of :class:`Task` in a module of its own and list it in :mod:`convnext_dense.tasks`; its
configs name it in their ``task``. No other code depends on the task of a config: commands call the methods of
``task_of(cfg)``.

- Every task has a name, a folder in the sample data set, and main metrics; it points configs at data, counts classes
  and reads data sets for checks (the abstract methods, most of them in :mod:`.task_data`).
- A task whose models predict results for images implements the methods under "Prediction".
- A task whose models can be exported lists its ``exports``.
- Other methods have a default that suits most tasks.

Tasks have no state. Importing this package loads neither torch nor mmengine; mmdet, mmseg and mmcv are imported inside
the methods of the tasks that need them, so classification never loads them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import UserError
from .mild_augmentation import Milder, of_pipelines
from .records import Part
from .run_report import TaskReport
from .task_data import TaskData
from .tuned import Tuned, optimizer_settings

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..data.formats.write.base import LabeledImage
    from ..diagnosis.diagnosed_image import DiagnosedImage, LabelMaps
    from ..diagnosis.findings.base import Findings
    from ..export.graphs import Graph, Normalization
    from ..io.image_size import ImageSize
    from ..io.windowed_image import WindowedImage
    from ..models.tiled import TiledModel
    from ..results import Result
    from .adaptation import Adaptation
    from .records import ClassInfo, Comparison, MainMetrics, PreparedImage
    from .tiled_results import TiledFile, TileProgress


class Task(TaskData, TaskReport):
    """Base class of tasks: how the task's configs, data, models and results are used.

    Methods and attributes for data sets are those of :class:`~convnext_dense.tasks.task_data.TaskData`, those for
    report pages of :class:`~convnext_dense.tasks.run_report.TaskReport`.

    Attributes:
        model_name: noun for its models, such as ``'detector'``.
        metrics: its main metrics.
        default_scope: scope of names without one, in its configs.
        modules: modules that register the parts of its configs; every config imports them.
        exports: names of the outputs that can be exported, the default first.
        extra_files: endings of the files that a demo writes besides the drawing of each image; see
            :meth:`~convnext_dense.results.Result.save_extra_files`.
        tiled_files: the same of an image that is predicted in tiles: the file of a result as large as the image; see
            :meth:`predict_tiles`.
        takes_tiles: True if its images may be cut into tiles.
        writes_coco: True if its results are entries of COCO's results files.
        has_named_images: True if the ids of images in its annotations may be names rather than numbers.
        results_key: key of the list of results in a file of a demo or a test; None if the file is the list.
        predictions_noun: noun for the results in such a file.
        writes_annotations: True if its results can be written as annotations, such as for labeling tools.
        has_scores: True if ``--score`` can leave out some of its results.
        score_advice: what does that otherwise, for messages.
        views_obstacle: why a config has no ``tta_model``, which merges the predictions for several views of an image.
        has_classes: True if its data sets and models have classes.
        has_techniques: True if ``--without`` can disable techniques of its training recipe.
        adaptation: what configs of mmdet and mmseg get that are of this task; None if none are.
        probe_sample: folder in the sample data set of the labeled images by which ``--probe sample`` measures its
            features during training; None for a task whose features are not measured.
        small_lr_factor: factor on the lr of its configs for few images, once it is scaled to the batch, by which short
            runs learn best, as benchmarks/small_recipe.py measures.
    """

    model_name: ClassVar[str]
    metrics: ClassVar[MainMetrics]
    default_scope: ClassVar[str] = 'mmengine'
    modules: ClassVar[tuple[str, ...]] = ('convnext_dense',)
    exports: ClassVar[tuple[str, ...]] = ()
    extra_files: ClassVar[tuple[str, ...]] = ()
    tiled_files: ClassVar[tuple[str, ...]] = ()
    takes_tiles: ClassVar[bool] = False
    writes_coco: ClassVar[bool] = False
    has_named_images: ClassVar[bool] = False
    results_key: ClassVar[str | None] = None
    predictions_noun: ClassVar[str] = 'detection'
    writes_annotations: ClassVar[bool] = False
    has_scores: ClassVar[bool] = False
    score_advice: ClassVar[str] = ''
    views_obstacle: ClassVar[str] = '--tta is for detection and segmentation'
    has_classes: ClassVar[bool] = True
    has_techniques: ClassVar[bool] = False
    adaptation: ClassVar[Adaptation | None] = None
    probe_sample: ClassVar[str | None] = None
    small_lr_factor: ClassVar[float] = 1.0

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

    # -- Diagnosis

    def diagnosed_image(self, output: Any, metainfo: Mapping[str, Any]) -> DiagnosedImage:
        """Convert a model's output for an image of the test set to what a diagnosis is made of.

        Args:
            output: an element of the output of the model's ``test_step``, which includes the ground truth.
            metainfo: the test set's ``classes`` and, in panoptic segmentation, ``stuff_classes``.
        """
        raise self._unsupported('has no diagnosis')

    def keep_for_diagnosis(self, cfg: Config) -> None:
        """Change a config so that predictions of its model have what a diagnosis takes beyond results."""

    def shown_maps(self, output: Any, metainfo: Mapping[str, Any]) -> LabelMaps | None:
        """Return label maps of a model's output, as a page shows them; None for a task without, or if it has none.

        Args:
            output, metainfo: see :meth:`diagnosed_image`.
        """
        return None

    def find(self, images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
        """Find out why a model is as good as it is.

        Args:
            images: the images of a test set, in the order in which metrics sort them.
            metainfo: see :meth:`diagnosed_image`.
        """
        raise self._unsupported('has no diagnosis')

    # -- Prediction

    def prepare_config(self, cfg: Config) -> None:
        """Change a config so that its model predicts the same results with less memory."""

    def count_head_classes(self, state_dict: Mapping[str, Tensor]) -> int | None:
        """Count the classes of a well-known head in weights from elsewhere, by the names of its parameters.

        Args:
            state_dict: the weights by name.

        Returns:
            The number of classes, or None if there is no well-known head of this task.
        """
        return None

    def count_stated_classes(self, cfg: Config) -> int | None:
        """Count the classes of a model by its config, where its weights can't tell them; None where they can."""
        return None

    def count_trained_stuff(self, cfg: Config, meta: Mapping[str, Any]) -> int:
        """Count the classes of a model that are stuff, which are the last ones.

        Args:
            cfg: the model's config.
            meta: the metainfo of the data set in its checkpoint.
        """
        return 0

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

    def predict_tiles(
        self,
        tiled: TiledModel,
        image: WindowedImage,
        classes: ClassInfo,
        progress: TileProgress,
        out: TiledFile | None = None,
    ) -> Result:
        """Predict for an image of any size, tile by tile.

        Args:
            tiled: the model.
            image: the image.
            classes: the model's classes.
            progress: is told of the tiles.
            out: the file of a result that is as large as the image, which then is not in memory; None for memory.

        Raises:
            BadImage: if the image can't be read.
            UserError: if the file can't be written.
        """
        raise self._unsupported('gives no predictions for tiles of images')

    def coco_entries(self, output: Any, metainfo: Mapping[str, Any], folder: Path) -> list[Mapping]:
        """Convert a model's output for an image of a COCO file to entries of a results file.

        Args:
            output: an element of the output of the model's ``test_step``.
            metainfo: the test set's ``classes``, ``category_ids`` and, in panoptic segmentation, ``stuff_classes``.
            folder: the folder for files that the entries name, which may not exist yet.
        """
        raise self._unsupported('has no results in the format of COCO')

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

    def check_model(self, model: Any, settings: Mapping[str, Any]) -> None:
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

    def mild_augmentation(self, cfg: Config) -> dict[str, Milder]:
        """Return milder values of the augmentation of a config, for few training images.

        Returns:
            The settings by their keys, joined with dots, as far as they would change.
        """
        return of_pipelines(cfg)

    def explain_training_error(self, error: Exception, cfg: Config) -> str | None:
        """Explain an error of the model in training that its config or data cause, in one line; None for others."""
        return None

    def tuned_settings(self, cfg: Config, starts_from_weights: bool) -> dict[str, Tuned]:
        """Return the settings of a config that ``tune`` can search, by their names in :data:`.tuned.SETTINGS`.

        Args:
            cfg: the config, as ``--cfg-options`` change it.
            starts_from_weights: the run starts from pretrained weights.
        """
        return dict(optimizer_settings(cfg, starts_from_weights))

    # -- Linear probe

    def probed_datasets(self, cfg: Config) -> tuple[list[ConfigDict], list[ConfigDict]]:
        """Return the configs of training and validation data whose images are prepared as for validation.

        Raises:
            UserError: if a linear probe can't be fitted to them.
        """
        raise self._unsupported('has no linear probe, which is for classification')

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

    def set_training_shape(self, cfg: Config, shape: ImageSize) -> None:
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


def run_whole_model(model: nn.Module, image: Tensor) -> str:
    """Run the whole model and return a description of the part that ran."""
    model(image)
    return 'the whole forward pass'
