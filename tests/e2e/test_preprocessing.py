"""Image in, logits out: as the library that the weights are from prepares images and computes, for a photo of odd size."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import transformers
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from torchvision import models as torchvision_models
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

from convnext_dense import load
from tests.helpers.run_tool import ATTO

DEPTHS, DIMS = (1, 1, 1, 1), (8, 16, 24, 32)
OPTIONS = {
    'model.backbone.arch': dict(_delete_=True, depths=list(DEPTHS), dims=list(DIMS)),
    'model.mixup': None,
}
CLIP = dict(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711))
HALF = dict(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def photo(width: int = 301, height: int = 223) -> np.ndarray:
    """Smooth shapes with noise on top, without any symmetry; the margins of their crops are odd."""
    rng = np.random.default_rng(0)
    base = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    return (np.asarray(base) + rng.normal(0, 12, (height, width, 3))).clip(0, 255).astype(np.uint8)


def randomize(model: torch.nn.Module) -> torch.nn.Module:
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def logits(weights: Path, image: np.ndarray, **arguments) -> torch.Tensor:
    predict = load(ATTO, weights, device='cpu', **{'options': OPTIONS, **arguments})
    prepared = predict.task.prepare(predict._transform, image, None)
    with torch.no_grad():
        return predict.model(prepared.tensor[None])[0]


def close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4 * theirs.abs().max().item())


@pytest.mark.parametrize(
    'settings',
    [
        dict(input_size=(3, 256, 256), crop_pct=1.0, **CLIP),  # as convnext_base.clip_laion2b_augreg_ft_in1k
        dict(input_size=(3, 384, 384), crop_pct=1.0, crop_mode='squash', **CLIP),
        dict(input_size=(3, 160, 160), crop_pct=0.95, **HALF),
        dict(input_size=(3, 96, 96), crop_pct=1.0, crop_mode='border', **CLIP),
        dict(input_size=(3, 384, 384), crop_pct=1.0, crop_mode='center'),  # where the official rule squashes
        dict(input_size=(3, 64, 64), crop_pct=0.9, crop_mode='squash', interpolation='bilinear'),
        dict(input_size=(3, 224, 224), test_input_size=(3, 288, 288), test_crop_pct=1.0),
    ],
    ids=str,
)
def test_timm(settings, tmp_path):
    theirs = randomize(timm.create_model('convnext_atto', depths=DEPTHS, dims=DIMS, num_classes=5))
    cfg = {'interpolation': 'bicubic', 'crop_pct': 0.875, 'crop_mode': 'center', **theirs.pretrained_cfg, **settings}
    timm.models.save_for_hf(theirs, tmp_path, model_config=dict(pretrained_cfg=cfg), safe_serialization=True)
    config = json.loads((tmp_path / 'config.json').read_text())
    config['pretrained_cfg'] |= settings  # as timm writes that of a tag
    (tmp_path / 'config.json').write_text(json.dumps(config))
    transform = create_transform(**resolve_model_data_config(theirs, pretrained_cfg={**cfg, **settings}))
    image = photo()
    with torch.no_grad():
        close(logits(tmp_path / 'model.safetensors', image), theirs(transform(Image.fromarray(image))[None])[0])


@pytest.mark.parametrize(
    'settings',
    [
        dict(size={'shortest_edge': 224}, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]),
        dict(size={'shortest_edge': 96}, crop_pct=0.9, resample=2),  # with transformers' own mean and std, 0.5
        dict(size={'shortest_edge': 384}, image_mean=CLIP['mean'], image_std=CLIP['std']),
        dict(size={'shortest_edge': 64}, rescale_factor=1 / 127.5, image_mean=[1.0] * 3, image_std=[0.9, 1.0, 1.1]),
    ],
    ids=str,
)
@pytest.mark.parametrize('width', [301, 303])
def test_transformers(settings, width, tmp_path):
    config = transformers.ConvNextConfig(depths=list(DEPTHS), hidden_sizes=list(DIMS), num_labels=5)
    theirs = randomize(transformers.ConvNextForImageClassification(config))
    theirs.save_pretrained(tmp_path)
    processor = ConvNextImageProcessorPil(**settings)
    processor.save_pretrained(tmp_path)
    image = photo(width)
    with torch.no_grad():
        pixels = processor(Image.fromarray(image), return_tensors='pt')
        close(logits(tmp_path / 'model.safetensors', image), theirs(**pixels).logits[0])


@pytest.mark.parametrize('name', ['Tiny', 'Base'])
def test_torchvision(name, tmp_path, capsys):
    """The networks are small, and only their preset is that of the size."""
    from convnext_dense.weights import preprocessing

    preset = getattr(torchvision_models, f'ConvNeXt_{name}_Weights').DEFAULT.transforms()
    settings = [
        torchvision_models.convnext.CNBlockConfig(dims, after, 1)
        for dims, after in zip(DIMS, (*DIMS[1:], None), strict=True)
    ]
    theirs = randomize(torchvision_models.ConvNeXt(settings, num_classes=5))
    torch.save(theirs.state_dict(), tmp_path / 'w.pth')
    image = photo()
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        arch = preprocessing.detect_arch({})._replace(name=name.lower())
        patch.setattr(preprocessing, 'detect_arch', lambda state: arch)
        close(logits(tmp_path / 'w.pth', image), theirs(preset(Image.fromarray(image))[None])[0])
    assert "bilinear, crop mode center, as torchvision's preset says" in capsys.readouterr().err


def test_a_size_that_is_chosen_comes_before_that_of_the_weights(tmp_path):
    theirs = randomize(timm.create_model('convnext_atto', depths=DEPTHS, dims=DIMS, num_classes=5))
    cfg = dict(theirs.pretrained_cfg, input_size=(3, 384, 384), crop_pct=1.0, crop_mode='squash', **CLIP)
    timm.models.save_for_hf(theirs, tmp_path, model_config=dict(pretrained_cfg=cfg), safe_serialization=True)
    config = json.loads((tmp_path / 'config.json').read_text())
    (tmp_path / 'config.json').write_text(
        json.dumps({**config, 'pretrained_cfg': {**config['pretrained_cfg'], **cfg}})
    )
    file, image = tmp_path / 'model.safetensors', photo()
    squashed = create_transform((3, 96, 96), crop_mode='squash', crop_pct=1.0, interpolation='bicubic', **CLIP)
    flags = create_transform((3, 96, 96), crop_mode='squash', crop_pct=1.0, interpolation='bicubic', **HALF)
    with torch.no_grad():
        given = logits(file, image, image_size=(96, 96))
        close(given, theirs(squashed(Image.fromarray(image))[None])[0])
        option = {**OPTIONS, 'test_dataloader.dataset.transform.input_size': 96}
        close(logits(file, image, options=option), given)
        close(logits(file, image, image_size=(96, 96), **HALF), theirs(flags(Image.fromarray(image))[None])[0])
