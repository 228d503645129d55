"""Draw the sample data set, and write it in any format."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from ...counting import counted
from ...data.convert import ReadData, read_data_set
from ...data.formats.write import WRITERS
from ...data.formats.write.base import LabeledData, LabeledImage
from ...data.panoptic.files import find_panoptic_splits, read_lists
from ...io.files import atomic_folder, write_errors
from ...sample_data.aerial.create import ensure_large_sample
from ...sample_data.create import ensure_sample
from ...sample_data.names import LARGE_BANDS, LARGE_SAMPLES
from ..parsers.sample import FOLDER, PANOPTIC
from .convert_data import describe_written, write

VAL_SHARE = 5
"""Images for training for each one for validation, where their number is given."""


def run(args: argparse.Namespace) -> None:
    is_large = args.data in LARGE_SAMPLES
    sample = ensure_large_sample(bands=args.data == LARGE_BANDS) if is_large else ensure_sample()
    if args.format is None:
        print(sample)
    elif args.format in (FOLDER, PANOPTIC):
        write_files = write_class_folders if args.format == FOLDER else write_panoptic
        count = write_files(sample, args.target, args.images)
        print(f'{counted(count, "image")} written to {args.target}')
    else:
        read = read_sample(sample, args.format, args.images)
        print(describe_written(write(read, args.format, args.target), args.format, args.target))


def read_sample(sample: Path, name: str, images: int | None = None) -> ReadData:
    """Read the scenes of a sample for a format: label maps for one that has them, else objects.

    Args:
        sample: the folder of the sample.
        name: the format, a key of :data:`~convnext_dense.data.formats.write.WRITERS`.
        images: number of images for training; None for all.
    """
    folder, kind = ('ade20k', 'masks') if WRITERS[name].of_label_maps else ('coco', 'coco')
    read = read_data_set(str(_scenes(sample, folder)), kind)
    counts = _counts(images)
    splits: Mapping[str, Iterable[LabeledImage]] = {
        split: list(islice(labeled, counts[split])) for split, labeled in read.data.splits.items()
    }
    total = sum(len(list(labeled)) for labeled in splits.values())
    return read._replace(data=LabeledData(read.data.classes, splits), total=total)


def write_class_folders(sample: Path, target: str, images: int | None = None) -> int:
    """Write the portraits of the sample as class folders, classes in turn, and return their number.

    Raises:
        UserError: if the folder is not empty or can't be written.
    """
    written = 0
    with atomic_folder(target) as partial:
        for split, count in _counts(images).items():
            files = sorted((sample / 'classification' / split).glob('*/*.jpg'), key=lambda file: file.stem[-5:])
            for file in files[:count]:
                content = file.read_bytes()
                folder = partial / split / file.parent.name
                with write_errors(target):
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / file.name).write_bytes(content)
                written += 1
    return written


def write_panoptic(sample: Path, target: str, images: int | None = None) -> int:
    """Write the scenes of a sample as panoptic COCO files, and return their number.

    Raises:
        UserError: if the folder is not empty or can't be written.
    """
    written, scenes = 0, _scenes(sample, 'coco')
    with atomic_folder(target) as partial:
        for split, files in find_panoptic_splits(scenes).items():
            content = read_lists(files.annotations)
            content['images'] = content['images'][: _counts(images)[split]]
            kept = {image['id'] for image in content['images']}
            content['annotations'] = [one for one in content['annotations'] if one['image_id'] in kept]
            for key, folder in (('images', files.images), ('annotations', files.segments)):
                for one in content[key]:
                    path = folder / one['file_name']
                    with write_errors(target):
                        copy = partial / path.relative_to(scenes)
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        copy.write_bytes(path.read_bytes())
            text = json.dumps(content, separators=(',', ':'))
            with write_errors(target):
                (partial / 'annotations' / files.annotations.name).write_text(text, encoding='utf-8')
            written += len(kept)
    return written


def _scenes(sample: Path, folder: str) -> Path:
    """Return the folder of a kind of annotations; the large samples have all kinds in one."""
    return sample / folder if (sample / folder).is_dir() else sample


def _counts(images: int | None) -> dict[str, int | None]:
    return {'train': images, 'val': None if images is None else max(images // VAL_SHARE, 1)}
