"""Rows of heads in weights from elsewhere; class weights are tested by ``tests/engine/test_dry_run.py``."""

import torch

from convnext_dense.tasks.heads import count_head_rows


def test_the_rows_of_a_head_are_found_by_the_end_of_its_name():
    state = {'overhead.weight': torch.zeros(2, 4), 'module.head.weight': torch.zeros(3, 4)}
    assert count_head_rows(state, 'head.weight') == 3
    assert count_head_rows({'overhead.weight': torch.zeros(2, 4)}, 'head.weight') is None
