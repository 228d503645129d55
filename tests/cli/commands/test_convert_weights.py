"""Converting files of weights on the command line."""

import os
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

from convnext_dense.cli import run_verb
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.weights.conversion import convert as formats
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.small_classifier import ARCH, classifier, official, save


@pytest.fixture(scope='module')
def model() -> ImageClassifier:
    backbone = dict(type='convnext_dense.ConvNeXt', arch='atto', out_indices=None, version=2)
    return ImageClassifier(backbone, 3)


@pytest.fixture
def source(model, tmp_path) -> Path:
    average = {n: t + 1 for n, t in model.state_dict().items()}
    meta = {'dataset_meta': {'classes': ['a', 'b', 'c']}}
    torch.save({'state_dict': model.state_dict(), 'ema_state_dict': average, 'meta': meta}, tmp_path / 'ours.pth')
    return tmp_path / 'ours.pth'


def convert(*arguments: object) -> int:
    return run_verb('convert_weights', [str(argument) for argument in arguments])


def test_a_journey_through_all_formats_ends_where_it_began(source, model, tmp_path, capsys):
    (tmp_path / 'deeper').mkdir()
    for i, to in enumerate(('official', 'timm', 'hf', 'mmpretrain', 'ours')):
        suffix = '.safetensors' if i % 2 else '.pth'
        target = tmp_path / 'deeper' / f'{to}{suffix}'
        assert convert(source, target, '--to', to) == 0
        out = capsys.readouterr().out
        assert 'ConvNeXt V2 atto, 3 classes' in out
        assert f'mapped     {len(model.state_dict())} tensors' in out
        assert 'left over  nothing' in out and 'fresh      nothing' in out
        source = target
    written = {path.name: path.stat().st_mode & 0o777 for path in source.parent.iterdir()}
    new = tmp_path / 'new'
    new.touch()
    assert set(written) == {'official.pth', 'timm.safetensors', 'hf.pth', 'mmpretrain.safetensors', 'ours.pth'}
    assert set(written.values()) == {new.stat().st_mode & 0o777}
    state = read_checkpoint(source)['state_dict']
    assert all(torch.equal(t, state[n]) for n, t in model.state_dict().items())


def test_mean_and_std_are_kept_where_the_file_can_and_said_where_not(source, tmp_path, capsys):
    content = torch.load(source, weights_only=True)
    told = {'mean': [0.5] * 3, 'std': [0.25] * 3, 'input_size': [64, 64]}
    torch.save({**content, 'meta': {'preprocessing': told}}, source)
    assert convert(source, tmp_path / 'm.pth', '--to', 'mmpretrain') == 0
    assert torch.load(tmp_path / 'm.pth', weights_only=True)['meta']['preprocessing'] == {**told, 'bgr': False}
    assert 'does not tell' not in capsys.readouterr().out
    for name, to in (('t.pth', 'timm'), ('o.safetensors', 'ours')):
        assert convert(source, tmp_path / name, '--to', to) == 0
        out = capsys.readouterr().out
        assert 'made for mean 0.5 0.5 0.5, std 0.25 0.25 0.25, which this file does not tell' in out


def test_the_average_is_written_when_asked_for(source, model, tmp_path):
    assert convert(source, tmp_path / 'x.pth', '--weights', 'ema') == 0
    state = read_checkpoint(tmp_path / 'x.pth')
    assert torch.equal(state['state_dict']['head.bias'], model.head.bias + 1)
    assert state['meta']['dataset_meta']['classes'] == ['a', 'b', 'c']


@pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
def test_a_full_disk_leaves_what_was_there(source, tmp_path, capsys, name):
    """The kernel's own ENOSPC, from /dev/full."""
    (tmp_path / name).write_bytes(b'old')
    (tmp_path / f'.{os.getpid()}.{name}').symlink_to('/dev/full')
    assert convert(source, tmp_path / name, '--force') == 2
    assert f'{name} cannot be written (No space left on device)' in capsys.readouterr().err
    assert (tmp_path / name).read_bytes() == b'old'
    assert {path.name for path in tmp_path.iterdir()} == {'ours.pth', name}


def test_what_it_writes_loads_into_the_library_of_that_name(source, tmp_path):
    assert convert(source, tmp_path / 'x.safetensors', '--to', 'timm', '--safetensors') == 0
    timm.create_model('convnextv2_atto', num_classes=3).load_state_dict(load_file(tmp_path / 'x.safetensors'))


def test_a_detectors_backbone_and_what_is_left_of_it(tmp_path, capsys):
    backbone = ConvNeXt(dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16]))
    state = {f'backbone.{n}': t for n, t in backbone.state_dict().items()} | {'neck.a.weight': torch.ones(2)}
    torch.save({'state_dict': state}, tmp_path / 'x.pth')
    assert convert(tmp_path / 'x.pth', tmp_path / 'y.pth', '--to', 'torchvision') == 0
    out = capsys.readouterr().out
    norms = ', '.join(f'backbone.norm{s} (2 tensors)' for s in range(4))
    assert f'left over  {norms}, neck (1 tensor)' in out
    assert 'fresh      final norm, head' in out


def test_nothing_is_overwritten_unasked(source, tmp_path, capsys):
    other = tmp_path / 'other.pth'
    other.write_bytes(b'mine')
    before = source.read_bytes()
    (tmp_path / 'link.pth').symlink_to(source)
    for target, force, said in (
        (other, [], 'exists: name another file, or replace it with --force'),
        (source, ['--force'], 'is the file to read'),
        (tmp_path / 'link.pth', ['--force'], 'is the file to read'),
        (tmp_path, [], 'is a folder'),
        (tmp_path / 'x.pth', ['--safetensors'], 'call it x.safetensors'),
    ):
        assert convert(source, target, *force) == 2
        assert said in capsys.readouterr().err
    assert (other.read_bytes(), source.read_bytes()) == (b'mine', before)
    assert convert(source, other, '--force') == 0
    assert 'state_dict' in read_checkpoint(other)
    assert not list(tmp_path.glob('.*'))


def test_what_is_no_whole_convnext_is_refused_with_its_differences(source, tmp_path, capsys):
    state = torch.load(source)['state_dict']
    for change, said in (
        ({'backbone.stages.1.0.dwconv.bias': None}, 'stages.1.0.dwconv.bias is missing'),
        ({'backbone.stages.1.0.pwconv1.bias': torch.ones(7)}, 'stages.1.0.pwconv1.bias is (7,) instead of (320,)'),
        ({'backbone.extra.weight': torch.ones(7)}, 'extra.weight (7,) is left over'),
        ({n: None for n in state if n.startswith('backbone.stages.3')}, 'is missing'),
    ):
        changed = {n: t for n, t in {**state, **change}.items() if t is not None}
        torch.save(changed, tmp_path / 'x.pth')
        assert convert(tmp_path / 'x.pth', tmp_path / 'y.pth') == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / 'y.pth').exists()


def test_files_with_more_than_the_network_lose_only_that(tmp_path, capsys):
    """DINOv3's repeat a norm, EUPE's have projectors, open_clip's a text tower."""
    backbone = ConvNeXt(dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16]), out_indices=None).state_dict()
    norms = {f'norms.3.{leaf}': backbone[f'norm.{leaf}'].clone() for leaf in ('weight', 'bias')}
    trunk = formats({f'backbone.{name}': tensor for name, tensor in backbone.items()}, 'timm', False).state
    one = torch.ones(1)
    clip = {'logit_scale': one, 'token_embedding.weight': one, 'visual.head.proj.weight': one}
    files = {
        'norms (2 tensors)': {**backbone, **norms},
        'norms (1 tensor), projectors (1 tensor)': {**backbone, 'norms.0.weight': one, 'projectors.a.weight': one},
        'text tower (2 tensors), image embedding (1 tensor)': {
            **clip,
            **{f'visual.trunk.{name}': tensor for name, tensor in trunk.items()},
        },
    }
    for left_over, content in files.items():
        torch.save(content, tmp_path / 'x.pth')
        assert convert(tmp_path / 'x.pth', tmp_path / 'y.pth', '--to', 'official', '--force') == 0
        assert f'left over  {left_over}\n' in capsys.readouterr().out
        written = read_checkpoint(tmp_path / 'y.pth')['model']
        assert written.keys() == backbone.keys()
        assert all(torch.equal(written[name], tensor) for name, tensor in backbone.items())


def test_a_head_with_a_hidden_layer_is_written_for_timm_alone(tmp_path, capsys):
    backbone = dict(type='convnext_dense.ConvNeXt', arch=dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16]))
    model = ImageClassifier({**backbone, 'out_indices': None}, 3, head_hidden_size=24)
    torch.save(model.state_dict(), tmp_path / 'x.pth')
    assert convert(tmp_path / 'x.pth', tmp_path / 'y.pth', '--to', 'hf') == 2
    said = 'hf has no ConvNeXt with a hidden layer in its head: take the format timm or ours'
    assert said in capsys.readouterr().err
    assert convert(tmp_path / 'x.pth', tmp_path / 'y.pth', '--to', 'timm') == 0
    size = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16], num_classes=3)
    timm.models.convnext.ConvNeXt(**size, head_hidden_size=24).load_state_dict(read_checkpoint(tmp_path / 'y.pth'))


@pytest.mark.parametrize('to', ['ours', 'mmpretrain'])
def test_a_final_norm_for_positions_stays_one(tmp_path, capsys, to):
    """As DINOv3's, from which the last norm of a dense model starts, before converting and after."""
    state = {n: torch.randn_like(t) for n, t in official(classifier())['model'].items() if not n.startswith('head.')}
    state |= {f'norms.3.{leaf}': state[f'norm.{leaf}'] for leaf in ('weight', 'bias')}
    source = save(state, tmp_path / 'w.pth')
    target = tmp_path / 'converted.pth'
    assert convert(source, target, '--to', to) == 0
    assert 'norm3' not in capsys.readouterr().out
    for file in (source, target):
        dense = torch.nn.Module()
        dense.backbone = ConvNeXt(ARCH)
        assert 'norm3 starts from the final norm' in load_pretrained(dense, file), file
        assert torch.equal(dense.backbone.norm3.weight, state['norm.weight'])


@pytest.mark.parametrize(
    ('to', 'name', 'said'),
    [
        ('official', 'w.pth', True),
        ('hf', 'w.safetensors', True),
        ('ours', 'w.safetensors', True),
        ('timm', 'w.safetensors', True),
        ('timm', 'convnext_tiny.dinov3_lvd1689m.safetensors', False),  # which timm's own tag tells
    ],
)
def test_it_is_said_where_the_file_cant_tell_that(tmp_path, capsys, to, name, said):
    state = official(classifier())['model']
    state |= {f'norms.3.{leaf}': state[f'norm.{leaf}'] for leaf in ('weight', 'bias')}
    assert convert(save(state, tmp_path / 'dinov3.pth'), tmp_path / name, '--to', to) == 0
    line = "note       the final norm is for the last stage's positions too, which this file does not tell"
    assert (line in capsys.readouterr().out) == said
    assert extract_weights(read_checkpoint(tmp_path / name), tmp_path / name).settings.normalizes_positions != said
