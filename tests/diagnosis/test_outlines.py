"""Outlines, drawn again, against the masks that they are of."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from convnext_dense.diagnosis.outlines import mask_outline
from convnext_dense.io.image_size import ImageSize


def filled(outline: list[list[float]], size: ImageSize, fold: int = 4) -> np.ndarray:
    """Fill polygons, drawn at several times the size; a pixel is set if its middle is."""
    image = Image.new('1', (size.width * fold, size.height * fold))
    for polygon in outline:
        ImageDraw.Draw(image).polygon([value * fold for value in polygon], fill=1)
    return np.asarray(image)[fold // 2 :: fold, fold // 2 :: fold]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def ellipse(size: ImageSize, y: float, x: float, height: float, width: float) -> np.ndarray:
    rows, columns = np.mgrid[: size.height, : size.width]
    return ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 <= 1


@pytest.mark.parametrize(('side', 'least'), [(200, 0.96), (2000, 0.97)])
def test_an_outline_has_the_shape_of_its_mask_and_few_corners(side, least):
    size = ImageSize(side, side)
    mask = ellipse(size, side * 0.4, side * 0.5, side * 0.2, side * 0.3)
    (polygon,) = outline = mask_outline(mask, size)
    assert iou(filled(outline, size), mask) > least
    assert len(polygon) < 2 * 40


def test_parts_are_polygons_the_largest_first_and_specks_are_left_out():
    size = ImageSize(480, 480)
    mask = np.zeros(size, bool)
    mask[10:20, 10:20] = mask[100:200, 300:400] = True
    mask[300, 300] = True
    first, second = mask_outline(mask, size)
    assert (min(first[::2]), max(first[::2])) == pytest.approx((300, 400), abs=0.5)
    assert (min(second[1::2]), max(second[1::2])) == pytest.approx((10, 20), abs=0.5)


def test_a_part_of_the_image_is_moved_to_its_place():
    size = ImageSize(480, 480)
    whole = ellipse(size, 300, 200, 50, 30)
    assert mask_outline(whole[240:360, 150:260], size, left=150, top=240) == mask_outline(whole, size)


def test_a_mask_of_one_pixel_has_an_outline_and_an_empty_one_has_none():
    mask = np.zeros((50, 50), bool)
    assert mask_outline(mask, ImageSize(50, 50)) == []
    mask[7, 9] = True
    (polygon,) = mask_outline(mask, ImageSize(50, 50))
    assert (min(polygon[::2]), max(polygon[::2])) == pytest.approx((9, 10), abs=0.5)
    assert max(polygon[::2]) > min(polygon[::2]) and max(polygon[1::2]) > min(polygon[1::2])
