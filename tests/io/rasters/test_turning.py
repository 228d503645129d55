"""Windows of turned images, beside Pillow's own turning."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.rasters.turning import stored_window, turned, upright_size
from convnext_dense.io.window import Window

STORED = np.arange(48, dtype=np.uint8).reshape(6, 8)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turning(orientation):
    image = Image.fromarray(STORED)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(turned(STORED, orientation), upright)
    assert upright_size(ImageSize(6, 8), orientation) == upright.shape
    for window in (Window(1, 0, 2, 5), Window(4, 3, 2, 3)):
        stored = stored_window(window, ImageSize(6, 8), orientation)
        assert np.array_equal(turned(STORED[stored.slices], orientation), upright[window.slices])
