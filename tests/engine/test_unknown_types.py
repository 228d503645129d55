"""Types that do not exist are named with their key and with near ones, whoever looks them up."""

import pytest
from mmengine.registry import HOOKS, MODELS, TRANSFORMS, DefaultScope

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.engine.settings import check_settings
from convnext_dense.engine.unknown_types import explain_unknown, find_type, near_types
from convnext_dense.errors import UserError
from tests.helpers.other_heads import write_head


@pytest.mark.parametrize(
    ('registry', 'kind', 'near'),
    [
        (MODELS, 'mmdet.DINOO', ['mmdet.DINO']),
        (MODELS, 'mmdt.DINO', ['mmdet.DINO']),
        (MODELS, 'mmdet.dino', ['mmdet.DINO']),
        (MODELS, 'mmseg.DINO', ['mmdet.DINO']),
        (MODELS, 'FocalLos', ['FocalLoss', 'VarifocalLoss']),
        (MODELS, 'SegformerHed', ['mmseg.SegformerHead']),  # of another scope than the default
        (MODELS, 'GNN', ['GN']),
        (TRANSFORMS, 'mmdet.Resise', ['mmdet.Resize']),
        (TRANSFORMS, 'mmdet.RandomResise', ['RandomResize']),
        (HOOKS, 'LogerHook', ['LoggerHook']),
        (MODELS, 'Qqqqqqq', []),
    ],
)
def test_near_types_are_in_the_form_that_a_config_finds(registry, kind, near, tmp_path):
    read_config(str(write_head('fcos', tmp_path)), needs_data=False)  # registers mmdet
    read_config(str(write_head('fcn', tmp_path)), needs_data=False)
    with DefaultScope.overwrite_default_scope('mmdet'):
        found = near_types(registry, kind)
        assert found[:1] == near[:1] or found == near
        assert all(find_type(registry, one) is not None for one in found)


HEAD = 'model.panoptic_head'


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        (
            'model.type',
            'mmdet.Mask2Fomer',
            "there is no 'mmdet.Mask2Fomer' (model) for model: did you mean mmdet.Mask2Former",
        ),
        ('model.type', 'mmdt.Mask2Former', 'for model: did you mean mmdet.Mask2Former?'),
        (
            f'{HEAD}.pixel_decoder.norm_cfg.type',
            'GNN',
            f"'GNN' (model) for {HEAD}.pixel_decoder.norm_cfg: did you mean GN",
        ),
        (f'{HEAD}.loss_dice.type', 'mmdet.DicLoss', f'for {HEAD}.loss_dice: did you mean mmdet.DiceLoss'),
        (
            'model.train_cfg.assigner.match_costs.1.type',
            'mmdet.CrossEntropyCost',
            '(task util) for model.train_cfg.assigner.match_costs[1]: did you mean mmdet.CrossEntropyLossCost',
        ),
    ],
)
def test_a_part_of_a_model_is_named_by_its_key(key, value, said, tmp_path):
    cfg = read_config(str(write_head('mask2former', tmp_path)), {key: value}, needs_data=False)
    with pytest.raises(UserError) as error:
        build_model(cfg)
    assert str(error.value).startswith("the config's model can't be built: ") and said in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (
            {'val_dataloader.dataset.pipeline.1.type': 'mmdet.Resise'},
            "'mmdet.Resise' (transform) for val_dataloader.dataset.pipeline[1]: did you mean mmdet.Resize?",
        ),
        ({'val_evaluator.type': 'CocoMetic'}, "'CocoMetic' (metric) for val_evaluator: did you mean CocoMetric"),
        (
            {'optim_wrapper.constructor': 'convnext_dense.LayerDecayConstruct'},
            'for optim_wrapper.constructor: did you mean convnext_dense.LayerDecayConstructor',
        ),
    ],
)
def test_what_is_built_late_is_named_before_the_run(options, said, tmp_path):
    cfg = read_config(str(write_head('fcos', tmp_path)), options, needs_data=False)
    with pytest.raises(UserError) as error:
        check_settings({**cfg.to_dict(), 'cfg': cfg})
    assert said in str(error.value)


def test_other_errors_and_types_that_the_config_does_not_have_are_left_alone():
    cfg = {'model': {'type': 'A', 'neck': [{'type': 'B'}]}}
    unknown = KeyError('B is not in the mmdet::model registry. Please check')
    assert 'for model.neck[0]: ' in (explain_unknown(unknown, cfg, ['model']) or '')
    assert explain_unknown(unknown, cfg, ['train_dataloader']) is None
    assert explain_unknown(KeyError('C is not in the mmdet::model registry'), cfg, ['model']) is None
    assert explain_unknown(ValueError('B is wrong'), cfg, ['model']) is None
    assert explain_unknown(ValueError(), cfg, ['model']) is None
