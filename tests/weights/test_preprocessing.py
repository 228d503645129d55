"""What weights, and files beside them, tell of how images were prepared; what can't be right is refused."""

import json
import math
from pathlib import Path

import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models as torchvision_models

from convnext_dense.archs import ARCHS
from convnext_dense.errors import UserError
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    IMAGENETS,
    ONE_NORMALIZATION,
    Preprocessing,
    describe_difference,
    describe_doubt,
    find_preprocessing,
)
from convnext_dense.weights.published_preprocessing import CLIP_MEAN, CLIP_STD
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.small_classifier import ARCH, classifier, official, save

HALF = (0.5, 0.5, 0.5)
TIMM = {'architecture': 'convnext_atto', 'model_args': ARCH}


def beside(folder: Path, name: str, content: object, format: str = 'timm') -> Path:
    """A weights file of a hub, and a JSON file beside it."""
    folder.mkdir(exist_ok=True)
    state = convert(classifier().state_dict(), format).state
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / 'model.safetensors')
    (folder / name).write_text(json.dumps(content))
    return folder / 'model.safetensors'


def told(path: Path) -> Preprocessing | None:
    return extract_weights(read_checkpoint(path), path).preprocessing


def timm_config(**told_values: object) -> dict:
    return {**TIMM, 'pretrained_cfg': told_values}


def test_constants_are_those_of_the_libraries():
    from timm.data import constants

    assert (IMAGENET_MEAN, IMAGENET_STD) == (constants.IMAGENET_DEFAULT_MEAN, constants.IMAGENET_DEFAULT_STD)
    assert (CLIP_MEAN, CLIP_STD) == (constants.OPENAI_CLIP_MEAN, constants.OPENAI_CLIP_STD)
    assert (CLIP_MEAN, CLIP_STD) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


@pytest.mark.parametrize('old', [False, True])
def test_timm_tells_all_and_its_size_for_tests_is_not_the_default(old, tmp_path):
    values = dict(mean=CLIP_MEAN, std=CLIP_STD, input_size=[3, 256, 256], crop_pct=1.0, test_input_size=[3, 288, 288])
    content = {**TIMM, **values} if old else timm_config(**values)
    found = told(beside(tmp_path, 'config.json', content))
    assert found == Preprocessing(CLIP_MEAN, CLIP_STD, (256, 256), 1.0, 'bicubic', 'center', 'config.json')
    assert str(found) == "mean 0.4815 0.4578 0.4082, std 0.2686 0.2613 0.2758 (CLIP's)"


def test_every_tag_of_timm_is_read_as_timm_reads_it(tmp_path):
    file = beside(tmp_path, 'config.json', {})
    tags = timm.list_pretrained('convnext*')
    assert len(tags) > 90
    for tag in tags:
        cfg = timm.get_pretrained_cfg(tag)
        content = {'architecture': 'convnext_atto', 'pretrained_cfg': cfg.to_dict()}
        (tmp_path / 'config.json').write_text(json.dumps(content))
        found = find_preprocessing(file, 'timm', {})
        wanted = timm.data.resolve_data_config(pretrained_cfg=cfg.to_dict())
        assert (found.mean, found.std, found.input_size, found.crop_ratio, found.interpolation, found.crop_mode) == (
            *(tuple(wanted[key]) for key in ('mean', 'std')),
            wanted['input_size'][1:],
            *(wanted[key] for key in ('crop_pct', 'interpolation', 'crop_mode')),
        ), tag


@pytest.mark.parametrize(
    ('content', 'wanted'),
    [
        (
            {'image_processor_type': 'ConvNextImageProcessor', 'size': {'shortest_edge': 384}, 'image_mean': CLIP_MEAN}
            | {'image_std': CLIP_STD, 'resample': 3},
            Preprocessing(CLIP_MEAN, CLIP_STD, (384, 384), 224 / 256, 'bicubic', 'transformers'),
        ),
        (
            {'feature_extractor_type': 'ConvNextFeatureExtractor', 'size': 224, 'crop_pct': 0.9, 'resample': 2},
            Preprocessing(HALF, HALF, (224, 224), 0.9, 'bilinear', 'transformers'),
        ),
        (  # DINOv3's and UPerNet's
            {'image_processor_type': 'DINOv3ViTImageProcessorFast', 'size': {'height': 224, 'width': 256}}
            | {'image_mean': list(IMAGENET_MEAN), 'image_std': list(IMAGENET_STD), 'resample': 2},
            Preprocessing(IMAGENET_MEAN, IMAGENET_STD, (224, 256), 1.0, 'bilinear', 'squash'),
        ),
        (
            {'image_processor_type': 'CLIPImageProcessor', 'size': {'shortest_edge': 256}, 'do_center_crop': True}
            | {'crop_size': 224, 'image_mean': CLIP_MEAN, 'image_std': CLIP_STD},
            Preprocessing(CLIP_MEAN, CLIP_STD, (224, 224), 0.875, None, 'center'),
        ),
        (
            {'image_processor_type': 'BitImageProcessor', 'do_resize': False, 'do_rescale': False, 'size': 3}
            | {'image_mean': [127.5] * 3, 'image_std': [51.0] * 3},
            Preprocessing(HALF, (0.2, 0.2, 0.2)),
        ),
        ({'do_normalize': False}, Preprocessing((0.0,) * 3, (1.0,) * 3)),
        ({'image_processor_type': 'ViTImageProcessor'}, None),
    ],
    ids=str,
)
def test_transformers_image_processors(content, wanted, tmp_path):
    found = told(beside(tmp_path, 'preprocessor_config.json', content, 'hf'))
    if wanted is None:
        assert found is None
        return
    assert found.source == 'preprocessor_config.json' and found.normalizes_like(wanted)
    names = ('input_size', 'crop_ratio', 'interpolation', 'crop_mode')
    assert [getattr(found, name) for name in names] == [getattr(wanted, name) for name in names]


def test_the_file_that_belongs_to_the_weights_comes_first(tmp_path):
    file = beside(tmp_path, 'config.json', timm_config(mean=CLIP_MEAN, std=CLIP_STD))
    (tmp_path / 'preprocessor_config.json').write_text(json.dumps({'image_mean': HALF, 'image_std': HALF}))
    assert told(file).mean == CLIP_MEAN
    theirs = tmp_path / 'theirs'
    assert told(beside(theirs, 'preprocessor_config.json', {'image_mean': HALF, 'image_std': HALF}, 'hf')).mean == HALF
    copy = tmp_path / 'other.safetensors'
    copy.write_bytes(file.read_bytes())
    assert told(copy) is None  # whose folder may have files of anything


@pytest.mark.parametrize(
    ('format', 'name', 'content'),
    [
        ('ours', 'config.json', {'architecture': 'convnext_xxlarge', 'pretrained_cfg': {'mean': CLIP_MEAN}}),
        ('ours', 'preprocessor_config.json', {'image_mean': HALF, 'image_std': HALF}),
        ('official', 'open_clip_config.json', {'model_cfg': {'vision_cfg': {}}}),
        ('timm', 'preprocessor_config.json', {'image_processor_type': 'ViTImageProcessor', 'image_mean': HALF}),
        ('timm', 'open_clip_config.json', {'model_cfg': {'vision_cfg': {}}}),
        ('hf', 'open_clip_config.json', {'model_cfg': {'vision_cfg': {}}}),
        ('mmpretrain', 'config.json', timm_config(mean=CLIP_MEAN)),
    ],
)
def test_files_of_another_library_than_the_weights_tell_nothing(format, name, content, tmp_path):
    if 'image_mean' in content:
        content = {**content, 'image_std': HALF}
    assert told(beside(tmp_path, name, content, format)) is None


@pytest.mark.parametrize('mode', ['shortest', 'longest', 'squash'])
def test_open_clip(mode, tmp_path):
    """The values that open_clip's own transform has, with its defaults."""
    own = {'resize_mode': mode, 'interpolation': 'bilinear'} if mode != 'shortest' else {}
    content = {'model_cfg': {'vision_cfg': {'image_size': 256, 'timm_model_name': 'convnext_base'}}}
    (tmp_path / 'open_clip_config.json').write_text(json.dumps(content | {'preprocess_cfg': own}))
    found = find_preprocessing(tmp_path / 'open_clip_model.safetensors', 'timm', {}, ['visual.trunk.stem.0.weight'])
    steps = open_clip.image_transform(256, False, **own).transforms
    assert (found.mean, found.std) == (tuple(steps[-1].mean), tuple(steps[-1].std))
    assert found.interpolation == steps[0].interpolation.value
    assert (found.input_size, found.crop_ratio) == ((256, 256), 1.0)
    assert found.crop_mode == {'shortest': 'center', 'longest': 'border', 'squash': 'squash'}[mode]
    assert found.border == (0 if mode == 'longest' else None)


def test_open_clips_names_tell_its_normalization():
    found = find_preprocessing(Path('w.pth'), 'timm', {}, ['logit_scale', 'visual.trunk.stem.0.weight'])
    assert (found.mean, found.std, found.input_size) == (CLIP_MEAN, CLIP_STD, None)


def meta_state(name: str) -> dict[str, torch.Tensor]:
    with torch.device('meta'):
        return timm.create_model(name).state_dict()


def test_networks_that_timm_has_with_one_normalization_only():
    for name in ('convnext_xxlarge', 'convnext_large_mlp'):
        theirs = meta_state(name)
        found = find_preprocessing(Path('w.pth'), 'timm', {}, theirs, convert(theirs, 'ours').state)
        assert (found.mean, found.std) == (CLIP_MEAN, CLIP_STD), name
    theirs = meta_state('convnext_base')
    assert find_preprocessing(Path('w.pth'), 'timm', {}, theirs, convert(theirs, 'ours').state) is None
    assert not ONE_NORMALIZATION.keys() & {ARCHS[name] for name in ('tiny', 'small', 'base', 'large', 'xlarge')}
    of_tags = {
        tag: (tuple(cfg.mean), tuple(cfg.std))
        for tag in timm.list_pretrained('convnext*')
        if (cfg := timm.get_pretrained_cfg(tag))
    }
    for arch, wanted in (
        ('xxlarge', (CLIP_MEAN, CLIP_STD)),
        ('large_mlp', (CLIP_MEAN, CLIP_STD)),
        ('zepto', (HALF, HALF)),
    ):
        assert {values for tag, values in of_tags.items() if arch in tag} == {wanted}


@pytest.mark.parametrize('size', ['tiny', 'small', 'base', 'large'])
def test_torchvisions_presets(size):
    with torch.device('meta'):
        state = convert(getattr(torchvision_models, f'convnext_{size}')().state_dict(), 'ours').state
    found = find_preprocessing(Path('w.pth'), 'torchvision', {}, (), state)
    preset = getattr(torchvision_models, f'ConvNeXt_{size.title()}_Weights').DEFAULT.transforms()
    assert (list(found.mean), list(found.std), found.interpolation) == (preset.mean, preset.std, 'bilinear')
    assert [found.input_size[0], math.floor(224 / found.crop_ratio)] == [*preset.crop_size, *preset.resize_size]


def test_a_checkpoint_tells_what_it_was_trained_with(tmp_path):
    wanted = Preprocessing(CLIP_MEAN, CLIP_STD, (256, 256), 0.9, 'bilinear', 'border', border=0)
    content = {'state_dict': classifier().state_dict(), 'meta': {'preprocessing': wanted.as_meta()}}
    found = told(save(content, tmp_path / 'w.pth'))
    assert found.source == 'the checkpoint'
    assert found == Preprocessing(**{**vars(wanted), 'source': 'the checkpoint'})


@pytest.mark.parametrize('bgr', [False, True])
def test_the_config_in_a_checkpoint_of_mmseg(bgr, tmp_path):
    cfg = f'model = dict(data_preprocessor=dict(mean=[100, 120, 140], std=[50, 60, 70], bgr_to_rgb={not bgr}))'
    content = {'state_dict': convert(classifier().state_dict(), 'mmpretrain').state, 'meta': {'cfg': cfg}}
    found = told(save(content, tmp_path / 'w.pth'))
    order = slice(None, None, -1 if bgr else 1)
    assert found.mean == tuple(round(value / 255, 9) for value in (100, 120, 140)[order])
    assert (found.bgr, found.source) == (bgr, 'the config in the checkpoint')
    assert ('BGR' in str(found)) is bgr


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (dict(mean=[0.5, 0.5]), 'mean has 2 numbers, the network 3 input channels'),
        (dict(std=[0.5] * 4), 'std has 4 numbers'),
        (dict(std=[0.5, 0.0, 0.5]), r'std is \[0\.5, 0\.0, 0\.5\]: it must be above 0'),
        (dict(std=[0.5, -1, 0.5]), 'must be above 0'),
        (dict(std=[0.5, math.inf, 0.5]), '3 finite numbers'),
        (dict(mean=[math.nan, 0.5, 0.5]), '3 finite numbers'),
        (dict(mean='imagenet'), "mean is 'imagenet'"),
        (dict(mean=[True, 0.5, 0.5]), '3 finite numbers'),
        (dict(mean=[123.675, 116.28, 103.53]), 'divide by 255'),
        (dict(crop_pct=1.5), 'the crop ratio is 1.5'),
        (dict(crop_pct='all'), "the crop ratio is 'all'"),
        (dict(interpolation='cubic'), "interpolation is 'cubic'"),
        (dict(crop_mode='fit'), "crop_mode is 'fit'"),
        (dict(input_size=224), 'input_size is 224'),
        (dict(input_size=[3, 224, 0]), 'the size of the images is'),
    ],
    ids=str,
)
def test_what_cant_be_right_is_refused_by_its_file(values, message, tmp_path):
    file = beside(tmp_path, 'config.json', timm_config(**values))
    with pytest.raises(UserError, match=rf'^{tmp_path / "config.json"}: .*{message}') as error:
        told(file)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('preprocessor_config.json', {'image_mean': [0.5], 'image_std': HALF}, 'mean has 1 numbers'),
        (
            'preprocessor_config.json',
            {'image_mean': HALF, 'image_std': HALF, 'rescale_factor': 0},
            'rescale_factor is 0',
        ),
        ('preprocessor_config.json', {'image_mean': HALF, 'image_std': HALF, 'size': 'small'}, "size is 'small'"),
        ('preprocessor_config.json', [], 'is not a JSON file with a dict'),
        ('open_clip_config.json', {'model_cfg': {'vision_cfg': {}}, 'preprocess_cfg': {'std': [0, 1, 1]}}, 'std is'),
        ('open_clip_config.json', {'preprocess_cfg': {}}, 'is not the config of a model of open_clip'),
        (
            'open_clip_config.json',
            {'model_cfg': {'vision_cfg': {}}, 'preprocess_cfg': {'resize_mode': 'any'}},
            "resize_mode is 'any'",
        ),
    ],
    ids=str,
)
def test_of_the_other_files_too(name, content, message, tmp_path):
    file = beside(tmp_path, name, content, 'hf')
    with pytest.raises(UserError, match=rf'^{tmp_path / name}:? .*{message}'):
        if name == 'open_clip_config.json':
            find_preprocessing(file, 'timm', {}, ['visual.trunk.stem.0.weight'])
        else:
            told(file)


def test_a_checkpoints_own_record_is_checked_too(tmp_path):
    for record in ({'mean': [0.5]}, {'mean': HALF, 'std': HALF, 'gamma': 1}, 'imagenet'):
        file = save({**official(classifier()), 'meta': {'preprocessing': record}}, tmp_path / 'w.pth')
        with pytest.raises(UserError, match=rf'^preprocessing in the meta of {file} is not'):
            told(file)
    record = {'mean': [0.5, 0.5], 'std': HALF}
    file = save({**official(classifier()), 'meta': {'preprocessing': record}}, tmp_path / 'w.pth')
    with pytest.raises(UserError, match=rf'^preprocessing in the meta of {file}: mean has 2'):
        told(file)


def test_a_network_of_one_channel_takes_one_number(tmp_path):
    state = convert(classifier(in_channels=1).state_dict(), 'ours').state
    record = {'mean': [0.4], 'std': [0.2]}
    assert find_preprocessing(Path('w.pth'), 'ours', {'preprocessing': record}, (), state).mean == (0.4,)
    with pytest.raises(UserError, match='mean has 3 numbers, the network 1 input'):
        find_preprocessing(Path('w.pth'), 'ours', {'preprocessing': {'mean': HALF, 'std': HALF}}, (), state)


@pytest.mark.parametrize(
    ('name', 'source', 'said'),
    [
        (
            'convnext_base.clip_laion2b_augreg_ft_in1k.pth',
            'timm',
            "'clip' in its name hints at CLIP's: --mean 0.48145466",
        ),
        ('laion_base_w.pth', 'official', "'laion' in its name"),
        ('convnext_zepto_rms.pth', 'ours', '--mean 0.5 0.5 0.5 --std 0.5'),
        ('timm--convnext_base.clip_laion2b/model.safetensors', 'timm', "'clip' in its name"),
        ('w.pth', 'timm', 'assumed for w.pth, without a config.json beside it'),
        ('model.safetensors', 'hf', 'without a preprocessor_config.json beside it'),
        ('convnext_tiny_1k_224_ema.pth', 'official', ''),
        ('eclipse.pth', 'official', ''),
    ],
)
def test_a_bare_file_whose_name_hints_otherwise_is_doubted(name, source, said):
    doubt = describe_doubt(Path(name), source)
    assert said in doubt and bool(said) == bool(doubt)


def test_a_difference_names_both():
    clip = Preprocessing(CLIP_MEAN, CLIP_STD, source='config.json')
    line = describe_difference(IMAGENETS, clip, 'w.pth')
    assert "std 0.229 0.224 0.225 (ImageNet's), and w.pth was made for mean 0.4815" in line
    assert 'as config.json says' in line and '\n' not in line
    assert describe_difference(clip, clip, 'w.pth') is describe_difference(None, clip, '') is None
    assert describe_difference(Preprocessing(CLIP_MEAN, CLIP_STD, bgr=True), clip, '') is not None


@pytest.mark.parametrize('bgr', [False, True])
def test_the_meta_of_a_checkpoint_of_ours_gives_what_was_kept(bgr, tmp_path):
    """As RGB, also for a network that takes BGR."""
    kept = Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), bgr=bgr)
    found = find_preprocessing(tmp_path / 'epoch_1.pth', 'ours', {'preprocessing': kept.as_meta()})
    assert found is not None and (found.mean, found.std, found.bgr) == (kept.mean, kept.std, bgr)
    assert describe_difference(kept, found, '') is None
