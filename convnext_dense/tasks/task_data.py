"""Interface of a task, the half about its data sets and their images; see :mod:`.base` for the other one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..data.seen_sizes import UNKNOWN, SeenSizes
from ..errors import UserError
from .bands import bands_of, shown_bands
from .class_choices import join_checked, settle_choice
from .datasets import only_own_dataset, own_datasets, takes
from .records import AS_FOUND, DataOptions

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..data.check import DatasetRecords
    from ..diagnosis.statistics import DataStatistics
    from ..io.band_images import ShownBands
    from ..io.image_size import ImageSize
    from ..io.opening import Opening
    from ..io.value_range import ValueRange
    from ..weights.preprocessing import Preprocessing
    from .bands import BandOptions
    from .records import CountColumn, TrainedClasses
    from .sizes import SetBy
    from .tiles import TileOptions


class TaskData(ABC):
    """How the data sets of a task's configs are found, read and checked, and how their images are read.

    Attributes:
        name: the ``task`` of its configs.
        sample_folder: folder of its data in the sample data set.
        large_settings: packaged settings for the large samples; None if their scenes are not for it.
        count_column: column for the examples per class in tables; None if each image is one example.
        sheet_images: default number of images on a contact sheet.
        takes_squares: True if images enter its networks as squares.
        balance: strength of ``--balance`` alone; see :mod:`convnext_dense.data.balance`.
        normalization_keys: keys of the parts of its configs that have ``mean`` and ``std``.
        data_options: names of the options in :data:`.records.TASK_OPTIONS` that its data sets take.
    """

    name: ClassVar[str]
    sample_folder: ClassVar[str]
    large_settings: ClassVar[str | None] = None
    count_column: ClassVar[CountColumn | None] = None
    sheet_images: ClassVar[int] = 12
    takes_squares: ClassVar[bool] = False
    balance: ClassVar[float] = 0.5
    normalization_keys: ClassVar[tuple[str, ...]] = ()
    data_options: ClassVar[tuple[str, ...]] = ()

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

    def set_copy_paste(self, cfg: Config, prob: float) -> None:
        """Have a config's training paste objects of other images; see :func:`.copy_paste.set_copy_paste`.

        Raises:
            UserError: if the task has no objects with masks, or the config can't.
        """
        raise UserError(
            f'--copy-paste {prob:g} is for detection with masks: leave it out, since the config is for {self.name}'
        )

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

    def count_stuff(self, cfg: Config, trained: TrainedClasses | None = None) -> int:
        """Count the classes of a config's data sets that are stuff, which are the last ones.

        Args:
            cfg: the config.
            trained: the classes of the checkpoint that is tested; None for those of the data.
        """
        return 0

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
        data.value_range, data.opening = self.value_range(cfg, read), self.opening(cfg, read)
        data.bands = bands_of(cfg)
        data.in_tiles = cfg.get('tiles') is not None
        if 'train' not in present:
            fix = 'add some to train; test needs none'
            data.findings.append(Finding(PROBLEM, 'train', 'no data for this split, so that no run can train', fix))
        elif datasets['train'] is cfg.train_dataloader.dataset and not datasets['train'].get('tiles'):  # not repeated
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

    def read_statistics(
        self, cfg: Config, classes: Sequence[str] | None = None
    ) -> tuple[DataStatistics | None, DataStatistics | None, list[str]]:
        """Read what a config's training data and tested data consist of, from annotations, headers and masks.

        Args:
            cfg: the config, which is not changed.
            classes: names of the model's classes; None for those of the data.

        Returns:
            The statistics of the training data and of the tested data, None for those that are not there; and what
            was taken from a sample, in sentences.

        Raises:
            UserError: if the data can't be read so, such as those of another library.
        """
        from .statistics import read_statistics

        return read_statistics(self, cfg, classes)

    # -- Images

    def image_parts(self, cfg: Config) -> list[dict]:
        """Return the parts of a config that read images, each with ``value_range`` or without."""
        return []

    def set_bands(self, cfg: Config, options: BandOptions) -> None:
        """Have a config take bands of images as they are stored; see :func:`~convnext_dense.tasks.bands.set_bands`.

        Raises:
            UserError: if its network can't.
        """
        raise UserError(
            f'--bands is for detection, segmentation and pre-training: models for {self.name} take RGB of 8 bits, and '
            '--value-range takes other values to it'
        )

    def set_tiles(self, cfg: Config, options: TileOptions) -> ImageSize | None:
        """Have a config take its images in tiles; see :func:`~convnext_dense.tasks.tiles.set_tiles`.

        Raises:
            UserError: if its images have no positions to learn or predict.
        """
        raise UserError(
            f'{options.flags or "tiles"} is for detection and segmentation: leave it out for {self.name}, which looks '
            'at images as a whole'
        )

    def value_range(self, cfg: Config, keys: Collection[str] = ('test_dataloader',)) -> ValueRange | ShownBands | None:
        """Return the values that become black and white in the images of a config's loaders, or the bands shown.

        Args:
            cfg: the config.
            keys: the loaders.

        Raises:
            UserError: if they are not the same for all images.
        """
        if bands_of(cfg) is not None:
            return shown_bands(cfg)
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

    def opening(self, cfg: Config, keys: Collection[str] = ('test_dataloader',)) -> Opening:
        """Return how the image files of a config's loaders are opened.

        Raises:
            UserError: if it is not the same for all.
        """
        from mmengine.config import Config

        from ..io.opening import AS_USUAL, as_opening

        parts = self.image_parts(Config({key: cfg.get(key) for key in keys}))
        openings = list(dict.fromkeys(as_opening(part.get('page'), part.get('max_pixels')) for part in parts))
        if len(openings) > 1:
            raise UserError(
                f'{" and ".join(keys)}: images are opened with different settings page or max_pixels: set the same '
                'for all, such as with --page and --max-pixels'
            )
        return openings[0] if openings else AS_USUAL

    def set_opening(self, cfg: Config, opening: Opening) -> None:
        """Set how all image files of a config are opened; what is None is left as it is."""
        for part in self.image_parts(cfg):
            part.update({key: value for key, value in opening._asdict().items() if value is not None})

    def input_channels(self, cfg: Config) -> int:
        """Return the number of channels of a config's images.

        Raises:
            UserError: if its network takes another number than images are read with.
        """
        channels: int = cfg.model.get('backbone', {}).get('in_channels', 3)
        return channels

    def preprocessing(self, cfg: Config) -> Preprocessing | None:
        """Return how a config prepares images, in evaluation where that differs; None if it does not say it.

        Raises:
            UserError: if its images are not all normalized alike.
        """
        return None

    def set_preprocessing(self, cfg: Config, wanted: Preprocessing, names: Collection[str]) -> None:
        """Set how images are prepared: mean and std of all, the others in evaluation.

        A task sets what its configs have; mean and std can be set where :meth:`preprocessing` knows them.

        Args:
            cfg: the config.
            wanted: the values.
            names: the attributes that are set, of those that are not None. ``'interpolation'`` is also set in
                training, unless the config has another than the recipes.

        Raises:
            UserError: if the task's images can't be prepared so.
        """
        raise self._unsupported('has no normalization to set')

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

    def seen(self, cfg: Config) -> SeenSizes:
        """Return how large networks see images, or their tiles, in training, where objects can be too small."""
        return UNKNOWN

    def _unsupported(self, problem: str) -> UserError:
        return UserError(f'a model for {self.name} {problem}: take a config of another task')
