"""Masks as PNG files."""

import io

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.formats import bitmaps
from convnext_dense.data.formats.bitmaps import decode_png
from convnext_dense.data.formats.shapes import Unreadable

MASK = np.array([[True, False, True], [False, False, True]])


def png(image: Image.Image, kind: str = 'PNG') -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'RGB', 'RGBA', 'LA'])
def test_masks_of_all_modes(mode):
    gray = Image.fromarray(np.where(MASK, 200, 0).astype(np.uint8))
    if mode in ('RGBA', 'LA'):
        image = Image.new(mode, gray.size)
        image.putalpha(gray)
    else:
        image = gray.convert(mode)
    np.testing.assert_array_equal(decode_png(png(image)), MASK)


def test_colors_of_a_palette_count_rather_than_its_numbers():
    image = Image.fromarray(np.where(MASK, 0, 1).astype(np.uint8)).convert('P')
    image.putpalette([255, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(decode_png(png(image)), MASK)


@pytest.mark.parametrize('content', [b'', b'x', png(Image.new('L', (9, 9)))[:40], png(Image.new('L', (9, 9)), 'BMP')])
def test_other_content_is_unreadable(content):
    with pytest.raises(Unreadable, match='mask that is no PNG image'):
        decode_png(content)


def test_a_mask_that_is_too_large_is_unreadable(monkeypatch):
    monkeypatch.setattr(bitmaps, 'MOST_PIXELS', 80)
    with pytest.raises(Unreadable, match='mask that is too large'):
        decode_png(png(Image.new('L', (9, 9))))
