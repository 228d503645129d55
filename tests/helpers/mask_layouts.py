"""The drawn scenes, written in the layouts and kinds of masks of other tools by straightforward code."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from convnext_dense.data.segmentation.find import find_masks, find_source
from convnext_dense.data.segmentation.masks import read_labels
from convnext_dense.data.segmentation.options import AS_FOUND, MaskOptions

SPLITS = {'train': 'training', 'val': 'validation'}

Write = Callable[[Path, np.ndarray], None]


def scenes(sample: Path, split: str) -> list[tuple[Path, np.ndarray]]:
    """The images of a split, 'train' or 'val', with their label maps (H, W): 0 is unlabeled."""
    folder = sample / 'ade20k' / 'images' / SPLITS[split]
    masks = sample / 'ade20k' / 'annotations' / SPLITS[split]
    return [(file, np.asarray(Image.open(masks / f'{file.stem}.png'))) for file in sorted(folder.iterdir())]


def names(sample: Path) -> list[str]:
    return (sample / 'ade20k' / 'classes.txt').read_text().split('\n')[:-1]


def write_layout(root: Path, sample: Path, image: str, mask: str, write: Write, splits=('train', 'val')) -> Path:
    """Write images and masks to paths such as ``images/{split}/{name}.jpg``."""
    for split in splits:
        for file, labels in scenes(sample, split):
            parts = {'split': split, 'long_split': SPLITS[split], 'name': file.stem}
            for pattern in (image, mask):
                (root / pattern.format(**parts)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, root / image.format(**parts))
            write(root / mask.format(**parts), labels)
    return root


def write_index(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(labels).save(path)


def write_names(root: Path, sample: Path) -> None:
    (root / 'classes.txt').write_text('\n'.join(names(sample)))


def color_of(label: int) -> tuple[int, int, int]:
    """A color for each label, in another order than the labels; black for 0."""
    return (0, 0, 0) if label == 0 else ((label * 83) % 256, (label * 151 + 40) % 256, (label * 29 + 7) % 256)


def write_colors(path: Path, labels: np.ndarray) -> None:
    table = np.array([color_of(label) for label in range(256)], np.uint8)
    Image.fromarray(table[labels]).save(path)


def palette_lines(sample: Path, line: str, first: str = 'void') -> str:
    """Lines such as ``{name} {r} {g} {b}`` for all labels from 0 on."""
    entries = enumerate([first, *names(sample)])
    colors = ((name, *color_of(label)) for label, name in entries)
    return '\n'.join(line.format(name=name, r=r, g=g, b=b) for name, r, g, b in colors)


def read_all(root: Path, split: str, options: MaskOptions = AS_FOUND) -> dict[str, np.ndarray]:
    """Label maps by the names of the images."""
    labels = read_labels(root, options=options)
    return {Path(image).stem: labels.reader.read(mask) for image, mask in find_masks(root, split, options)}


def classes_of_maps(root: Path, split: str, options: MaskOptions = AS_FOUND) -> dict[str, np.ndarray]:
    """Names of the class of each pixel, '' where unlabeled, by the names of the images."""
    labels = read_labels(root, options=options)
    table = np.array([*['unlabeled'] * labels.first_label, *labels.classes, *['unlabeled'] * 256])
    return {name: table[own] for name, own in read_all(root, split, options).items()}


def check_equals_scenes(root: Path, sample: Path, options: MaskOptions = AS_FOUND, ending: str = '') -> None:
    """Check that each pixel of each image has its class, and that there are no others."""
    table = np.array(['unlabeled', *names(sample)])
    source = find_source(root, options)
    for split in ('train', 'val') if 'validation' in source.splits else ('whole',):
        drawn = scenes(sample, split) if split != 'whole' else scenes(sample, 'train') + scenes(sample, 'val')
        found = classes_of_maps(root, SPLITS.get(split, split), options)
        assert sorted(found) == sorted(f'{file.stem}{ending}' for file, _ in drawn)
        for file, labels in drawn:
            np.testing.assert_array_equal(found[f'{file.stem}{ending}'], table[labels])


def write_panoptic(root: Path, sample: Path, split: str) -> None:
    """Write each label of an image as a segment, whose id is in R + 256 G + 65536 B."""
    images, annotations = [], []
    for folder in (root / f'{split}2017', root / 'annotations' / f'panoptic_{split}2017'):
        folder.mkdir(parents=True)
    for number, (file, labels) in enumerate(scenes(sample, split), 1):
        shutil.copy(file, root / f'{split}2017')
        images.append({'id': number, 'file_name': file.name, 'height': labels.shape[0], 'width': labels.shape[1]})
        segments, ids = [], np.zeros(labels.shape, int)
        for label in np.unique(labels[labels > 0]).tolist():
            own = 70_000 * label + 301 * number
            ids[labels == label] = own
            segments.append({'id': own, 'category_id': 3 * label + 1, 'iscrowd': 0})
        rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
        Image.fromarray(rgb).save(root / 'annotations' / f'panoptic_{split}2017' / f'{file.stem}.png')
        annotations.append({'image_id': number, 'file_name': f'{file.stem}.png', 'segments_info': segments})
    categories = [{'id': 3 * k + 1, 'name': name, 'isthing': k % 2} for k, name in enumerate(names(sample), 1)]
    content = {'images': images, 'annotations': annotations, 'categories': categories}
    (root / 'annotations' / f'panoptic_{split}2017.json').write_text(json.dumps(content))
