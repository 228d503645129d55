"""JSON files and images as LabelMe writes them."""

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.coco_files import runs
from tests.helpers.drawn_truth import (
    DrawnImage,
    drawn_images,
    with_boxes_of_masks,
)

SIZE = (60, 80)  # height and width


def shape(label: str, points: list, kind: str | None = 'polygon', **keys) -> dict:
    return {
        'label': label,
        'points': points,
        'group_id': None,
        'description': '',
        'shape_type': kind,
        'flags': {},
        'mask': None,
        **keys,
    }


def content(name: str | None, shapes: list, size: tuple | None = SIZE, data: str | None = None) -> dict:
    return {
        'version': '5.5.0',
        'flags': {},
        'shapes': shapes,
        'imagePath': name,
        'imageData': data,
        'imageHeight': size[0] if size else None,
        'imageWidth': size[1] if size else None,
    }


def write_image(path: Path, size: tuple = SIZE, orientation: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


def write(path: Path, *shapes: dict, image: str | None = None, **keys) -> Path:
    """Write a file and the image beside it, unless another one is given."""
    if image is None:
        image = write_image(path.with_suffix('.png')).name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content(image, list(shapes), **keys), indent=2, ensure_ascii=False))
    return path


def in_base64(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, 'PNG')
    return base64.b64encode(buffer.getvalue()).decode()


def embedded(size: tuple = SIZE) -> tuple[np.ndarray, str]:
    """Noise, and the same as a file's ``imageData``."""
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    return pixels, in_base64(Image.fromarray(pixels))


BOX = shape('cat', [[10, 20], [40, 50]], 'rectangle')
TRIANGLE = shape('dog', [[5, 5], [30, 5], [5, 40]])


def truth(drawn: Path, split: str, form: str) -> list[DrawnImage]:
    images = drawn_images(drawn, split)
    if form == 'masks':
        for one in (one for image in images for one in image.objects):
            one.segmentation = {'size': list(one.mask.shape), 'counts': runs(one.mask)}
    return images if form == 'boxes' else with_boxes_of_masks(images)


def write_drawn(folder: Path, drawn: Path, split: str, form: str, images: Path | None = None) -> None:
    """Write the scenes as polygons, as boxes, or as bitmaps, beside the images or apart from them."""
    folder.mkdir(parents=True)
    (images or folder).mkdir(parents=True, exist_ok=True)
    for image in drawn_images(drawn, split):
        shutil.copy(image.file, images or folder)
        shapes = []
        for number, one in enumerate(image.objects):
            x, y, w, h = one.box
            if form == 'boxes':
                shapes.append(shape(one.name, [[x + w, y], [x, y + h]], 'rectangle'))
            elif form == 'masks' or not isinstance(one.segmentation, list):
                rows, columns = np.flatnonzero(one.mask.any(1)), np.flatnonzero(one.mask.any(0))
                x1, y1, x2, y2 = (int(v) for v in (columns[0], rows[0], columns[-1], rows[-1]))
                png = in_base64(Image.fromarray(one.mask[y1 : y2 + 1, x1 : x2 + 1].astype(np.uint8)))
                shapes.append(shape(one.name, [[x1, y1], [x2, y2]], 'mask', mask=png))
            else:
                for part in one.segmentation:
                    points = [list(point) for point in zip(part[::2], part[1::2], strict=True)]
                    shapes.append(shape(one.name, points, group_id=number if len(one.segmentation) > 1 else None))
        where = f'..\\images\\{split}\\{image.file.name}' if images else image.file.name
        text = json.dumps(content(where, shapes, (image.height, image.width)), indent=2)
        (folder / f'{image.file.stem}.json').write_text(text)
