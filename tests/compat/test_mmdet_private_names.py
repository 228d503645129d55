"""The private names of mmdet that this package sets are those that mmdet reads."""

import torch
from mmdet.models.data_preprocessors import BatchSyncRandomResize

from convnext_dense.compat.mmdet_private_names import resize_to_largest


def test_batches_get_the_largest_of_their_sizes():
    resize = BatchSyncRandomResize((64, 256), size_divisor=32)
    cpu = torch.device('cpu')
    assert len({resize._get_random_size(1.0, cpu) for _ in range(50)}) > 1
    resize_to_largest(resize)
    assert {resize._get_random_size(1.0, cpu) for _ in range(50)} == {(256, 256)}
    resize_to_largest(torch.nn.Linear(1, 1))  # of another kind
