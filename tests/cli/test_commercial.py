"""The flag ``--commercial`` of the verbs that take weights."""

import argparse

import pytest
import torch

from convnext_dense.cli.commercial import check_commercial
from convnext_dense.cli.main import build_parser
from convnext_dense.errors import UserError

VERBS = {
    'train': ['c.py'],
    'probe': ['c.py'],
    'test': ['w'],
    'demo': ['w', 'i.png'],
    'export-onnx': ['w', 'o.onnx'],
    'convert-weights': ['w', 'v'],
}


@pytest.mark.parametrize('verb', VERBS)
def test_verbs_that_take_weights_have_it(verb):
    assert build_parser(verb).parse_args(VERBS[verb]).commercial is False
    assert build_parser(verb).parse_args([*VERBS[verb], '--commercial']).commercial is True


def test_it_refuses_and_warns_only_if_given(tmp_path, capsys):
    torch.save({'w': torch.ones(1)}, tmp_path / 'w.pth')
    given, absent = (argparse.Namespace(commercial=value, trust_pickle=False) for value in (True, False))
    check_commercial(absent, ['convnextv2_tiny_1k_224_ema'])
    check_commercial(given, ['convnext_tiny_1k_224_ema', str(tmp_path / 'w.pth')])
    assert capsys.readouterr().err == f'warning: --commercial: the license of {tmp_path / "w.pth"} is unknown\n'
    with pytest.raises(
        UserError, match=r'CC BY-NC 4.0 \(no commercial use\): take other weights, as `convnext-dense weights'
    ):
        check_commercial(given, ['convnextv2_tiny_1k_224_ema'])
