"""Rows of heads in weights from elsewhere; class weights are tested by ``tests/engine/test_dry_run.py``."""

import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.tasks import heads
from convnext_dense.tasks.heads import check_needed_packages, check_nms, count_head_rows


def test_the_rows_of_a_head_are_found_by_the_end_of_its_name():
    state = {'overhead.weight': torch.zeros(2, 4), 'module.head.weight': torch.zeros(3, 4)}
    assert count_head_rows(state, 'head.weight') == 3
    assert count_head_rows({'overhead.weight': torch.zeros(2, 4)}, 'head.weight') is None


@pytest.mark.parametrize('kind', ['nms', 'soft_nms', None])
def test_an_nms_that_exists_goes(kind):
    check_nms({'train_cfg': None, 'test_cfg': {'rcnn': {'nms': {'type': kind} if kind else None}}})


def test_an_nms_that_does_not_exist_is_named_before_the_first_prediction():
    good, bad = {'nms': {'type': 'nms'}}, {'nms': {'type': 'sof_nms'}}
    with pytest.raises(
        UserError, match=r"no 'sof_nms' \(NMS\) for model.test_cfg.rcnn.1.nms: did you mean soft_nms\?"
    ):
        check_nms({'test_cfg': {'rpn': good, 'rcnn': [good, bad]}})


def test_a_package_that_a_head_needs_is_named_before_the_first_step(monkeypatch):
    model = torch.nn.ModuleList([type('OfUsers', (type('PAAHead', (torch.nn.Module,), {}),), {})()])
    check_needed_packages(model)
    monkeypatch.setattr(heads, 'NEEDED', {'PAAHead': ('absent_module', 'absent-package')})
    with pytest.raises(
        UserError, match=r'^PAAHead computes its loss with absent-package, .*: pip install absent-pack'
    ):
        check_needed_packages(model)
    check_needed_packages(torch.nn.Linear(1, 1))
