"""Base class of the tasks with models of mmdet or mmseg: the code that detection and segmentation share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bands import (
    BandOptions,
    bands_of,
    normalization_of_bands,
    set_bands,
    set_normalization,
    stated_normalization,
)
from .base import Task
from .pipelines import kind_of, mean_side, reading_steps
from .records import ClassInfo, Comparison, Part, PredictionEntry, PreparedImage
from .tiles import TileOptions, seen_in_training, set_tiles
from .tuned import Tuned, pipeline_settings

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config, ConfigDict
    from torch import Tensor, nn

    from ..data.check import DatasetRecords, ImageRecord
    from ..data.seen_sizes import SeenSizes
    from ..export.graphs import Normalization
    from ..io.band_images import ShownBands
    from ..io.image_size import ImageSize
    from ..io.opening import Opening
    from ..io.value_range import ValueRange
    from ..results import Result
    from ..weights.preprocessing import Preprocessing

RECORD_SIZE = (660, 530)
"""Maximum height and width of an image on a contact sheet, in pixels."""
COMPARED_SIZE = (640, 640)
"""Maximum height and width of a prediction beside its ground truth, in pixels."""
RANDOM_BOXES = 10  # in an image of noise


class DenseTask(Task):
    """Dense prediction task: models and pipelines are mmdet's or mmseg's, results have positions in the image."""

    takes_tiles = True
    normalization_keys = ('model.data_preprocessor',)

    @abstractmethod
    def to_result(self, sample: Any, classes: ClassInfo) -> Result:
        """Convert a data sample of mmdet or mmseg with a prediction to a result."""

    @abstractmethod
    def draw_ground_truth(self, data: DatasetRecords, record: ImageRecord) -> np.ndarray:
        """Draw the ground truth of an image of a data set over the image, within :data:`RECORD_SIZE`.

        Returns:
            uint8 (H, W, 3), RGB.

        Raises:
            UserError: if the image or its ground truth can't be read.
        """

    @abstractmethod
    def compare(
        self, output: Any, image: np.ndarray, metainfo: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray, str]:
        """Draw a prediction and its ground truth over the image.

        Args:
            output: the data sample.
            image: uint8 (H, W, 3), RGB.
            metainfo: the test set's metainfo.

        Returns:
            The drawn prediction, the drawn ground truth, and a caption.
        """

    def image_parts(self, cfg: Config) -> list[dict]:
        return reading_steps(cfg)

    def set_bands(self, cfg: Config, options: BandOptions) -> None:
        set_bands(cfg, options)

    def set_tiles(self, cfg: Config, options: TileOptions) -> ImageSize | None:
        return set_tiles(cfg, options, self.has_scores)

    def preprocessing(self, cfg: Config) -> Preprocessing | None:
        from ..weights.preprocessing import preprocessing_of_levels

        if bands_of(cfg) is not None:
            return stated_normalization(cfg)
        part = cfg.model.get('data_preprocessor') or {}
        return preprocessing_of_levels(part.get('mean'), part.get('std'), _is_rgb(part))

    def set_preprocessing(self, cfg: Config, wanted: Preprocessing, names: Collection[str]) -> None:
        from ..weights.preprocessing import LEVELS

        part = cfg.model.data_preprocessor
        if bands_of(cfg) is not None:
            set_normalization(cfg, wanted.mean, wanted.std)
            return
        if len(wanted.mean) == 3 and _is_rgb(part) == wanted.bgr:
            part.update(bgr_to_rgb=not wanted.bgr, rgb_to_bgr=False)
        for name in {'mean', 'std'} & set(names):
            values = [round(value * LEVELS, 7) for value in getattr(wanted, name)]
            part[name] = values[::-1] if wanted.bgr else values

    def training_side(self, cfg: Config) -> float | None:
        return mean_side(cfg)

    def seen(self, cfg: Config) -> SeenSizes:
        return seen_in_training(cfg)

    def draw_record(self, data: DatasetRecords, record: ImageRecord, title: str, fault: str) -> np.ndarray:
        from ..results.drawing import side_by_side

        return side_by_side([(f'{title}, {fault}' if fault else title, self.draw_ground_truth(data, record))])

    def draw_comparison(self, output: Any, metainfo: Mapping[str, Any]) -> Comparison:
        from ..io.image_size import ImageSize
        from ..results.drawing import shrunk, side_by_side

        size = ImageSize(*output.ori_shape[:2])
        read_as = {key: metainfo.get(key) for key in ('value_range', 'opening')}
        image = read_as_annotated(output.img_path, size, is_upright=metainfo.get('is_upright', False), **read_as)
        *drawings, caption = self.compare(output, image, metainfo)
        prediction, ground_truth = (shrunk(drawing, COMPARED_SIZE) for drawing in drawings)
        drawing = side_by_side([('prediction', prediction), ('ground truth', ground_truth)])
        entry: PredictionEntry = {'path': output.img_path, 'caption': caption}
        return Comparison(drawing, f'{Path(output.img_path).stem}.jpg', entry)

    def build_transform(self, dataset: ConfigDict) -> Callable:
        from mmengine.dataset import Compose

        return Compose([step for step in dataset.pipeline if not kind_of(step).startswith('Load')])

    def normalization(self, model: nn.Module, transform: Any) -> Normalization:
        import torch

        from ..compat.mmengine_private_names import normalizes, swaps_channels
        from ..export.graphs import Normalization

        preprocessor: Any = model.data_preprocessor
        if (of_bands := normalization_of_bands(model)) is not None:
            return of_bands
        bgr = not swaps_channels(preprocessor)  # images are read as BGR
        if not normalizes(preprocessor):
            return Normalization(torch.zeros(3), torch.ones(3), bgr)
        return Normalization(preprocessor.mean.flatten().expand(3), preprocessor.std.flatten().expand(3), bgr)

    def prepare(self, transform: Any, image: np.ndarray, path: str | None) -> PreparedImage:
        from ..models.network_input import pack_image

        packed = pack_image(transform, image, path)
        return PreparedImage(path, packed['inputs'], packed['data_samples'])

    def resize_prepared(self, image: PreparedImage, size: ImageSize) -> PreparedImage:
        shape = tuple(size)
        meta = dict(img_path=image.path, img_shape=shape, ori_shape=shape, pad_shape=shape, scale_factor=(1.0, 1.0))
        return image.resized(size, type(image.sample)(metainfo=meta))

    def exported_input(self, image: PreparedImage, normalization: Normalization) -> Tensor:
        return image.tensor.float() if normalization.bands else image.tensor.flip(0).float()  # from BGR

    def tuned_settings(self, cfg: Config, starts_from_weights: bool) -> dict[str, Tuned]:
        return {**super().tuned_settings(cfg, starts_from_weights), **dict(pipeline_settings(cfg))}

    def training_parts(self, model: Any, image: Tensor) -> Iterator[Part]:
        features = [image]
        for part in ('backbone', 'neck'):
            if getattr(model, part, None) is not None:
                yield Part(f'model.{part}', features)
                outputs = getattr(model, part)(image if part == 'backbone' else tuple(features))
                features = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        yield from self.head_parts(model, features)

    def head_parts(self, model: Any, features: Sequence[Tensor]) -> Iterator[Part]:
        """Run the heads of a model on the features of backbone and neck; see :meth:`training_parts`."""
        yield from ()

    def predict(self, model: Any, images: Sequence[PreparedImage], classes: ClassInfo) -> list[Result]:
        batch = {'inputs': [image.tensor for image in images], 'data_samples': [image.sample for image in images]}
        return [self.to_result(sample, classes) for sample in model.test_step(batch)]


def _is_rgb(preprocessor: Mapping[str, Any]) -> bool:
    """Whether a model of mmdet or mmseg takes RGB, by the config of its preprocessor; images are read as BGR."""
    return bool(preprocessor.get('bgr_to_rgb') or preprocessor.get('rgb_to_bgr'))


def read_as_annotated(
    path: str,
    size: ImageSize,
    value_range: ValueRange | ShownBands | None = None,
    is_upright: bool = False,
    opening: Opening | None = None,
) -> np.ndarray:
    """Read an image as dense data sets do: upright by its EXIF, or as stored if that matches its annotations' size.

    Args:
        path: the image's file.
        size: height and width that the annotations are for.
        value_range: the values that become black and white, see :func:`~convnext_dense.io.images.decode`; or the
            bands that are shown, of the upright image.
        is_upright: the annotations are for the upright image, also where its size does not tell.
        opening: how the file is opened; None for :data:`~convnext_dense.io.opening.AS_USUAL`.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        UserError: if the image can't be decoded, or does not have this size.
    """
    from ..data.dense import LoadImage, check_size  # here, because it imports mmcv
    from ..io.band_images import ShownBands, read_shown

    if isinstance(value_range, ShownBands):
        shown = read_shown(path, value_range, *([opening] if opening else []))
        check_size(shown, path, size)
        return shown
    image = {'img_path': path, **size._asdict(), 'is_upright': is_upright}
    opened = opening._asdict() if opening else {}
    return LoadImage(value_range, **opened).transform(image)['img'][..., ::-1]


def counted_samples(image: Tensor) -> list[Any]:
    """Return data samples with the shape of a batch of images (N, C, H, W), which heads with queries ask for."""
    from mmengine.structures import BaseDataElement

    shape = tuple(image.shape[2:])
    return [
        BaseDataElement(metainfo=dict.fromkeys(('img_shape', 'pad_shape', 'batch_input_shape'), shape)) for _ in image
    ]


def random_image(rng: np.random.Generator, shape: ImageSize) -> dict:
    """Make an image of noise of this size, in the format of mmcv's transforms."""
    import numpy as np

    pixels = rng.integers(256, size=(*shape, 3), dtype=np.uint8)
    return dict(img=pixels, img_id=1, img_shape=tuple(shape), ori_shape=tuple(shape), scale_factor=(1.0, 1.0))


def random_boxes(rng: np.random.Generator, shape: ImageSize) -> list[list[int]]:
    """Draw ten random boxes in an image of this size: left, top, right and bottom edge."""
    import numpy as np

    corners = rng.integers(shape[::-1], size=(RANDOM_BOXES, 2)) // 2
    sides = np.array(shape[::-1]) // rng.integers(2, 8, size=(RANDOM_BOXES, 1))
    return np.hstack([corners, corners + sides]).tolist()
