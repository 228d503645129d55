"""Pixels of mask files, as numbers or as colors."""

import numpy as np
import pytest

from convnext_dense.data.segmentation import mask_files
from tests.helpers.mask_folder import draw_labels, save, save_bits, save_with_palette


@pytest.mark.parametrize('depth', [1, 2, 4, 8, 16, 'palette'])
def test_labels_are_the_numbers_in_the_file_at_any_depth(tmp_path, depth):
    """Pillow brightens gray of 2 and 4 bits: label 3 becomes 255, which would be unlabeled."""
    path, labels = tmp_path / 'mask.png', draw_labels(0)[:, :53]
    labels = np.minimum(labels, 2 ** min(depth, 8) - 1) if depth != 'palette' else labels
    if depth == 'palette':
        save_with_palette(path, labels)
    elif depth < 8:
        save_bits(path, labels, depth)
    else:
        save(path, labels.astype(f'uint{depth}'))
    found = mask_files.read_mask(str(path))
    assert found.dtype.kind == 'u' and np.array_equal(found, labels)
    expected = {label: int((labels == label).sum()) for label in np.unique(labels).tolist()}
    assert mask_files.count_labels(found) == expected
