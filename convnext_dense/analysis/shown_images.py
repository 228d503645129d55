"""Images for a browser of predictions: which are shown, their files, and what is predicted in them."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..counting import counted
from ..diagnosis.content import ShownImage, ShownObject
from ..diagnosis.diagnosed_image import DiagnosedImage, LabelMaps
from ..diagnosis.findings.base import Findings, ObjectFindings
from ..diagnosis.outlines import mask_outline
from ..diagnosis.records import NO_LABEL, ClassifiedImage, DetectedImage
from ..engine.kept_maps import MOST_DRAWN
from ..errors import UserError
from ..io.coco_format import IGNORE_REGION, Polygons, RunLengths
from ..io.files import write_errors
from ..io.image_size import ImageSize
from ..io.images import read_rgb
from ..io.opening import AS_USUAL
from ..io.shown_size import SHOWN_SIDE, shown_image, shown_size
from ..io.shrunk_image import read_shrunk, shrink_factor
from ..results import decode_mask
from ..tasks.dense import read_as_annotated
from .collect import CollectedTest

FOLDER = 'images'
"""Folder of the files, beside the diagnosis."""
QUALITY = 80
"""Of the JPEG files."""
LEAST_SCORE = 0.05
"""Objects with lower scores are not in the browser."""
MOST_OBJECTS = 60
"""Predicted objects of an image in the browser, those with the highest scores."""
TOP_SCORES = 5
"""Classes of a classified image in the browser."""
MOST_CLASSES = 255
"""Classes whose label maps are gray PNG files; of more, a pixel's class is red + 256 * green."""


def choose_images(
    collected: CollectedTest, findings: Findings | None, count: int, wanted: Collection[int] = ()
) -> list[int]:
    """Choose the images to be shown: up to half of them the worst, the others spread evenly over the test set.

    Args:
        collected: the images of the test.
        findings: with the values of images; None without ground truth.
        count: how many.
        wanted: numbers of images that are chosen in any case, such as those of galleries.

    Returns:
        Their numbers, in ascending order.
    """
    total = len(collected.images)
    if count >= total:
        return list(range(total))
    values = {} if findings is None else findings.values
    known = [(values.get(image.record.path), number) for number, image in enumerate(collected.images)]
    worst = [number for _, number in sorted((value, number) for value, number in known if value is not None)]
    chosen = dict.fromkeys(sorted(wanted)[:count])
    chosen |= dict.fromkeys(
        [number for number in worst if number not in chosen][: min(count // 2, count - len(chosen))]
    )
    others = [number for number in collected.spread if number not in chosen]
    room = min(count - len(chosen), len(others))
    if room > 0:
        picked = np.linspace(0, len(others) - 1, room).round().astype(int).tolist()
        chosen |= dict.fromkeys(others[place] for place in picked)
    return sorted(chosen)


def show_images(
    collected: CollectedTest, findings: Findings | None, numbers: Sequence[int], folder: Path
) -> tuple[list[ShownImage], list[int]]:
    """Write the files of images, and describe them.

    Images that can't be read any more, or are too large to be shrunk, are left out, which the log says.

    Args:
        collected: the images of the test.
        findings: what was found in them; None without ground truth.
        numbers: of the images to be shown.
        folder: of the diagnosis.

    Returns:
        The images, and their numbers.

    Raises:
        UserError: if a file can't be written.
    """
    files = folder / FOLDER
    if numbers:
        with write_errors(folder, '--out'):
            files.mkdir(exist_ok=True)
    digits = len(str(max(len(numbers) - 1, 0)))
    names = [f'{place:0{digits}d}' for place in range(len(numbers))]

    def show(place: int) -> ShownImage | UserError:
        number = numbers[place]
        image, packed = collected.images[number], collected.maps.get(number)
        maps = None if packed is None else packed.unpacked()
        try:
            pixels, size = _read(image, collected.reading)
        except UserError as error:
            return error
        with write_errors(folder, '--out'):
            Image.fromarray(pixels).save(files / f'{names[place]}.jpg', quality=QUALITY)
            maps_of = _write_maps(maps, files / names[place], len(collected.metainfo['classes']))
        return _describe(image, size, maps, findings, f'{FOLDER}/{names[place]}', maps_of)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        shown = list(pool.map(show, range(len(numbers))))
    faults = [one for one in shown if isinstance(one, UserError)]
    if faults:
        left_out = f'{counted(len(faults), "image")} not shown: {faults[0]}'
        logging.getLogger('mmengine').warning(left_out)
    kept = [(one, number) for one, number in zip(shown, numbers, strict=True) if isinstance(one, ShownImage)]
    return [one for one, _ in kept], [number for _, number in kept]


def _read(image: DiagnosedImage, reading: Mapping[str, Any]) -> tuple[np.ndarray, ImageSize]:
    """Read an image as it is shown, uint8 (h, w, 3), RGB, and return its own size as well."""
    path, size = image.record.path, image.size
    value_range, opening = reading.get('value_range'), reading.get('opening') or AS_USUAL
    if size is None:
        pixels = read_rgb(path, True, value_range, opening)
        size = ImageSize.of(pixels)
    elif size.height * size.width > MOST_DRAWN:
        pixels, own = read_shrunk(path, shrink_factor(size, SHOWN_SIDE), value_range, opening)
        if own != size:
            raise UserError(f'{path}: the image is {own} (height x width), and was {size} in the test')
    else:
        upright = bool(reading.get('is_upright'))
        pixels = read_as_annotated(path, size, value_range, upright, opening)
    return shown_image(pixels, shown_size(size)), size


def _write_maps(maps: LabelMaps | None, stem: Path, classes: int) -> dict[str, str]:
    """Write label maps as PNG files, and return their names by field of the shown image."""
    if maps is None:
        return {}
    found = {'truth_map': ('truth', maps.truth), 'predicted_map': ('predicted', maps.predicted)}
    names = {}
    for key, (ending, labels) in found.items():
        if labels is None:
            continue
        file = stem.with_name(f'{stem.name}_{ending}.png')
        if classes > MOST_CLASSES:
            labels = np.stack([labels & 255, labels >> 8, np.zeros_like(labels)], axis=-1).astype(np.uint8)
        Image.fromarray(labels).save(file, optimize=True)
        names[key] = f'{FOLDER}/{file.name}'
    return names


def _describe(
    image: DiagnosedImage,
    size: ImageSize,
    maps: LabelMaps | None,
    findings: Findings | None,
    stem: str,
    map_files: Mapping[str, str],
) -> ShownImage:
    """Describe an image whose files are written."""
    record = image.record
    value = None if findings is None else findings.values.get(record.path)
    kinds = list(() if findings is None else findings.image_findings.get(record.path, ()))
    shown = ShownImage(record.path, f'{stem}.jpg', size.width, size.height, value, kinds, [])
    if isinstance(record, ClassifiedImage):
        best = np.argsort(-record.scores, kind='stable')[:TOP_SCORES].tolist()
        scores = [(label, round(float(record.scores[label]), 4)) for label in best]
        label = None if record.label == NO_LABEL else record.label
        classes = sorted({best[0], *([] if label is None else [label])})
        return replace(shown, scores=scores, label=label, classes=classes)
    if isinstance(record, DetectedImage):
        own = None if findings is None or findings.objects is None else findings.objects.get(record.path)
        predicted = shown_predictions(record, own)
        truth = shown_truth(record, own) if image.has_truth else None
        return replace(shown, predicted=predicted, truth=truth, classes=_labels_of(predicted, truth))
    if maps is None:
        return shown
    found = [np.unique(labels) for labels in (maps.predicted, maps.truth) if labels is not None]
    none = np.iinfo(maps.predicted.dtype).max
    classes = sorted({int(label) for labels in found for label in labels if label != none})
    return replace(shown, classes=classes, predicted=maps.predicted_objects, truth=maps.true_objects, **map_files)  # type: ignore[arg-type]


def shown_predictions(record: DetectedImage, findings: ObjectFindings | None) -> list[ShownObject]:
    """Return the predicted objects of an image with the highest scores, in descending order of them."""
    order = [
        number for number in np.argsort(-record.scores, kind='stable').tolist() if record.scores[number] >= LEAST_SCORE
    ]
    return [
        ShownObject(
            _box(record.boxes[number]),
            int(record.labels[number]),
            round(float(record.scores[number]), 4),
            '' if findings is None else findings.predicted[number],
            None if record.masks is None else _outline(record.masks[number], record.size),
        )
        for number in order[:MOST_OBJECTS]
    ]


def shown_truth(record: DetectedImage, findings: ObjectFindings | None) -> list[ShownObject]:
    """Return the annotated objects of an image, in their order."""
    truth = record.truth
    masks = truth.masks or [None] * len(truth)
    return [
        ShownObject(
            _box(truth.boxes[number]),
            None if truth.labels[number] == IGNORE_REGION else int(truth.labels[number]),
            None,
            '' if findings is None else findings.true[number],
            _outline(masks[number], record.size),
        )
        for number in range(len(truth))
    ]


def _labels_of(*objects: Sequence[ShownObject] | None) -> list[int]:
    return sorted({one.label for some in objects for one in some or () if one.label is not None})


def _box(corners: np.ndarray) -> list[float]:
    """Return left, top, width and height of corners, in tenths of pixels."""
    x1, y1, x2, y2 = (float(edge) for edge in corners)
    return [round(one, 1) for one in (x1, y1, x2 - x1, y2 - y1)]


def _outline(mask: RunLengths | Polygons | None, size: ImageSize) -> list[list[float]] | None:
    """Return the outline of a mask; None without a mask, and in images too large for it."""
    if mask is None or size.height * size.width > MOST_DRAWN:
        return None
    return mask_outline(decode_mask(mask, size), size)
