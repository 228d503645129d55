"""From a config and a checkpoint to results for images.

predict = load('configs/det/cascade_convnext_t_coco.py', 'work_dirs/cascade_convnext_t_coco/epoch_36.pth')
result = predict('street.jpg')
result.draw('out.png')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import DefaultScope
from PIL import Image
from torch import Tensor

from ..checkpoints import files as checkpoints
from ..config.read import read_config
from ..data.classification.dataset import eval_transform
from ..engine.building import build_model, config_errors
from ..errors import UserError
from ..io.images import read_rgb, upright_rgb
from ..registry import MODELS
from ..results.drawing import palette
from ..results.results import Classification, Detection, Segmentation
from ..tasks.tasks import set_classes
from ..weights.loading import dataset_meta, extract_weights, load_full_model, read_checkpoint

ImageLike = str | Path | np.ndarray | Image.Image
Result = Classification | Detection | Segmentation

# How the name of the head's weight ends, by task. It has a row for each class, in detection also one for none of them.
HEADS = {'classification': 'head.weight', 'detection': 'fc_cls.weight', 'segmentation': 'conv_seg.weight'}
STRIDE = 32  # pixels that become one of the last stage's: no image may be thinner


def load(
    config: str | Path,
    checkpoint: str | Path,
    weights: Literal['raw', 'ema'] = 'raw',
    device: str | torch.device | None = None,
    data: Literal['sample'] | None = None,
    options: dict | None = None,
    trust_pickle: bool = False,
) -> Predictor:
    """Load a classifier, detector or segmentor.

    The classes come from the checkpoint; where it does not name them, they are ``class_0``, ``class_1`` and so on.

    Args:
        config: the config that the checkpoint was trained with, which also says how images are prepared.
        checkpoint: a path, a URL or a name, as ``--pretrained`` takes them, or a work dir for its newest; it can't run
            code unless it is trusted.
        weights: ``'raw'``, or ``'ema'`` for their moving average.
        device: None for the GPU where there is one.
        data: ``'sample'`` for a model that was trained with ``--data sample``.
        options: changes to the config, ``{'a.b': value}``.
        trust_pickle: allow the checkpoint to run code, if it can't be read otherwise.

    Raises:
        UserError: if config or checkpoint can't be read, or don't fit each other.
    """
    device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise UserError(f'device {device}: torch finds no GPU on this machine, take the device cpu')
    cfg = read_config(str(config), options, data, needs_data=False)
    path = checkpoints.find(checkpoint)
    content = read_checkpoint(path, trust_pickle)
    found = extract_weights(content, path, weights)
    known = dataset_meta(content)
    count = _count_classes(found.state, cfg.task, path)
    names = [str(name) for name in found.classes or [f'class_{k}' for k in range(count)]]
    set_classes(cfg, len(names))
    if cfg.model.type == 'mmseg.EncoderDecoder' and MODELS.get('convnext_dense.Segmentor'):
        cfg.model.type = 'convnext_dense.Segmentor'  # the same, in a small part of the memory
    model = revert_sync_batchnorm(build_model(cfg))
    load_full_model(model, found)
    colors: Any = known.get('palette')
    if np.shape(colors) != (len(names), 3):  # absent, or 'random', as some data sets have it
        colors = palette(len(names))
    return Predictor(model.to(device).eval(), cfg, names, np.array(colors, np.uint8), known.get('category_ids'))


class Predictor:
    """Gives results for images; :func:`load` makes it.

    An image is a path, an array, uint8 (H, W, 3) in RGB, or a PIL image. Files and PIL images may have any mode, and
    are turned upright as their EXIF says. Results are at the full size of the upright image.

    Attributes:
        model: an mmengine model in evaluation mode.
        task: ``'classification'``, ``'detection'`` or ``'segmentation'``.
        names: K class names.
        colors: uint8 (K, 3), RGB, of segmentations.
        category_ids: K numbers of the classes in the COCO file that a detector learnt from, None if not known.
        input_shape: height and width that it is tested at: of a classifier's input, of a segmentor's window, of a
            detector's largest landscape image.
    """

    def __init__(
        self,
        model: BaseModel,
        cfg: Config,
        names: Sequence[str],
        colors: np.ndarray,
        category_ids: Sequence[int] | None = None,
    ) -> None:
        self.model = model
        self.task: str = cfg.task
        self.names = names
        self.colors = colors
        self.category_ids = category_ids
        self.input_shape = _input_shape(cfg)
        dataset = cfg.test_dataloader.dataset
        self._transform: Any
        with config_errors('test_dataloader'), DefaultScope.overwrite_default_scope(cfg.default_scope):
            if self.task == 'classification':
                self._transform = eval_transform(**dataset.transform)
            else:
                steps = [step for step in dataset.pipeline if not step['type'].split('.')[-1].startswith('Load')]
                self._transform = Compose(steps)

    @property
    def normalization(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (3,) that the network's input is normalized by, in RGB values from 0 to 255."""
        if self.task == 'classification':
            step = next(step for step in self._transform.transforms if hasattr(step, 'mean'))
            return torch.as_tensor(step.mean) * 255, torch.as_tensor(step.std) * 255
        preprocessor = self.model.data_preprocessor
        return preprocessor.mean.flatten(), preprocessor.std.flatten()

    def __call__(self, image: ImageLike) -> Result:
        """The result for one image.

        Raises:
            UserError: if the image can't be used.
        """
        return next(self.batch([image]))

    def batch(
        self,
        images: Iterable[ImageLike],
        batch_size: int = 1,
        failed: Callable[[ImageLike, UserError], object] | None = None,
    ) -> Iterator[Result]:
        """The results for many images, one after another in their order.

        They are taken from ``images`` as they are needed. Results do not depend on the batch: only images that
        the network gets at the same size go through it together.

        Args:
            batch_size: how many images are in memory at once.
            failed: called with each image that can't be used, and why; it has no result. None raises the error.
        """
        images = iter(images)
        while batch := list(islice(images, batch_size)):
            inputs = []
            for image in batch:
                try:
                    inputs.append(self._prepare(image))
                except UserError as error:
                    if failed is None:
                        raise
                    failed(image, error)
            yield from self._predict(inputs)

    def _prepare(self, image: ImageLike) -> _Input:
        path, rgb = _as_rgb(image)
        height, width = size = rgb.shape[:2]
        if self.task == 'classification':
            return _Input(path, self._transform(Image.fromarray(rgb)))
        too_thin = UserError(f'bad image {path or "array"} ({width} x {height} is too thin for the network)')
        bgr = np.ascontiguousarray(rgb[:, :, ::-1])  # as mmcv's transforms want it
        try:
            packed = self._transform({'img': bgr, 'img_path': path, 'img_shape': size, 'ori_shape': size})
        except cv2.error:
            raise too_thin from None
        if min(packed['inputs'].shape[1:]) < STRIDE:
            raise too_thin
        return _Input(path, packed['inputs'], packed['data_samples'])

    @torch.inference_mode()
    def _predict(self, inputs: Sequence[_Input]) -> list[Result]:
        results: dict[int, Result] = {}
        shapes = [one.tensor.shape for one in inputs]
        for shape in dict.fromkeys(shapes):
            places = [place for place, own in enumerate(shapes) if own == shape]
            results.update(zip(places, self._predict_same_size([inputs[p] for p in places]), strict=True))
        return [results[place] for place in range(len(inputs))]

    def _predict_same_size(self, inputs: Sequence[_Input]) -> list[Result]:
        tensors = [one.tensor for one in inputs]
        if self.task == 'classification':
            found = self.model.test_step({'inputs': torch.stack(tensors), 'paths': [one.path for one in inputs]})
            return [Classification.from_prediction(prediction, self.names) for prediction in found]
        found = self.model.test_step({'inputs': tensors, 'data_samples': [one.sample for one in inputs]})
        if self.task == 'detection':
            return [Detection.from_sample(sample, self.names, self.category_ids) for sample in found]
        return [Segmentation.from_sample(sample, self.names, self.colors) for sample in found]


def _input_shape(cfg: Config) -> tuple[int, int]:
    dataset = cfg.test_dataloader.dataset
    if cfg.task == 'classification':
        return (dataset.transform.input_size,) * 2
    if cfg.task == 'segmentation':
        height, width = cfg.model.test_cfg.get('crop_size') or cfg.model.data_preprocessor.size
        return height, width
    scale = next(step.scale for step in dataset.pipeline if 'scale' in step)
    short, long = (-(-side // STRIDE) * STRIDE for side in sorted(scale))
    return short, long


class _Input(NamedTuple):
    path: str | None
    tensor: Tensor  # (3, h, w), prepared for the network
    sample: Any = None  # mmdet's or mmseg's, with what is known about the image


def _as_rgb(image: ImageLike) -> tuple[str | None, np.ndarray]:
    """The image's path, if it has one, and its pixels, uint8 (H, W, 3)."""
    if isinstance(image, str | Path):
        return str(image), read_rgb(image)
    if isinstance(image, Image.Image):
        return None, upright_rgb(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(f'an image as an array is uint8 (H, W, 3) in RGB, not {image.dtype} {image.shape}')
    return None, image


def _count_classes(state_dict: Mapping[str, Tensor], task: str, path: Path) -> int:
    """How many classes the head was made for.

    Raises:
        UserError: if it is another task's head, or there is none.
    """
    rows = {of: len(t) for of, end in HEADS.items() for n, t in state_dict.items() if f'.{n}'.endswith(f'.{end}')}
    if task in rows:
        return rows[task] - (task == 'detection')
    if rows:
        raise UserError(f'checkpoint {path} is for {next(iter(rows))}, the config for {task}: take one of its task')
    raise UserError(f'checkpoint {path} has no head for {task}: train one on top of it with --pretrained {path}')
