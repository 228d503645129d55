"""Masks in the three forms of COCO files: runs, areas, and masks that do not fit their image."""

import numpy as np
from pycocotools import mask as rle

from convnext_dense.data.detection.coco_mask import decompress, mask_area, mask_extent, rle_fits
from convnext_dense.io.image_size import ImageSize
from tests.helpers import coco_files


def random_masks(count: int) -> list[np.ndarray]:
    """Noise, blocks, full and empty masks, of many sizes."""
    rng = np.random.default_rng(0)
    masks = [np.zeros((3, 4), np.uint8), np.ones((5, 2), np.uint8)]
    for _ in range(count):
        height, width = rng.integers(1, 70, 2)
        coarse = rng.random((height // 8 + 1, width // 8 + 1)) < rng.random()
        masks.append(np.kron(coarse, np.ones((8, 8)))[:height, :width].astype(np.uint8))
        masks.append((rng.random((height, width)) < 0.5).astype(np.uint8))
    return masks


def test_compressed_rle_unpacks_to_the_runs_of_the_pixels():
    for mask in random_masks(60):
        packed = rle.encode(np.asfortranarray(mask))['counts'].decode()
        assert decompress(packed) == coco_files.runs(mask)
        assert rle_fits({'size': list(mask.shape), 'counts': packed}, ImageSize(*mask.shape))
    large = {'size': [1, 1_000_000], 'counts': [300_000, 1, 699_999]}
    assert decompress(rle.frPyObjects(large, 1, 1_000_000)['counts'].decode()) == large['counts']


def test_no_part_of_a_compressed_rle_fits():
    for mask in random_masks(20):
        packed = rle.encode(np.asfortranarray(mask))['counts'].decode()
        size = list(mask.shape)
        for end in range(len(packed)):
            part = {'size': size, 'counts': packed[:end]}
            whole = end and not (ord(packed[end - 1]) - 48) & 32 and sum(decompress(packed[:end])) == mask.size
            assert rle_fits(part, ImageSize(*size)) == bool(whole)


def test_areas_are_those_of_the_pixels():
    for mask in random_masks(10):
        height, width = mask.shape
        packed = rle.encode(np.asfortranarray(mask))
        packed = {**packed, 'counts': packed['counts'].decode()}
        for form in (packed, {'size': packed['size'], 'counts': coco_files.runs(mask)}):
            assert mask_area(form, ImageSize(height, width)) == mask.sum()
    assert mask_area([[1, 1, 11, 1, 11, 6, 1, 6], [20, 20, 24, 20, 24, 22, 20, 22]], ImageSize(30, 30)) == 50 + 8


def test_extents_are_those_of_the_pixels():
    for mask in random_masks(10):
        height, width = mask.shape
        packed = rle.encode(np.asfortranarray(mask))
        packed = {**packed, 'counts': packed['counts'].decode()}
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        expected = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(rows) else None
        for form in (packed, {'size': packed['size'], 'counts': coco_files.runs(mask)}):
            assert mask_extent(form, ImageSize(height, width)) == expected
    polygons = [[1, 2, 11, 2, 11, 6], [-3, 20, 24, 20, 24, 22.5, 20, 22]]
    assert mask_extent(polygons, ImageSize(30, 30)) == (-3, 2, 24, 22.5)
