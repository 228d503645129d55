"""Raw and averaged weights of whoever wrote the file, by everything that reads one."""

import argparse
from copy import deepcopy
from pathlib import Path

import pytest
import timm
import torch
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from timm.utils import CheckpointSaver, ModelEmaV3

from convnext_dense.cli import run_verb
from convnext_dense.inference.predictor import load
from convnext_dense.models import ImageClassifier
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.reader import read_checkpoint

ARCH = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])
CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'classification' / 'convnext_a.py'
IMAGES = torch.randn(2, 3, 64, 64)


def classifier() -> ImageClassifier:
    model = ImageClassifier(dict(type='convnext_dense.ConvNeXt', arch=ARCH, out_indices=None), 5).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


def of_ours(raw: ImageClassifier, average: ImageClassifier, path: Path) -> None:
    meta = {'convnext_dense': '0.1.0', 'dataset_meta': {'classes': list('abcde')}}
    torch.save({'state_dict': raw.state_dict(), 'ema_state_dict': average.state_dict(), 'meta': meta}, path)


def of_the_official_code(raw: ImageClassifier, average: ImageClassifier, path: Path) -> None:
    """As its ``utils.save_model`` writes it (github.com/facebookresearch/ConvNeXt)."""
    states = {key: convert(m.state_dict(), 'official').state for key, m in (('model', raw), ('model_ema', average))}
    torch.save({**states, 'optimizer': {}, 'epoch': 3, 'scaler': {}, 'args': argparse.Namespace(lr=1)}, path)


def of_timm(raw: ImageClassifier, average: ImageClassifier, path: Path) -> None:
    model = timm.models.convnext.ConvNeXt(**ARCH, num_classes=5)
    ema = ModelEmaV3(model)
    model.load_state_dict(convert(raw.state_dict(), 'timm', conv_mlp=False).state)
    ema.module.load_state_dict(convert(average.state_dict(), 'timm', conv_mlp=False).state)
    optimizer, args = torch.optim.SGD(model.parameters(), 1), argparse.Namespace(model='convnext_atto')
    CheckpointSaver(model, optimizer, args, ema, checkpoint_dir=str(path.parent))._save(str(path), 3)


def of_mmengine(raw: ImageClassifier, average: ImageClassifier, path: Path) -> None:
    hook, content = EMAHook(), {'state_dict': deepcopy(raw.state_dict()), 'meta': {'epoch': 3}}
    hook.ema_model = ExponentialMovingAverage(average)
    hook.before_save_checkpoint(None, content)  # swaps the values
    torch.save(content, path)


@pytest.mark.parametrize('kind', ['raw', 'ema'])
@pytest.mark.parametrize('write', [of_ours, of_the_official_code, of_timm, of_mmengine])
def test_each_kind_is_what_its_name_says(write, kind, tmp_path):
    models = {'raw': classifier(), 'ema': classifier()}
    path = tmp_path / 'epoch_3.pth'
    write(models['raw'], models['ema'], path)
    with torch.no_grad():
        wanted = models[kind](IMAGES)
        assert (models['raw'](IMAGES) - models['ema'](IMAGES)).abs().max() > 0.1

        started = classifier()
        assert ('averaged' in load_pretrained(started, path, kind)) == (kind == 'ema')
        torch.testing.assert_close(started(IMAGES), wanted, rtol=0, atol=1e-5)

        config = tmp_path / 'config.py'
        arch = f'dict(_delete_=True, **{ARCH})'
        config.write_text(f'_base_ = {str(CONFIG)!r}\nmodel = dict(backbone=dict(arch={arch}))\n')
        predictor = load(config, path, kind, 'cpu')
        torch.testing.assert_close(predictor.model(IMAGES), wanted, rtol=0, atol=1e-5)

        converted = tmp_path / 'converted.pth'
        assert run_verb('convert_weights', [str(path), str(converted), '--weights', kind]) == 0
        state = read_checkpoint(converted)['state_dict']
        assert all(torch.equal(tensor, state[name]) for name, tensor in models[kind].state_dict().items())
