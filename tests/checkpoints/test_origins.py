"""Where the weights that a run starts from come from."""

import pytest
import torch
from mmengine.config import ConfigDict

from convnext_dense.checkpoints.origins import (
    check_commercial_sources,
    initial_checkpoints,
    most_restrictive,
    origin_of,
)
from convnext_dense.errors import UserError
from convnext_dense.weights import fetch
from convnext_dense.weights.licenses import Origin

FREE, CLOSED, UNKNOWN = Origin('a', 'mit'), Origin('b', 'cc-by-nc-4.0'), Origin('c', None)


def test_a_name_of_the_catalog_needs_no_download(monkeypatch):
    def fails(*_: object) -> None:
        raise AssertionError('downloads')

    monkeypatch.setattr(fetch, '_download', fails)
    monkeypatch.setattr(fetch, '_fetch_from_hub', fails)
    assert origin_of('convnextv2_tiny_1k_224_fcmae').license == 'cc-by-nc-4.0'
    assert origin_of('dinov3_tiny') == Origin('dinov3_tiny', 'dinov3-license')
    assert origin_of('hf:facebook/convnext-tiny-224').license == 'apache-2.0'


def test_a_file_and_a_work_dir_tell_it(tmp_path):
    meta = {'pretrained': CLOSED._asdict()}
    torch.save({'meta': meta, 'state_dict': {'w': torch.ones(1)}}, tmp_path / 'epoch_1.pth')
    assert origin_of(str(tmp_path / 'epoch_1.pth')) == origin_of(str(tmp_path)) == CLOSED
    torch.save({'w': torch.ones(1)}, tmp_path / 'w.pth')
    assert origin_of(str(tmp_path / 'w.pth')) == Origin(str(tmp_path / 'w.pth'), None)


def test_checkpoints_in_init_cfg_are_sources_too():
    part = dict(type='Pretrained', checkpoint='x.pth', prefix='backbone.')
    model = ConfigDict(
        backbone=dict(init_cfg=part),
        init_cfg=[dict(type='Normal'), dict(type='Pretrained', checkpoint='y.pth')],
        heads=[dict(init_cfg=dict(type='Xavier'))],
    )
    assert sorted(initial_checkpoints(model)) == ['x.pth', 'y.pth']
    assert list(initial_checkpoints(None)) == []


@pytest.mark.parametrize(
    ('origins', 'chosen'),
    [
        ([FREE, CLOSED, UNKNOWN], CLOSED),
        ([None, FREE, UNKNOWN], UNKNOWN),
        ([None, FREE], FREE),
        ([None], None),
        ([], None),
    ],
)
def test_the_license_that_allows_least_counts(origins, chosen):
    assert most_restrictive(origins) == chosen


def test_one_source_that_forbids_it_is_enough(tmp_path):
    torch.save({'w': torch.ones(1)}, tmp_path / 'w.pth')
    unknown = str(tmp_path / 'w.pth')
    assert check_commercial_sources([unknown, 'dinov3_tiny']) == [f'--commercial: the license of {unknown} is unknown']
    with pytest.raises(UserError, match=r'^--commercial: eupe_tiny has the license FAIR Noncommercial'):
        check_commercial_sources([unknown, 'eupe_tiny'])
