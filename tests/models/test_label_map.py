"""The label of each pixel from logits of a smaller size."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnext_dense.models.label_map import Window, label_map, labels_of_logits, labels_of_probabilities
from tests.helpers.labels import check


def label_map_of(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return label_map([Window(slice(0, size[0]), slice(0, size[1]), logits)], size, {})


@pytest.mark.parametrize(('classes', 'dtype'), [(2, torch.uint8), (256, torch.uint8), (300, torch.int32)])
def test_the_first_of_equal_logits_counts(classes, dtype):
    torch.manual_seed(classes)
    logits = torch.randn(classes, 15, 20).round()  # with many equal ones
    found = label_map_of(logits, (15, 20))
    assert found.dtype == dtype and torch.equal(found.long(), logits.argmax(dim=0))
    assert found.max() > 0.9 * (classes - 1)
    assert torch.equal(label_map_of(torch.cat([logits, logits]), (70, 95)), label_map_of(logits, (70, 95)))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_logits_in_half_precision_are_enlarged_in_full(dtype):
    logits = torch.randn(9, 15, 20).to(dtype)
    expected = F.interpolate(logits[None].float(), (60, 80), mode='bilinear')[0]
    check(label_map_of(logits, (60, 80))[None], expected)


def test_one_channel_is_compared_with_its_threshold():
    logits = torch.tensor([-3.0, -0.1, 0.1, 3.0]).view(1, 1, 2, 2)
    assert labels_of_logits(logits, 0.5).tolist() == [[[0, 0], [1, 1]]]
    assert labels_of_logits(logits, 0.04).tolist() == [[[1, 1], [1, 1]]]
    assert labels_of_logits(logits, 0.9).tolist() == [[[0, 0], [0, 1]]]
    assert labels_of_probabilities(logits.sigmoid(), 0.9).tolist() == [[[0, 0], [0, 1]]]
    several = torch.tensor([[1.0, 5.0], [2.0, -5.0]])
    assert labels_of_logits(several, None, dim=0).tolist() == [1, 0]
