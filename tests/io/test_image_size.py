"""The type for sizes: height first, whatever the source."""

import subprocess
import sys

import numpy as np
from PIL import Image

from convnext_dense.io.image_size import ImageSize


def test_height_comes_first_for_arrays_and_for_pillow():
    pixels = np.zeros((30, 40, 3), np.uint8)
    size = ImageSize.of(pixels)
    assert (size, size.height, size.width) == ((30, 40), 30, 40)
    assert ImageSize.of(Image.fromarray(pixels)) == size
    assert ImageSize.of(pixels[..., 0]) == size
    assert (f'{size}', size.transposed) == ('30 x 40', (40, 30))


def test_it_is_quick_to_import():
    code = (
        'import sys; import convnext_dense.io.image_size, convnext_dense.io.coco_format; '
        "sys.exit(any(name in sys.modules for name in ('numpy', 'PIL', 'torch')))"
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
