"""Benchmark of loading training images: our data loader against timm's and torchvision's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.runner import set_random_seed
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from ..data.image_files import find_files
from ..engine import Runner
from ..io.image_size import ImageSize
from ..weights.published_preprocessing import IMAGENET_MEAN, IMAGENET_STD
from .setting import Setting
from .timing import OURS, Absent, Contender, Series, measure

TOLERANCE = {'': 0.5}  # for each channel's mean and standard deviation, since augmentation is random
PHOTO = ImageSize(375, 500)  # usual size of ImageNet's images


def loader(cfg: ConfigDict, setting: Setting) -> Series:
    """Measure an epoch of loading training images, from files to augmented and normalized batches.

    All loaders have the same number of worker processes and the recipe's augmentation: random resized crop, flip,
    RandAugment of magnitude 9, random erasing. timm's is the one of its training script on a CPU; torchvision's uses
    its v2 transforms on tensors.

    Args:
        cfg: the config's ``train_dataloader``, pointed at data.
        setting: device and duration.
    """
    root, side = Path(cfg.dataset.root, 'train'), cfg.dataset.transform.input_size
    options = dict(
        batch_size=cfg.batch_size, num_workers=cfg.num_workers, persistent_workers=cfg.num_workers > 0, drop_last=True
    )
    ours = Runner.build_dataloader(cfg, seed=0)
    batches = len(ours)

    def contender(name: str, batches_of: Iterable, images_of: Callable[[Any], Tensor]) -> Contender:
        def run() -> None:
            for _ in batches_of:
                pass

        def check() -> list[Tensor]:
            set_random_seed(0)
            images = torch.cat([images_of(batch) for batch in batches_of]).transpose(0, 1).flatten(1)
            return [torch.cat([images.mean(1), images.std(1)])]

        return Contender(name, '', '', run, check)

    def contenders() -> Iterable[Contender | Absent]:
        yield own
        for name, build in (('timm', _timm), ('torchvision v2', _torchvision)):
            try:
                yield contender(name, build(root, side, options), lambda batch: batch[0])
            except ImportError as error:
                yield Absent(name, str(error))

    own = contender(OURS, ours, lambda batch: batch['inputs'])
    assert own.check is not None
    items = batches * cfg.batch_size
    about = f'{items} images to {side} x {side}, {cfg.num_workers} worker processes'
    return measure(Series('loader', about, items), contenders(), own.check(), TOLERANCE, setting)


def _timm(root: Path, side: int, options: dict) -> Iterable:
    from timm.data import create_dataset, create_loader

    return create_loader(
        create_dataset('', root=str(root), is_training=True),
        input_size=side,
        is_training=True,
        use_prefetcher=False,
        auto_augment='rand-m9-mstd0.5-inc1',
        interpolation='bicubic',
        re_prob=0.25,
        re_mode='pixel',
        **{name: value for name, value in options.items() if name != 'drop_last'},  # timm always drops it
    )


def _torchvision(root: Path, side: int, options: dict) -> Iterable:
    from torchvision.datasets import ImageFolder
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomResizedCrop(side, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandAugment(magnitude=9),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            v2.RandomErasing(0.25),
        ]
    )
    dataset = ImageFolder(str(root), transform, loader=lambda path: decode_image(path, ImageReadMode.RGB))
    return DataLoader(dataset, shuffle=True, **options)


def write_photos(source: Path, folder: Path, count: int, size: ImageSize = PHOTO) -> None:
    """Write an image folder with one class, ``photo``, of images enlarged to the size of photos.

    Args:
        source: the folder of the original images.
        folder: the image folder to create.
        count: number of images to write.
        size: height and width of the enlarged images.
    """
    target = folder / 'train' / 'photo'
    target.mkdir(parents=True)
    paths = find_files(source).images
    for number in range(count):
        with Image.open(paths[number % len(paths)]) as image:
            enlarged = image.convert('RGB').resize((size.width, size.height), Image.Resampling.BICUBIC)
            enlarged.save(target / f'{number}.jpg', quality=90)
