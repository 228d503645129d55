"""Published ConvNeXts beside ours, by the tool that prints the matrix of all."""

import importlib
import sys
from pathlib import Path

import pytest
import timm
import transformers

pytest.importorskip('open_clip')
ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'benchmarks'))
matrix, networks = map(importlib.import_module, ('weights_matrix', 'published_networks'))


def measured(pattern: str) -> list:
    transformers.logging.disable_progress_bar()
    return list(matrix.measure_all(pattern))


SOME = (
    *('timm/convnext_zepto_rms_ols.*', 'timm/convnext_tiny_hnf.*', 'timm/test_convnext3.*', 'timm/convnextv2_*.fcmae'),
    *('timm/convnext_base.clip_laiona', 'timm/convnext_large_mlp.clip_laion2b_soup_ft_in12k_320', 'timm/*.eupe_*'),
    *('timm/convnext_xxlarge.clip*', 'open_clip/convnext_large_d', 'open_clip/convnext_xxlarge'),
    *('transformers/Mask2Former*V2*', 'transformers/DINOv3*', 'transformers/ConvNextModel, silu'),
    *('transformers/*TimmBackbone', 'torchvision/FasterRCNN*'),
    *('mmpretrain/*', 'official/*'),
)


@pytest.mark.parametrize('pattern', SOME)
def test_some_rows_are_equal(pattern):
    rows = measured(pattern)
    assert rows and {row.result for row in rows} == {'equal'}, rows


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_no_row_differs_and_none_is_refused():
    rows = measured('*')
    assert [row for row in rows if row.result != 'equal'] == []
    names = {row.name for row in rows if row.package == 'timm'}
    assert names >= {*timm.list_models('convnext*'), *timm.list_models('convnext*', pretrained=True)}
    assert len([row for row in rows if row.package == 'torchvision' and row.name.startswith('convnext')]) == 4


def test_a_row_that_differs_is_seen(monkeypatch):
    """Another activation, another preprocessing and a head that is taken for a classifier."""
    own = networks.timm_outputs
    monkeypatch.setattr(networks, 'timm_outputs', lambda *given: changed(own(*given)))
    (row,) = measured('timm/convnext_atto.d2_in1k')
    assert (row.result, row.difference > 1e-8) == ('differs', True)


def changed(outputs):
    return outputs._replace(features=outputs.features + 1e-7)
