"""What tasks tell and are told: classes, metrics, prepared images, parts of models, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.class_choice import ClassChoice
    from ..data.splits import SplitRule
    from ..io.image_size import ImageSize
    from ..results.reconstruction import Panel


@dataclass(frozen=True)
class MainMetrics:
    """Main metrics of a task for a panel of the curves; the first one decides the best checkpoint."""

    title: str
    """What they are and of what, without their unit."""
    step: str
    """Unit in which the recipes of the task count their length: ``'epoch'`` or ``'optimizer step'``."""
    labels: Mapping[str, str]
    """Label of each metric's curve by the metric's name."""
    unit: str = '%'
    """The unit of the metrics; empty for none."""
    digits: int = 1
    """Digits after the point that say something."""
    is_diagnosed: bool = True
    """Results with these metrics can be diagnosed."""


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
    first_label: int | None = None
    """Label of class 0 in the masks that a segmentor was trained on, 0 or 1; None for other tasks."""
    stuff: int = 0
    """Number of the last classes that are stuff, of a panoptic model."""

    @property
    def things(self) -> int:
        """Number of the first classes, which are things."""
        return len(self.names) - self.stuff


class DataOptions(NamedTuple):
    """How a data set is read, by the arguments of a command beside ``--data``."""

    format: str | None = None
    """``--data-format``: name of the annotations' format or layout; None to recognize it."""
    mask_labels: str | None = None
    """``--mask-labels``: kind of the masks of segmentation; None to recognize it."""
    mask_folder: str | None = None
    """``--mask-folder``: name of the folder of masks; None for the one that there is."""
    split: SplitRule | None = None
    """``--val-split`` or ``--folds``: how the training images are split; None for the data set's own split."""
    replace_val: bool = False
    """``--replace-val``: split them though the data set has validation images, which are then not used."""
    label_column: str | None = None
    """``--label-column``: the column of a list of images that has the classes; None to recognize it."""
    choice: ClassChoice | None = None
    """``--classes``, ``--merge`` and ``--ignore-classes``; None for that of the config."""


AS_FOUND = DataOptions()
"""Read a data set as it is."""


TASK_OPTIONS = ('mask_labels', 'mask_folder', 'label_column')
"""Names of the options that only some tasks take: those in :attr:`.Task.data_options`."""


class TrainedClasses(NamedTuple):
    """The K classes that a checkpoint was trained on, as far as it tells them."""

    names: Sequence[str]
    category_ids: Sequence[int] | None = None
    """Ids of the classes in the COCO file that a detector was trained on; None if unknown."""
    reduce_zero_label: bool | None = None
    """Whether label 0 meant unlabeled in the masks that a segmentor was trained on; None if unknown."""
    choice: ClassChoice | None = None
    """The choice by which they were taken from the classes of the data; None for all as they are."""
    stuff: int | None = None
    """Number of the last classes that are stuff, of a panoptic model; None if unknown, or for another model."""


class PreparedImage(NamedTuple):
    """An image prepared for the network."""

    path: str | None
    """The image's file, or None."""
    tensor: Tensor
    """The network's input, (3, h, w)."""
    sample: Any = None
    """The image's metadata: a data sample of mmdet or mmseg."""

    def resized(self, size: ImageSize, sample: Any = None) -> PreparedImage:
        """Resize the network's input by bilinear interpolation, with its dtype.

        Args:
            size: height and width.
            sample: metadata for that size.
        """
        import torch.nn.functional as F

        tensor = self.tensor
        if tuple(tensor.shape[1:]) != tuple(size):
            resized = F.interpolate(tensor[None].float(), tuple(size), mode='bilinear', antialias=True)[0]
            tensor = resized if tensor.is_floating_point() else resized.round().to(tensor.dtype)
        return PreparedImage(self.path, tensor, sample)


class Part(NamedTuple):
    """A part of a model and what it gets in training."""

    key: str
    """Its key in the config, such as ``'model.decode_head'``; it is also its name in the model, after ``model.``."""
    inputs: Sequence[Tensor]
    """(N, C, H, W), the finest first."""


class PredictionEntry(TypedDict):
    """An image in ``predictions.json``; see :class:`~convnext_dense.analysis.show.ShowPredictions`."""

    path: str
    caption: str


class ClassifiedEntry(PredictionEntry):
    """An image of a classification data set in ``predictions.json``: class names, and the score in [0, 1]."""

    ground_truth: str
    prediction: str
    score: float


class ReconstructedEntry(PredictionEntry):
    """An image of pre-training in ``predictions.json``, with the parts of its drawing."""

    panels: list[Panel]


class Comparison(NamedTuple):
    """A prediction drawn with its ground truth."""

    drawing: np.ndarray
    """uint8 (H, W, 3), RGB."""
    file_name: str
    entry: PredictionEntry
