"""Weights in the content of checkpoints, and what else it tells."""

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage

from convnext_dense.errors import UserError
from convnext_dense.models.lora import LoraSettings, insert_adapters
from convnext_dense.weights.extraction import (
    dataset_meta,
    extract_state_dict,
    extract_weights,
    learned_masks,
    with_merged_adapters,
)
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.small_classifier import classifier, save


def test_what_was_trained_here_is_taken_by_its_names_whatever_it_is():
    state = {'backbone.conv.weight': torch.zeros(1)}
    found = extract_weights({'state_dict': state, 'meta': {'convnext_dense': '0.1.0'}}, 'x.pth')
    assert (found.source, found.state, found.left_over) == ('ours', state, [])
    with pytest.raises(UserError, match=r'x\.pth holds no ConvNeXt weights: its first tensors are backbone\.conv'):
        extract_weights({'state_dict': state}, 'x.pth')


@pytest.mark.parametrize(
    ('meta', 'classes'),
    [
        ({'dataset_meta': {'classes': ('a', 'b')}}, ['a', 'b']),
        ({'dataset_meta': {'CLASSES': ['a', 'b']}}, ['a', 'b']),
        ({'CLASSES': ('a', 'b'), 'PALETTE': None}, ['a', 'b']),  # as mmcv wrote it before mmengine
        ({'CLASSES': ('a',), 'dataset_meta': {'classes': ['b']}}, ['b']),
        ({'dataset_meta': {'classes': 'cat'}}, None),
        ({'dataset_meta': {'classes': []}}, None),
        ({'dataset_meta': 'cat'}, None),
        ('cat', None),
    ],
)
def test_the_classes_are_read_as_they_were_written(meta, classes):
    assert extract_weights({'state_dict': classifier().state_dict(), 'meta': meta}, 'x.pth').classes == classes


@pytest.mark.parametrize(
    ('text', 'ours', 'ignored'),
    [
        ("task = 'segmentation'\ntrain_dataloader = dict(dataset=dict(reduce_zero_label=False))", True, False),
        ("task = 'segmentation'\ntrain_dataloader = dict(dataset=dict(reduce_zero_label=True))", True, True),
        ("task = 'segmentation'\ntrain_dataloader = dict(dataset=dict(type='convnext_dense.MaskFolder'))", True, True),
        ("task = 'segmentation'\ntrain_dataloader = dict(dataset=dict(reduce_zero_label=False))", False, None),
        ("task = 'detection'\ntrain_dataloader = dict()", True, None),
    ],
)
def test_older_segmentors_have_the_meaning_of_label_0_in_their_config(text, ours, ignored):
    meta = {'cfg': text, 'dataset_meta': {'classes': ['a']}} | ({'convnext_dense': '0.1.0'} if ours else {})
    assert dataset_meta({'meta': meta}).get('reduce_zero_label') is ignored
    meta['dataset_meta']['reduce_zero_label'] = False  # newer ones say it
    assert dataset_meta({'meta': meta})['reduce_zero_label'] is False


def test_raw_and_ema_weights_are_told_apart():
    one, two = {'w': torch.zeros(1)}, {'w': torch.ones(1)}
    ours = {'state_dict': one, 'ema_state_dict': two}
    release = {'model': one, 'model_ema': two}
    for content in (ours, release):
        assert extract_state_dict(content)['w'] == 0
        assert extract_state_dict(content, 'ema')['w'] == 1
    assert extract_state_dict(one)['w'] == 0
    with pytest.raises(UserError, match='no raw weights'):
        extract_state_dict({'state_dict': {'w': 1}})
    with pytest.raises(UserError, match='no ema weights'):
        extract_state_dict({'state_dict': one}, 'ema')


@pytest.mark.parametrize('update_buffers', [True, False])
def test_mmengines_own_ema_hook_has_the_average_as_state_dict(update_buffers, tmp_path):
    raw, model = classifier(), classifier()
    model.load_state_dict(raw.state_dict())
    averaged = ExponentialMovingAverage(model, momentum=0.5, update_buffers=update_buffers)
    average = averaged.module
    for p in average.parameters():
        torch.nn.init.normal_(p)
    average = {name: tensor.clone() for name, tensor in average.state_dict().items()}
    hook, content = EMAHook(), {'state_dict': model.state_dict()}
    hook.ema_model = averaged
    hook.before_save_checkpoint(None, content)  # swaps the values
    path = save(content, tmp_path / 'epoch_1.pth')
    for kind, wanted, place in (('raw', raw.state_dict(), 'ema_state_dict'), ('ema', average, 'state_dict')):
        found = extract_weights(read_checkpoint(path), path, kind)
        assert found.source == f"ours, written by mmengine's EMAHook: {place} has the {kind} weights"
        assert found.state.keys() == wanted.keys()
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in found.state.items())
        target = classifier()
        assert f'{place} has the {kind} weights' in load_pretrained(target, path, weights=kind)
        assert torch.equal(target.head.weight, wanted['head.weight'])


def test_the_task_of_our_checkpoints_is_in_their_config():
    def task(cfg: object) -> str | None:
        state = {'backbone.conv.weight': torch.zeros(1)}
        return extract_weights({'state_dict': state, 'meta': {'convnext_dense': '1', 'cfg': cfg}}, 'x.pth').task

    assert task("a = 1\ntask = 'detection'\n") == 'detection'
    assert task("model = dict(task='detection')\n") is None
    assert task('task = open("x")') is None
    assert task(None) is None


def test_adapters_of_a_run_are_merged_for_every_reader_but_its_resume(tmp_path):
    torch.manual_seed(0)
    model = classifier()
    insert_adapters(model, LoraSettings(2, 3.0))
    state, average = ({n: torch.randn(t.shape) for n, t in model.state_dict().items()} for _ in range(2))
    meta = {'convnext_dense': '0', 'lora': dict(rank=2, alpha=3.0, dropout=0.0)}
    content = {'state_dict': state, 'ema_state_dict': average, 'meta': meta}
    layer = 'backbone.stages.1.0.pwconv2'
    for kind, own in (('raw', state), ('ema', average)):
        found = extract_weights(content, 'x.pth', kind)
        assert found.source == 'ours, with its adapters (LoRA of rank 2, alpha 3) merged'
        assert found.state.keys() == classifier().state_dict().keys()
        a, b = (own[f'{layer}.lora_{letter}.default.weight'] for letter in 'AB')
        wanted = own[f'{layer}.base_layer.weight'] + 1.5 * b @ a  # of the averages, for the average
        torch.testing.assert_close(found.state[f'{layer}.weight'], wanted)
        assert torch.equal(found.state[f'{layer}.bias'], own[f'{layer}.base_layer.bias'])
        assert extract_weights(content, 'x.pth', kind, merged=False).state == own
        key = 'state_dict' if kind == 'raw' else 'ema_state_dict'
        torch.testing.assert_close(with_merged_adapters(content)[key][f'{layer}.weight'], wanted)
    path = save(content, tmp_path / 'x.pth')
    target = classifier()
    assert 'with its adapters (LoRA of rank 2, alpha 3) merged' in load_pretrained(target, path)
    assert torch.equal(target.head.weight, state['head.weight'])


def test_adapters_whose_factor_nothing_tells_are_refused():
    model = classifier()
    insert_adapters(model, LoraSettings(2, 3.0))
    whole = {name.removeprefix('backbone.'): tensor for name, tensor in model.state_dict().items()}
    adapters = {f'base_model.model.{name}': tensor for name, tensor in whole.items() if '.lora_' in name}
    for content in (whole, {'model': whole}, {'state_dict': model.state_dict(), 'meta': {'convnext_dense': '0'}}):
        with pytest.raises(UserError, match=r'x.pth holds LoRA adapters \(.*lora_A.default.weight\) and nothing that'):
            extract_weights(content, 'x.pth')
    with pytest.raises(UserError, match=r'without the weights that they adapt: .* --lora somewhere`'):
        extract_weights(adapters, 'somewhere/adapter_model.safetensors')


@pytest.mark.parametrize(
    ('names', 'learned'),
    [
        (['roi_head.bbox_head.fc_cls.weight', 'roi_head.mask_head.conv_logits.weight'], True),
        (['roi_head.bbox_head.0.fc_cls.weight', 'roi_head.mask_head.0.conv_logits.weight'], True),
        (['roi_head.bbox_head.0.fc_cls.weight', 'backbone.mask_head.weight'], False),
        (['bbox_head.fc_cls.weight'], None),
        (['backbone.norm0.weight'], None),
    ],
)
def test_names_of_weights_tell_whether_masks_were_learned(names, learned):
    weights = {name: torch.zeros(1) for name in names}
    for content in ({'state_dict': weights}, {'ema_state_dict': weights}, {'model': weights, 'meta': {}}):
        assert learned_masks(content) is learned
    assert learned_masks({}) is None
