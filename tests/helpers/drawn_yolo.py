"""The drawn scenes as YOLO labels, written without the product."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.helpers.drawn_truth import DrawnImage, DrawnObject


def box_line(one: DrawnObject, image: DrawnImage, names: Sequence[str], digits: int = 6) -> str:
    """The line of an object as a box, with so many decimal places."""
    x, y, w, h = one.box
    numbers = ((x + w / 2) / image.width, (y + h / 2) / image.height, w / image.width, h / image.height)
    return f'{names.index(one.name)} ' + ' '.join(f'{number:.{digits}f}' for number in numbers)


def polygon_line(one: DrawnObject, image: DrawnImage, names: Sequence[str]) -> str:
    """The line of an object whose mask is a single polygon, with all decimal places."""
    assert isinstance(one.segmentation, list)
    (polygon,) = one.segmentation
    points = zip(polygon[::2], polygon[1::2], strict=True)
    return f'{names.index(one.name)} ' + ' '.join(f'{x / image.width} {y / image.height}' for x, y in points)


def lay_out(
    images: Sequence[DrawnImage], image_folder: Path, labels: Path, names: Sequence[str], line=box_line
) -> None:
    """Copy images to a folder, and write their labels to another one."""
    for folder in (image_folder, labels):
        folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        shutil.copy(image.file, image_folder)
        text = ''.join(f'{line(one, image, names)}\n' for one in image.objects)
        (labels / f'{image.file.stem}.txt').write_text(text)


def with_polygons(images: Sequence[DrawnImage]) -> list[DrawnImage]:
    """The images with only the objects whose mask is a single polygon, and with the boxes around their points.

    Those of the COCO file are around the pixels.
    """
    return [
        DrawnImage(image.file, image.height, image.width, [_around(one) for one in image.objects if _is_polygon(one)])
        for image in images
    ]


def _is_polygon(one: DrawnObject) -> bool:
    return isinstance(one.segmentation, list) and len(one.segmentation) == 1


def _around(one: DrawnObject) -> DrawnObject:
    xs, ys = one.segmentation[0][::2], one.segmentation[0][1::2]
    return DrawnObject(one.name, [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)], one.segmentation, one.mask)
