"""Tests of the hooks of a source."""

import pytest

from convnext_dense.adaptation.datasets import adapt_data
from convnext_dense.adaptation.hooks import adapt_hooks
from convnext_dense.adaptation.notes import NotAdaptable, Notes
from convnext_dense.adaptation.pipelines import Reader
from convnext_dense.adaptation.sources import find_source
from convnext_dense.tasks.adaptation import DetectorAdaptation


def adapted(name, repeats=1):
    cfg, reader = find_source(name).cfg, Reader('mmdet', DetectorAdaptation(), True, Notes())
    data = adapt_data(cfg, reader)
    kept, defaults = adapt_hooks(cfg, reader, data.is_mixed, repeats)
    return kept, defaults, data, reader.notes


def test_yolox_skips_the_steps_by_the_names_that_they_have_here():
    kept, defaults, data, notes = adapted('mmdet:yolox/yolox_s_8xb8-300e_coco.py', repeats=2)
    (switch,) = kept
    assert (switch['type'], switch['num_last_epochs']) == ('mmdet.YOLOXModeSwitchHook', 30)
    outer = data.config['train_dataloader']['dataset']
    assert (outer['type'], outer['mixes_plain']) == ('convnext_dense.MixedImages', True)
    assert set(switch['skip_type_keys']) <= {step['type'] for step in outer['pipeline']}
    assert len(switch['skip_type_keys']) == 3
    assert defaults == {'ema': {'type': 'convnext_dense.EMA', 'momentum': 1e-4, 'gamma': 2000}}
    assert any('SyncNormHook is left out' in line for line in notes.changed)


def test_last_epochs_of_rtmdet_have_a_pipeline_for_the_data_set_that_is_mixed():
    kept, _, data, _ = adapted('mmdet:rtmdet/rtmdet_s_8xb32-300e_coco.py')
    (switch,) = kept
    kinds = [step['type'] for step in switch['switch_pipeline']]
    assert switch['switch_epoch'] == 280
    assert kinds[0] == 'mmcv.RandomResize'  # the images are loaded by the data set inside
    assert not {'convnext_dense.Mosaic', 'convnext_dense.MixUp'} & set(kinds)
    assert data.config['train_dataloader']['dataset']['type'] == 'convnext_dense.MixedImages'


def test_other_hooks_are_left_out_or_kept_with_a_scope():
    def of(*hooks):
        reader = Reader('mmdet', DetectorAdaptation(), True, Notes())
        return adapt_hooks({'custom_hooks': hooks}, reader, False, 1), reader.notes

    (kept, defaults), notes = of(dict(type='NumClassCheckHook'), dict(type='SetEpochInfoHook'))
    assert kept == [dict(type='mmdet.SetEpochInfoHook')]
    assert defaults == {}
    assert notes.changed == ['NumClassCheckHook is left out: every run checks the classes of its heads']
    (kept, _), notes = of(dict(type='NoSuchHook'))
    assert kept == []
    assert notes.undecided == ['NoSuchHook is left out: mmdet has no such hook']
    with pytest.raises(NotAdaptable, match='MeanTeacherHook'):
        of(dict(type='MeanTeacherHook'))
