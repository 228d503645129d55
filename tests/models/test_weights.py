"""Reading checkpoints safely, loading them strictly."""

import pickle
from pathlib import Path

import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.models import ImageClassifier
from convnext_dense.models.weights import load_pretrained, load_strictly, read_checkpoint, state_dict_of

ARCH = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])


def classifier(num_classes: int = 4, **backbone) -> ImageClassifier:
    backbone = dict(type='convnext_dense.ConvNeXt', arch=ARCH, out_indices=None) | backbone
    model = ImageClassifier(backbone, num_classes)
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


def official(model: ImageClassifier) -> dict:
    """The file layout of the official release."""
    return {'model': {n.removeprefix('backbone.'): t for n, t in model.state_dict().items()}}


def save(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path


def same(a: torch.nn.Module, b: torch.nn.Module, skip: str = '-') -> bool:
    other = b.state_dict()
    return all(torch.equal(t, other[n]) for n, t in a.state_dict().items() if not n.startswith(skip))


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_an_official_file_loads_into_the_bare_backbone_without_key_edits():
    source, target = classifier(), classifier()
    weights = {n: t for n, t in official(source)['model'].items() if not n.startswith('head')}
    target.backbone.load_state_dict(weights, strict=True)
    assert same(source, target, skip='head')


@pytest.mark.parametrize('layout', ['ours', 'official'])
def test_pretrained_loads_trunk_and_fitting_head(tmp_path, layout):
    source, target = classifier(), classifier()
    content = official(source) if layout == 'official' else {'state_dict': source.state_dict(), 'meta': {}}
    line = load_pretrained(target, save(content, tmp_path / 'w.pth'))
    assert same(source, target)
    assert 'head loaded too (4 classes)' in line


def test_pretrained_keeps_a_fresh_head_for_other_classes(tmp_path):
    source, target = classifier(4), classifier(7)
    before = target.head.weight.clone()
    line = load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    assert same(source, target, skip='head')
    assert torch.equal(target.head.weight, before)
    assert 'fresh head for 7 classes' in line


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        (dict(arch=dict(depths=[1, 2, 1, 1], dims=[4, 8, 12, 16])), r'stages\.1\.1\.\S+ \(.*left over'),
        (dict(arch=dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 20])), r'is \(20,.*instead of \(16,'),
        (dict(version=2), r'gamma is missing'),
    ],
)
def test_pretrained_of_another_backbone_is_named_by_its_first_differences(tmp_path, change, named):
    source, target = classifier(**change), classifier()
    before = {n: t.clone() for n, t in target.state_dict().items()}
    with pytest.raises(UserError, match=named):
        load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    assert all(torch.equal(t, before[n]) for n, t in target.state_dict().items())


def test_pretrained_of_another_family_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'no ConvNeXt weights: its first tensors are blocks\.0\.attn'):
        load_pretrained(classifier(), save({'model': {'blocks.0.attn': torch.zeros(1)}}, tmp_path / 'w.pth'))


def test_strict_loading_changes_nothing_when_it_fails():
    target = classifier(4)
    before = target.head.weight.clone()
    with pytest.raises(UserError, match=r'head\.weight is \(5, 16\) instead of \(4, 16\)'):
        load_strictly(target, classifier(5).state_dict(), 'x.pth')
    assert torch.equal(target.head.weight, before)


def test_raw_and_ema_weights_are_told_apart():
    one, two = {'w': torch.zeros(1)}, {'w': torch.ones(1)}
    ours = {'state_dict': one, 'ema_state_dict': two}
    release = {'model': one, 'model_ema': two}
    for content in (ours, release):
        assert state_dict_of(content)['w'] == 0
        assert state_dict_of(content, 'ema')['w'] == 1
    assert state_dict_of(one)['w'] == 0
    with pytest.raises(UserError, match='no raw weights'):
        state_dict_of({'state_dict': {'w': 1}})
    with pytest.raises(UserError, match='no ema weights'):
        state_dict_of({'state_dict': one}, 'ema')


def damaged(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f'{kind}.pth'
    whole = save({'state_dict': classifier().state_dict()}, tmp_path / 'whole.pth').read_bytes()
    contents = {
        'truncated': whole[: len(whole) // 2],
        'random': bytes(range(256)) * 8,
        'html': b'<!doctype html><html>Not found</html>',
        'empty': b'',
    }
    if kind in contents:
        path.write_bytes(contents[kind])
    elif kind == 'folder':
        path.mkdir()
    elif kind == 'list':
        torch.save([1, 2], path)
    return path


@pytest.mark.parametrize(
    ('kind', 'said'),
    [
        ('missing', 'no checkpoint at'),
        ('folder', 'is a folder'),
        ('empty', 'is empty'),
        ('truncated', 'truncated or damaged'),
        ('random', 'no checkpoint'),
        ('html', 'no checkpoint'),
        ('list', 'holds a list'),
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path, kind, said):
    path = damaged(tmp_path, kind)
    with pytest.raises(UserError, match=said) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.filterwarnings('ignore:Detected pickle protocol')
@pytest.mark.parametrize('legacy', [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, legacy):
    canary, path = tmp_path / 'canary', tmp_path / 'evil.pth'
    content = {'state_dict': {}, 'meta': Canary(canary)}
    if legacy:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(UserError, match='could run code'):
        read_checkpoint(path)
    assert not canary.exists()
