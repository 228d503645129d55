"""PSANet's masks against their definition."""

import pytest
import torch
from torch import Tensor

from tests.helpers.op_definitions import compare
from tests.helpers.ops import OURS_ONLY, REDUCED


def reference(masks: Tensor, kind: str, size: tuple[int, int]) -> Tensor:
    """Cell (k, m) of the mask at (i, j) is about the place (i + k - half, j + m - half)."""
    batch, _, height, width = masks.shape
    output = masks.new_zeros(batch, height * width, height, width)
    for i in range(height):
        for j in range(width):
            for k in range(size[0]):
                for m in range(size[1]):
                    y, x = i + k - (size[0] - 1) // 2, j + m - (size[1] - 1) // 2
                    if 0 <= y < height and 0 <= x < width:
                        value = masks[:, k * size[1] + m, i, j]
                        if kind == 'collect':
                            output[:, y * width + x, i, j] = value
                        else:
                            output[:, i * width + j, y, x] = value
    return output


@OURS_ONLY
@pytest.mark.parametrize('kind', ['collect', 'distribute'])
@pytest.mark.parametrize('size', [(3, 5), (7, 5), (1, 1), (2, 4)])
def test_masks_are_centered_and_cut(kind: str, size: tuple[int, int]) -> None:
    from mmcv.ops import PSAMask

    generator = torch.Generator().manual_seed(0)
    masks = torch.randn(2, size[0] * size[1], 4, 3, generator=generator, dtype=torch.float64).requires_grad_()
    compare(PSAMask(kind, size), lambda x: reference(x, kind, size), masks)


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_in_reduced_precision(dtype: torch.dtype) -> None:
    from mmcv.ops import PSAMask

    masks = torch.randn(1, 9, 4, 3).to(dtype)
    assert torch.equal(PSAMask('collect', (3, 3))(masks), reference(masks, 'collect', (3, 3)))
