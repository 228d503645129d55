"""Tests of whole adapted recipes: the config that they make is read, and takes the settings for the sample."""

import pytest

from convnext_dense.adaptation import Adapted
from convnext_dense.adaptation.arch import find_arch
from convnext_dense.adaptation.notes import NotAdaptable, Notes
from convnext_dense.adaptation.recipe import adapt_recipe, find_task
from convnext_dense.adaptation.scopes import with_scopes
from convnext_dense.adaptation.sources import find_source
from convnext_dense.adaptation.writing import config_text
from convnext_dense.config.read import read_config
from convnext_dense.models import detector, segmentor  # noqa: F401 - register mmdet and mmseg
from convnext_dense.tasks import TASKS


def adapted(name, **changes):
    source, notes = find_source(name), Notes()
    source.cfg.merge_from_dict(changes)
    arch, model = find_arch('tiny'), with_scopes(source.cfg.to_dict()['model'], source.package)
    return Adapted(source, arch, adapt_recipe(source, arch, model, notes), notes)


def read(name, path):
    path.write_text(config_text(adapted(name)))
    return read_config(str(path), needs_data=False), read_config(str(path), needs_data=False, data='sample')


CONFIGS = {
    'mmdet:retinanet/retinanet_r50_fpn_1x_coco.py': ('detection', {'max_epochs': 1}),
    'mmdet:yolox/yolox_s_8xb8-300e_coco.py': ('detection', {'max_epochs': 1}),
    'mmdet:mask2former/mask2former_r50_8xb2-lsj-50e_coco.py': ('detection', {'max_iters': 60}),
    'mmdet:lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py': ('detection', {'max_epochs': 1}),
    'mmseg:segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py': ('segmentation', {'max_iters': 40}),
}


@pytest.mark.parametrize('name', CONFIGS)
def test_an_adapted_config_is_read_and_takes_the_settings_for_the_sample(name, tmp_path):
    task, length = CONFIGS[name]
    cfg, sample = read(name, tmp_path / 'adapted.py')
    assert (cfg.task, cfg.pretrained) == (task, 'convnext_tiny_1k_224')
    assert cfg.train_dataloader.sampler.type == 'convnext_dense.SeededSampler'
    assert cfg.optim_wrapper.constructor == 'convnext_dense.LayerDecayConstructor'
    assert {key: sample.train_cfg[key] for key in ('max_epochs', 'max_iters') if key in sample.train_cfg} == length
    inner = dataset = sample.train_dataloader.dataset
    while 'dataset' in inner:
        inner = inner.dataset
    small = dataset if 'pipeline' in dataset else inner
    scales = {'scales': [(320, 160), (320, 192), (320, 224)]} if task == 'detection' else {'scale': (320, 192)}
    assert any(dict(step).items() >= scales.items() for step in small.pipeline if 'keep_ratio' in step)
    assert 'indices' in inner or task == 'segmentation'
    assert sample.default_hooks.ema is None
    assert sample.pretrained is None
    disabled = cfg.tta_model is None
    assert (sample.tta_pipeline is None) is disabled


def test_keys_are_in_the_order_of_a_config():
    config = adapted('mmdet:yolox/yolox_s_8xb8-300e_coco.py').config
    assert list(config) == [
        *('_base_', 'sample_settings', 'task', 'pretrained', 'model'),
        *('train_dataloader', 'val_dataloader', 'test_dataloader', 'optim_wrapper', 'train_cfg', 'param_scheduler'),
        *('default_hooks', 'custom_hooks', 'tta_model', 'tta_pipeline'),
    ]
    assert config['_base_'] == ['convnext_dense::_base_/datasets/coco.py', 'convnext_dense::_base_/runtime.py']
    (augment,) = config['model']['data_preprocessor']['batch_augments']
    assert augment['type'] == 'convnext_dense.BatchSyncRandomResize'


def test_heads_for_all_pixels_are_left_out_of_detectors_and_said():
    htc = adapted('mmdet:htc/htc_r50_fpn_1x_coco.py')
    roi_head = htc.config['model']['roi_head']
    assert not {'semantic_head', 'semantic_roi_extractor'} & roi_head.keys()
    assert len(roi_head['mask_head']) == 3
    assert 'semantic_head and semantic_roi_extractor of the RoI head are left out' in htc.notes.undecided[0]
    (loading,) = [step for step in htc.config['train_dataloader']['dataset']['pipeline'] if 'with_mask' in step]
    assert 'with_seg' not in loading


def test_masks_are_loaded_and_judged_where_the_head_learns_them():
    def steps(one):
        return {step['type']: step for step in one.config['train_dataloader']['dataset']['pipeline']}

    boxes = adapted('mmdet:retinanet/retinanet_r50_fpn_8xb8-amp-lsj-200e_coco.py')
    assert 'with_mask' not in steps(boxes)['mmdet.LoadAnnotations']
    masks = adapted('mmdet:mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')
    assert steps(masks)['mmdet.LoadAnnotations']['with_mask'] is True
    best = [
        adapted(name).config['default_hooks']['checkpoint']['best']
        for name in ('mmdet:solo/solo_r50_fpn_1x_coco.py', 'mmdet:mask2former/mask2former_r50_8xb2-lsj-50e_coco.py')
    ]
    assert best == ['raw/mask_AP', 'raw/mask_AP']
    assert masks.config['default_hooks']['checkpoint']['best'] == 'raw/box_AP'


def test_task_is_that_of_the_data():
    for name, expected in (
        ('mmdet:panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py', 'panoptic'),
        ('mmdet:faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py', 'detection'),
        ('mmseg:fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py', 'segmentation'),
    ):
        task, adaptation = find_task(find_source(name))
        assert (task, adaptation) == (TASKS[expected], TASKS[expected].adaptation)
    with pytest.raises(NotAdaptable, match='it has no data'):
        find_task(find_source('mmdet:clrnet/clrnet.py'))


def test_what_several_gpus_and_reading_need_of_the_source_is_kept():
    """A neck that starts at the second level leaves the first one without gradient."""
    retinanet = 'mmdet:retinanet/retinanet_r50_fpn_1x_coco.py'
    plain = adapted(retinanet, **{'model.neck.start_level': 0, 'model.backbone.out_indices': (0, 1, 2, 3)})
    assert not {'find_unused_parameters', 'custom_imports'} & plain.config.keys()
    unused = adapted(retinanet, custom_imports=dict(imports=['my_heads']))
    assert unused.config['find_unused_parameters'] is True
    assert unused.config['custom_imports'] == {'imports': ['my_heads']}
    assert any(line.startswith('find_unused_parameters = True, for training') for line in unused.notes.changed)
    stated = {'model.neck.start_level': 0, 'find_unused_parameters': True}
    assert adapted(retinanet, **stated).config['find_unused_parameters'] is True
