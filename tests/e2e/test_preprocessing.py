"""Image in, logits out: as the library that the weights are from prepares a photo of odd size and computes."""

import json
from pathlib import Path

import numpy as np
import onnx
import open_clip
import pytest
import timm
import torch
import transformers
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from torchvision import models as torchvision_models
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

from convnext_dense import load
from convnext_dense.cli import run_verb
from convnext_dense.cli.arguments import parse_options
from convnext_dense.config.machine import fit_to_machine
from convnext_dense.config.preprocessing import follow_weights, told_by_file
from convnext_dense.config.read import read_config
from convnext_dense.engine import Runner
from convnext_dense.models import ImageClassifier
from convnext_dense.tasks import task_of
from convnext_dense.weights.loading import load_pretrained
from tests.helpers import small_models
from tests.helpers.run_tool import ATTO
from tests.helpers.small_classifier import classifier, save
from tests.helpers.small_run import BY_EPOCH, train, write_config
from tests.helpers.small_run import OPTIONS as SHORT

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


@pytest.mark.parametrize('resize_mode', ['shortest', 'longest', 'squash'])
def test_open_clip(resize_mode, tmp_path):
    vision = dict(timm_model_name='convnext_atto', timm_pool='avg', timm_proj='linear', image_size=64)
    text = dict(context_length=8, vocab_size=32, width=16, heads=2, layers=1)
    theirs = randomize(open_clip.CLIP(16, open_clip.CLIPVisionCfg(**vision), open_clip.CLIPTextCfg(**text)))
    file = tmp_path / 'open_clip_pytorch_model.bin'
    torch.save(theirs.state_dict(), file)
    settings = {} if resize_mode == 'shortest' else dict(resize_mode=resize_mode, mean=[0.1, 0.2, 0.3], fill_color=7)
    config = {'model_cfg': {'vision_cfg': vision, 'text_cfg': text}, 'preprocess_cfg': settings}
    (tmp_path / 'open_clip_config.json').write_text(json.dumps(config))
    preprocess = open_clip.image_transform(64, is_train=False, **settings)

    cfg = read_config(ATTO, needs_data=False)
    line = follow_weights(cfg, told_by_file(file), evaluates=True)
    assert 'as open_clip_config.json says' in line
    task, image = task_of(cfg), photo()
    prepared = task.prepare(task.build_transform(cfg.test_dataloader.dataset), image, None).tensor
    ours = ImageClassifier(dict(type='convnext_dense.ConvNeXt', arch='atto', out_indices=None), 5).eval()
    load_pretrained(ours, file)
    with torch.no_grad():
        close(ours.backbone(prepared[None]), theirs.visual.trunk(preprocess(Image.fromarray(image))[None]))


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
    config['pretrained_cfg'] |= cfg
    (tmp_path / 'config.json').write_text(json.dumps(config))
    file, image = tmp_path / 'model.safetensors', photo()
    squashed = create_transform((3, 96, 96), crop_mode='squash', crop_pct=1.0, interpolation='bicubic', **CLIP)
    flags = create_transform((3, 96, 96), crop_mode='squash', crop_pct=1.0, interpolation='bicubic', **HALF)
    with torch.no_grad():
        given = logits(file, image, image_size=(96, 96))
        close(given, theirs(squashed(Image.fromarray(image))[None])[0])
        option = {**OPTIONS, 'test_dataloader.dataset.transform.input_size': 96}
        close(logits(file, image, options=option), given)
        close(logits(file, image, image_size=(96, 96), **HALF), theirs(flags(Image.fromarray(image))[None])[0])


def test_a_run_from_clips_weights_keeps_their_mean_and_std(own_image_folder, tmp_path, capsys):
    """Training, its checkpoint, a resume with the config as it is in the file, the test, and the export."""
    theirs = randomize(timm.create_model('convnext_atto', depths=DEPTHS, dims=(4, 8, 12, 16), num_classes=0))
    cfg = dict(theirs.pretrained_cfg, input_size=(3, 256, 256), crop_pct=1.0, **CLIP)
    timm.models.save_for_hf(theirs, tmp_path, model_config=dict(pretrained_cfg=cfg), safe_serialization=True)
    content = json.loads((tmp_path / 'config.json').read_text())
    content['pretrained_cfg'] |= cfg
    (tmp_path / 'config.json').write_text(json.dumps(content))
    config, work_dir = write_config(tmp_path / 'tiny.py', BY_EPOCH), tmp_path / 'run'
    start = ('--pretrained', str(tmp_path / 'model.safetensors'))
    assert train(config, own_image_folder, work_dir, *start) == 0
    said = capsys.readouterr().out
    assert "normalization: mean 0.4815 0.4578 0.4082, std 0.2686 0.2613 0.2758 (CLIP's), as config.json says" in said
    assert 'the weights were made for 256 x 256, this config trains at ' in said and 'set mean and std' not in said

    whole = torch.load(work_dir / 'epoch_3.pth', weights_only=True)
    meta = whole['meta']
    assert meta['preprocessing'] | {key: list(value) for key, value in CLIP.items()} == meta['preprocessing']
    flags = ['--mean', '.5', '.5', '.5', '--std', '.5', '.5', '.5']
    assert train(config, own_image_folder, work_dir, '--resume', *flags) == 2
    assert "the run had mean 0.4815 0.4578 0.4082, std 0.2686 0.2613 0.2758 (CLIP's), and now has mean 0.5" in (
        capsys.readouterr().err
    )
    (work_dir / 'epoch_3.pth').unlink()
    assert train(config, own_image_folder, work_dir, '--resume') == 0
    assert "std 0.2686 0.2613 0.2758 (CLIP's), as the run says" in capsys.readouterr().out
    resumed = torch.load(work_dir / 'epoch_3.pth', weights_only=True)
    assert resumed['meta']['preprocessing'] == meta['preprocessing']
    assert all(torch.equal(tensor, resumed['state_dict'][name]) for name, tensor in whole['state_dict'].items())

    common = ['--data', str(own_image_folder), '--weights', 'raw', '--show', '1']
    size = ['--image-size', '32', '32', '--cfg-options', 'test_dataloader.num_workers=0']  # as options had set
    assert run_verb('test', [str(config), str(work_dir), *common, *size]) == 0
    tested = capsys.readouterr()
    assert 'warning' not in tested.err and "(CLIP's), as the checkpoint says" in tested.out
    assert run_verb('test', [str(work_dir), *common, *flags]) == 0
    out = capsys.readouterr().out
    assert 'as --mean and --std say' in out
    assert out.count('was made for mean 0.4815') == 1
    file = tmp_path / 'model.onnx'
    assert run_verb('export_onnx', [str(work_dir), str(file)]) == 0
    about = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert json.loads(about['mean']) == pytest.approx([255 * value for value in CLIP['mean']], abs=1e-4)
    assert json.loads(about['std']) == pytest.approx([255 * value for value in CLIP['std']], abs=1e-4)


def test_a_runner_without_our_commands_says_that_it_normalizes_otherwise(own_image_folder, tmp_path):
    meta = {'preprocessing': {key: list(values) for key, values in CLIP.items()}}
    save({'state_dict': classifier(3).state_dict(), 'meta': meta}, tmp_path / 'w.pth')
    config = write_config(tmp_path / 'tiny.py', BY_EPOCH)
    cfg = read_config(str(config), parse_options(SHORT), str(own_image_folder))
    cfg.pretrained, cfg.work_dir, cfg.train_cfg.max_epochs = str(tmp_path / 'w.pth'), str(tmp_path / 'run'), 1
    fit_to_machine(cfg)
    with Runner.from_cfg(cfg) as runner:
        runner.train()
    log = next((tmp_path / 'run').rglob('*.log')).read_text()
    assert f"(ImageNet's), and {tmp_path / 'w.pth'} was made for mean 0.4815" in log


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_detectors_and_segmentors_predict_and_export_with_the_mean_and_std_of_their_weights(task, tmp_path, capsys):
    config = small_models.write_config(task, tmp_path)
    file = small_models.write_checkpoint(config, tmp_path / 'w.pth', classes=small_models.CLASSES)
    content = torch.load(file, weights_only=True)
    cfg = 'model = dict(data_preprocessor=dict(mean=[10.0, 20.0, 30.0], std=[40.0, 50.0, 60.0], bgr_to_rgb=True))'
    torch.save({**content, 'meta': {**content['meta'], 'cfg': cfg}}, file)  # as mmdet and mmseg write it
    predict = load(config, file, device='cpu', data='sample')
    said = capsys.readouterr().err
    assert said.startswith(
        'normalization: mean 0.03922 0.07843 0.1176, std 0.1569 0.1961 0.2353, as the config in the'
    )
    image = photo(128, 96)
    prepared = predict.task.prepare(predict._transform, image, None)
    samples = [prepared.sample]
    given = predict.model.data_preprocessor({'inputs': [prepared.tensor], 'data_samples': samples})['inputs'][0]
    rgb = predict.task.exported_input(prepared, predict.normalization)
    wanted = (rgb - torch.tensor([10.0, 20, 30]).view(3, 1, 1)) / torch.tensor([40.0, 50, 60]).view(3, 1, 1)
    height, width = wanted.shape[1:]
    torch.testing.assert_close(given[:, :height, :width], wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        predict.graph('features' if task == 'detection' else None).normalized(rgb[None])[0], wanted
    )

    flags = load(config, file, device='cpu', data='sample', mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    assert flags.normalization.mean.tolist() == [127.5] * 3
    assert 'warning: images are normalized with mean 0.5 0.5 0.5' in capsys.readouterr().err


@pytest.mark.parametrize('place', ['backbone', 'model'])
def test_a_run_follows_the_weights_in_its_init_cfg(place, own_image_folder, tmp_path, capsys):
    """Its checkpoints tell what the network and the images were, and not the defaults."""
    network = classifier(norm_eps=1e-3, final_norm_eps=1e-2, activation='silu')
    told = dict(norm_eps=1e-3, final_norm_eps=1e-2, activation='silu', norm='layer_norm')
    meta = dict(convnext_dense='0', preprocessing=dict(mean=[0.5] * 3, std=[0.25] * 3), **told)
    weights = save({'state_dict': network.state_dict(), 'meta': meta}, tmp_path / 'w.pth')
    config, run = write_config(tmp_path / 'short.py', BY_EPOCH), tmp_path / 'run'
    part = 'model' + ('.backbone' if place == 'backbone' else '')
    init = {'type': 'Pretrained', 'checkpoint': weights}
    options = tuple(f'{part}.init_cfg.{key}={value}' for key, value in init.items())
    assert train(config, own_image_folder, run, '--pretrained', 'none', '--epochs', '1', options=options) == 0
    kept = torch.load(run / 'epoch_1.pth')['meta']
    assert {key: kept[key] for key in told} == told
    assert (kept['preprocessing']['mean'], kept['preprocessing']['std']) == ([0.5] * 3, [0.25] * 3)
    assert 'std 0.25 0.25 0.25, as the checkpoint says' in capsys.readouterr().out
