"""A small detector and segmentor beside the same around timm's backbone."""

import pytest
import torch

from convnext_dense.benchmark import dense as module
from convnext_dense.benchmark.dense import dense, stock
from convnext_dense.benchmark.setting import Setting
from convnext_dense.config.read import read_config
from tests.helpers.small_models import write_config

pytestmark = pytest.mark.usefixtures('two_rounds')
FEW = {'rpn.max_per_img': 10, 'rcnn.max_per_img': 3}
SETTING = Setting(torch.device('cpu'), seconds=0)


def config(task, folder):
    options = {f'model.test_cfg.{key}': few for key, few in FEW.items()} if task == 'detection' else {}
    if task == 'detection':
        options['model.train_cfg.rpn_proposal.max_per_img'] = 10
    return read_config(str(write_config(task, folder)), options, needs_data=False)


@pytest.mark.parametrize(('task', 'batch', 'kind'), [('detection', 1, 'detector'), ('segmentation', 2, 'segmentor')])
def test_ours_and_stock_agree(task, batch, kind, tmp_path):
    inference, train = dense(config(task, tmp_path), batch, (64, 64), SETTING)
    assert (inference.what, train.what) == (f'{kind}, inference', f'{kind}, train')
    for series in (inference, train):
        assert [row.name for row in series.rows] == ['ours', 'stock']
        assert not series.failures()
        assert all(len(row.seconds) == 2 for row in series.rows)
    assert inference.rows[1].difference < 1e-5
    assert all(row.memory > 1e6 for row in train.rows)


def test_inference_alone_takes_one_image(tmp_path):
    (series,) = dense(config('segmentation', tmp_path), 1, (64, 64), SETTING, training=False)
    assert series.what == 'segmentor, inference'
    assert not series.failures()


def test_a_wrong_weight_is_refused(monkeypatch, tmp_path):
    convert = module._stock_weights

    def broken(weights):
        found = convert(weights)
        found['backbone.norms.2.bias'] = found['backbone.norms.2.bias'] + 0.05
        return found

    monkeypatch.setattr(module, '_stock_weights', broken)
    for series in dense(config('segmentation', tmp_path), 2, (64, 64), SETTING):
        assert 'its result is off by' in series.rows[1].problem
        assert series.rows[0].seconds


def test_stock_parts(tmp_path):
    model = config('detection', tmp_path).model
    assert 'convnext_dense.' in str(model)
    changed = stock(model, (1, 1, 1, 1), (8, 16, 24, 32))
    assert 'convnext_dense.' not in str(changed).replace('convnext_dense.benchmark', '')
    assert changed['roi_head']['bbox_roi_extractor']['type'].__name__ == 'SingleRoIExtractor'
    assert changed['neck'] == model['neck']


def test_what_is_compiled_is_the_backbone(monkeypatch, tmp_path):
    compiled = []
    monkeypatch.setattr(module, 'compile_backbone', compiled.append)
    monkeypatch.setattr('convnext_dense.benchmark.setting.check_compiler', lambda: None)
    setting = Setting(torch.device('cpu'), compiled=True, seconds=0)
    for series in dense(config('segmentation', tmp_path), 2, (64, 64), setting):
        assert not series.failures()
    assert [type(model.backbone).__name__ for model in compiled] == ['ConvNeXt', 'TimmConvNeXt'] * 2
