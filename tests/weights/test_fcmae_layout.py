"""Official files of masked pre-training: read, trained further, and written."""

import math
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from convnext_dense.cli import run_verb
from convnext_dense.errors import UserError
from convnext_dense.models import FCMAE, ImageClassifier
from convnext_dense.registry import MODELS
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.reader import read_checkpoint

ARCH = dict(depths=[1, 2, 1, 1], dims=[4, 8, 12, 16])


def pretraining(version: int = 2, arch: str | dict = ARCH) -> FCMAE:
    backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, version=version)
    return randomized(MODELS.build(dict(type='convnext_dense.FCMAE', backbone=backbone, decoder_dim=8)))


def classifier(version: int = 2, arch: str | dict = ARCH) -> ImageClassifier:
    backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, version=version, out_indices=None)
    return randomized(ImageClassifier(backbone, 3))


def randomized(model):
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def official(model: FCMAE) -> dict[str, Tensor]:
    """As the official training stores a model, kernels flattened column by column."""
    weights = {}
    for name, t in model.state_dict().items():
        if not name.startswith('backbone.'):
            weights[name] = t
            continue
        name = name.replace('backbone.', 'encoder.')
        sparse = not name.startswith('encoder.downsample_layers.0.')
        if name.endswith('dwconv.weight'):  # (C, 1, k, k)
            t = torch.stack([t[:, 0, y, x] for x in range(7) for y in range(7)])
            name = name.replace('.weight', '.kernel')
        elif sparse and t.ndim == 4 and 'grn' not in name:  # (out, in, k, k)
            t = torch.stack([t[:, :, y, x].T for x in range(2) for y in range(2)])
            name = name.replace('.weight', '.kernel')
        elif 'grn' in name or (sparse and name.endswith(('dwconv.bias', '.1.bias'))):
            t = t.reshape(1, -1)
        elif 'pwconv' in name:
            name = name.replace('.weight', '.linear.weight').replace('.bias', '.linear.bias')
        elif sparse:
            head, _, leaf = name.rpartition('.')
            name = f'{head}.ln.{leaf}'
        weights[name] = t
    return weights


def remapped(ckpt: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of a file in the names of the dense network, by the rules of the official fine-tuning."""
    out = {}
    for name, t in ckpt.items():
        if not name.startswith('encoder.'):
            continue
        parts = name.split('.')[1:]
        if parts[-1] == 'kernel':
            side = math.isqrt(len(t))
            parts[-1] = 'weight'
            if t.ndim == 3:
                t = t.permute(2, 1, 0).reshape(t.shape[2], t.shape[1], side, side).transpose(3, 2)
            else:
                t = t.permute(1, 0).reshape(t.shape[1], 1, side, side).transpose(3, 2)
        elif parts[-2] in ('ln', 'linear'):
            parts.pop(-2)
        if parts[-1] == 'bias':
            t = t.reshape(-1)
        elif 'grn' in parts:
            t = t[None, None]
        out['.'.join(parts)] = t
    return out


def save(content: dict, path: Path) -> Path:
    torch.save(content, path)
    return path


def same_backbone(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    trunk = {n: t for n, t in a.backbone.state_dict().items() if not n.startswith('norm')}
    others = b.backbone.state_dict()
    return all(torch.equal(t, others[n]) for n, t in trunk.items())


def test_an_official_file_is_trained_further_with_its_decoder(tmp_path):
    source, target = pretraining(), pretraining()
    line = load_pretrained(target, save({'model': official(source), 'epoch': 800}, tmp_path / 'w.pt'))
    assert 'fresh: nothing; left over in the file: nothing' in line
    assert '(fcmae)' in line
    assert all(torch.equal(t, target.state_dict()[n]) for n, t in source.state_dict().items())


def test_an_encoder_alone_leaves_the_decoder_fresh(tmp_path):
    source, target = pretraining(), pretraining()
    state = {n: t for n, t in official(source).items() if n.startswith('encoder.')}
    line = load_pretrained(target, save({'model': state}, tmp_path / 'w.pt'))
    assert 'fresh: decoder, mask_token, pred, proj; left over in the file: nothing' in line
    assert same_backbone(source, target)


def test_layers_of_the_decoder_for_other_bands_are_said_to_be_fresh(tmp_path):
    source, target = official(pretraining()), pretraining()
    source |= {'pred.weight': torch.zeros(4096, 8, 1, 1), 'pred.bias': torch.zeros(4096)}
    line = load_pretrained(target, save({'model': source}, tmp_path / 'w.pt'))
    assert 'fresh: pred; left over in the file: pred' in line


def test_a_classifier_and_a_dense_model_take_the_encoder(tmp_path):
    source = pretraining()
    path = save({'model': official(source)}, tmp_path / 'w.pt')
    target = classifier()
    line = load_pretrained(target, path)
    assert same_backbone(source, target)
    assert 'fresh: final norm, head; left over in the file: decoder, mask_token, pred, proj' in line

    dense = torch.nn.Module()
    dense.backbone = MODELS.build(dict(type='convnext_dense.ConvNeXt', arch=ARCH, version=2))
    dense.decoder = torch.nn.ModuleDict({'layers': torch.nn.Linear(3, 3)})  # as detectors of the DETR family have one
    line = load_pretrained(dense, path)
    assert same_backbone(source, dense)
    assert 'fresh: decoder, norms of the outputs; left over in the file: decoder, mask_token, pred, proj' in line


def test_a_checkpoint_of_our_own_training_gives_its_backbone(tmp_path):
    source, target = pretraining(), classifier()
    content = {'state_dict': source.state_dict(), 'meta': {'convnext_dense': '0.0', 'cfg': ''}}
    line = load_pretrained(target, save(content, tmp_path / 'epoch_3.pth'))
    assert same_backbone(source, target)
    assert 'fresh: final norm, head; left over in the file: decoder, mask_token, pred, proj' in line
    again = pretraining()
    assert 'fresh: nothing; left over in the file: nothing' in load_pretrained(again, tmp_path / 'epoch_3.pth')


def test_a_classifier_starts_the_pre_training_of_its_backbone(tmp_path):
    source, target = classifier(), pretraining()
    line = load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    assert same_backbone(target, source)
    assert 'fresh: decoder, mask_token, pred, proj; left over in the file: final norm, head' in line


def test_v1_weights_do_not_fit_an_encoder_of_v2(tmp_path):
    path = save({'state_dict': classifier(1).state_dict()}, tmp_path / 'v1.pth')
    with pytest.raises(UserError, match=r'its backbone is ConvNeXt V1 .*, that of the config ConvNeXt V2') as error:
        load_pretrained(pretraining(2), path)
    assert '\n' not in str(error.value)
    assert 'fresh: decoder' in load_pretrained(pretraining(1), path)


@pytest.mark.parametrize('arch', ['atto', 'tiny'])
def test_timms_files_of_the_encoder(tmp_path, arch):
    theirs = timm.create_model(f'convnextv2_{arch}.fcmae', pretrained=False, num_classes=0)
    state = {n: t.clone() for n, t in theirs.state_dict().items() if not n.startswith('head.')}
    path = save(state, tmp_path / 'timm.pth')
    target = pretraining(arch=arch)
    line = load_pretrained(target, path)
    assert '(timm)' in line
    assert 'fresh: decoder, mask_token, pred, proj; left over in the file: nothing' in line
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            target.backbone(images), theirs.eval().stages(theirs.stem(images)), rtol=1e-4, atol=1e-4
        )

    written = convert(randomized(target).state_dict(), 'timm')
    assert set(written.left_over) == {n for n in target.state_dict() if not n.startswith('backbone.')}
    missing, unexpected = theirs.load_state_dict(written.state, strict=False)
    assert all(name.startswith('head.norm') for name in missing) and unexpected == []


def test_what_is_written_is_the_official_file():
    model = pretraining()
    written = convert(model.state_dict(), 'fcmae')
    wanted = official(model)
    assert written.left_over == [] and written.state.keys() == wanted.keys()
    assert all(torch.equal(t, wanted[n]) and t.shape == wanted[n].shape for n, t in written.state.items())
    dense = remapped(written.state)
    assert dense.keys() == model.backbone.state_dict().keys()
    assert all(torch.equal(t, dense[n]) for n, t in model.backbone.state_dict().items())


def test_the_command_writes_a_run_as_an_official_file(tmp_path, capsys):
    model = pretraining()
    run = save({'state_dict': model.state_dict(), 'meta': {'convnext_dense': '0.0', 'cfg': ''}}, tmp_path / 'run.pth')
    arguments = [str(run), str(tmp_path / 'fcmae.pt'), '--to', 'fcmae', '--weights', 'raw']
    assert run_verb('convert_weights', arguments) == 0
    assert 'left over  nothing' in capsys.readouterr().out
    content = read_checkpoint(tmp_path / 'fcmae.pt')
    assert content['model'].keys() == official(model).keys()
    back = extract_weights(content, tmp_path / 'fcmae.pt')
    assert back.source == 'fcmae'
    assert all(torch.equal(t, back.state[n]) for n, t in model.state_dict().items())


@pytest.mark.parametrize('to', ['official', 'hf', 'mmpretrain'])
def test_other_formats_have_no_place_for_the_decoder(to):
    written = convert(pretraining().state_dict(), to)
    assert {name.split('.')[0] for name in written.left_over} == {'decoder', 'mask_token', 'pred', 'proj'}


def test_the_decoder_of_a_detector_is_none_of_a_pre_training():
    state = classifier().state_dict() | {'decoder.0.weight': torch.zeros(1)}
    assert convert(state, 'mmpretrain').state['decoder.0.weight'].shape == (1,)


def test_v1_has_no_official_file():
    with pytest.raises(UserError, match=r'^fcmae has no ConvNeXt V1: take the format ours$'):
        convert(pretraining(1).state_dict(), 'fcmae')


def test_names_beside_the_model_are_left_over():
    state = {f'model.{n}': t for n, t in official(pretraining()).items()} | {'other.bias': torch.zeros(1)}
    taken = convert(state | {'model.teacher': torch.zeros(1)}, 'ours')
    assert taken.left_over == ['other.bias', 'model.teacher']
    assert 'mask_token' in taken.state
