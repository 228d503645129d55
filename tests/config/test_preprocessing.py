"""Mean, std, size and crop of a config follow its weights, unless command line or config choose others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import save_file

from convnext_dense.config.preprocessing import (
    NOTHING,
    Chosen,
    Told,
    follow_run,
    follow_weights,
    told_by_file,
    told_by_run,
)
from convnext_dense.errors import UserError
from convnext_dense.tasks import task_of
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.preprocessing import IMAGENETS, Preprocessing
from convnext_dense.weights.published_preprocessing import CLIP_MEAN, CLIP_STD
from tests.config.test_compare import CASCADE, UPERNET, read, write_run
from tests.helpers.run_tool import ATTO
from tests.helpers.small_classifier import ARCH, classifier

CONFIGS = [ATTO, CASCADE, UPERNET]
CLIP = Preprocessing(CLIP_MEAN, CLIP_STD, (256, 256), 1.0, 'bicubic', 'center', 'config.json')
OF_CLIP = Told('w.pth', CLIP)
HALF = dict(mean=[0.5] * 3, std=[0.25] * 3)
LOADERS = [f'{split}_dataloader' for split in ('train', 'val', 'test')]
ALL = 'dict(mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])'


def normalization(cfg: Config) -> tuple[list[float], list[float]]:
    """Mean and std that the config states, of values from 0 to 1; in classification those of all loaders."""
    if cfg.task != 'classification':
        part = cfg.model.data_preprocessor
        assert part.bgr_to_rgb
        return [value / 255 for value in part.mean], [value / 255 for value in part.std]
    found = [(list(cfg[key].dataset.transform.mean), list(cfg[key].dataset.transform.std)) for key in LOADERS]
    assert found[0] == found[1] == found[2]
    return found[0]


def with_half(config: str) -> dict:
    """Options that set mean and std of all images to HALF."""
    if config == ATTO:
        return {f'{key}.dataset.transform.{name}': HALF[name] for key in LOADERS for name in HALF}
    return {f'model.data_preprocessor.{name}': [255 * value for value in HALF[name]] for name in HALF}


@pytest.mark.parametrize('evaluates', [False, True])
@pytest.mark.parametrize('config', CONFIGS)
def test_mean_and_std_follow_the_weights_in_all_tasks(config, evaluates):
    cfg = read(config)
    before = cfg.to_dict()
    line = follow_weights(cfg, OF_CLIP, evaluates=evaluates)
    assert line.startswith(
        "normalization: mean 0.4815 0.4578 0.4082, std 0.2686 0.2613 0.2758 (CLIP's), as config.json"
    )
    mean, std = normalization(cfg)
    assert mean == pytest.approx(CLIP_MEAN, abs=1e-9) and std == pytest.approx(CLIP_STD, abs=1e-9)
    if config != ATTO:  # and nothing else
        after = cfg.to_dict()
        for one in (before, after):
            del one['model']['data_preprocessor']['mean'], one['model']['data_preprocessor']['std']
        assert after == before


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize('told', [NOTHING, Told('w.pth', IMAGENETS), Told('w.pth', IMAGENETS, trained_here=True)])
def test_imagenets_leave_a_config_to_the_last_digit(config, told):
    cfg = read(config)
    before = cfg.pretty_text
    assert "(ImageNet's), " in follow_weights(cfg, told)
    assert bool(follow_weights(cfg, told, evaluates=True)) is (
        told.preprocessing is not None and not told.trained_here
    )
    assert cfg.pretty_text == before


@pytest.mark.parametrize('config', CONFIGS)
def test_who_decides(config):
    """Flags, then options or a config of its own, then the weights."""
    options = with_half(config)
    cfg = read_with(config, options)
    assert follow_weights(cfg, OF_CLIP, Chosen(options=options)).endswith(', as --cfg-options says') or config == ATTO
    assert normalization(cfg)[1] == pytest.approx([0.25] * 3)
    cfg = read_with(config, options)
    assert ', as the config says' in follow_weights(cfg, OF_CLIP)
    assert normalization(cfg)[1] == pytest.approx([0.25] * 3)
    chosen = Chosen([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], options)
    assert ', as --mean and --std say' in follow_weights(cfg, OF_CLIP, chosen)
    assert normalization(cfg)[0] == pytest.approx([0.1, 0.2, 0.3])
    places = chosen.changed_keys(cfg)
    assert set(places) >= {f'{key}.{name}' for key in task_of(cfg).normalization_keys for name in ('mean', 'std')}
    cfg = read(config)
    imagenets = dict(zip(('mean', 'std'), (IMAGENETS.mean, IMAGENETS.std), strict=True))
    place = 'val_dataloader.dataset.transform' if config == ATTO else 'model.data_preprocessor'
    chosen = Chosen(options={place: imagenets})  # set on purpose
    assert "(ImageNet's), as --cfg-options says" in follow_weights(cfg, OF_CLIP, chosen)


def read_with(config: str, options: dict) -> Config:
    return read(config, **{key.replace('.', '__'): value for key, value in options.items()})


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize(
    ('mean', 'std', 'message'),
    [
        ([0.5, 0.5], [0.5, 0.5], '--mean and --std: mean has 2 numbers, the network 3 input channels'),
        ([0.5] * 3, [0.5, 0.5, 0.0], '--mean and --std: std is .* above 0'),
        ([123.675, 116.28, 103.53], [58.0] * 3, 'divide by 255'),
    ],
)
def test_wrong_flags_are_refused(config, mean, std, message):
    with pytest.raises(UserError, match=message):
        follow_weights(read(config), NOTHING, Chosen(mean, std))


def test_a_config_that_normalizes_nothing_is_said_and_takes_no_flags():
    cfg = read(UPERNET)
    cfg.model.data_preprocessor = None
    assert follow_weights(cfg, NOTHING) == ''
    assert follow_weights(cfg, OF_CLIP).startswith('the config says no mean and std; w.pth was made for mean 0.4815')
    with pytest.raises(UserError, match=r'which has none in model\.data_preprocessor: set them there'):
        follow_weights(cfg, NOTHING, Chosen(**HALF))


def test_images_normalized_in_two_ways_are_refused_and_flags_mend_it():
    options = {'train_dataloader.dataset.transform.mean': [0.5] * 3}
    with pytest.raises(UserError, match=r'normalizes some images with mean 0.5 .* and others with mean 0.485'):
        follow_weights(read_with(ATTO, options), NOTHING)
    cfg = read_with(ATTO, options)
    follow_weights(cfg, NOTHING, Chosen(**HALF))
    assert normalization(cfg) == (HALF['mean'], HALF['std'])


def test_a_network_for_bgr_gets_bgr():
    found = Told('w.pth', Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), bgr=True, source='the config'))
    cfg = read(UPERNET)
    assert ', BGR, as the config says' in follow_weights(cfg, found)
    part = cfg.model.data_preprocessor
    assert (part.mean, part.bgr_to_rgb) == (pytest.approx([76.5, 51, 25.5]), False)
    assert task_of(cfg).preprocessing(cfg).normalizes_like(found.preprocessing)
    follow_weights(cfg, found, Chosen([0.5, 0.6, 0.7], [0.1, 0.2, 0.3]))  # flags are RGB
    assert (part.mean, part.bgr_to_rgb) == (pytest.approx([178.5, 153, 127.5]), False)
    with pytest.raises(UserError, match='for BGR images, as the config says, and classifiers here take RGB'):
        follow_weights(read(ATTO), found)


def transform(cfg: Config, split: str = 'test') -> dict:
    return cfg[f'{split}_dataloader'].dataset.transform.to_dict()


def test_a_classifier_from_elsewhere_is_tested_at_its_size():
    cfg = read(ATTO)
    line = follow_weights(cfg, OF_CLIP, evaluates=True)
    assert line.endswith(
        'images of 256 x 256 (the config has 224 x 224), crop ratio 1, bicubic, crop mode center, as config.json says'
    )
    wanted = dict(input_size=256, crop_ratio=1.0, crop_mode='center', interpolation='bicubic')
    assert {key: transform(cfg)[key] for key in wanted} == wanted
    assert transform(cfg, 'train')['input_size'] == 224  # which is a recipe's


@pytest.mark.parametrize(
    ('chosen', 'wanted'),
    [
        (Chosen(image_size=(224, 224)), dict(input_size=224, crop_ratio=1.0)),
        (Chosen(options={'test_dataloader.dataset.transform.input_size': 224}), dict(input_size=224, crop_ratio=1.0)),
        (Chosen(options={'test_dataloader.dataset': dict(transform=dict(crop_ratio=1))}), dict(input_size=256)),
    ],
)
def test_what_is_chosen_comes_first(chosen, wanted):
    cfg = read(ATTO)
    follow_weights(cfg, OF_CLIP, chosen, evaluates=True)
    assert {key: transform(cfg)[key] for key in wanted} == wanted
    if 'crop_ratio' not in wanted:
        assert transform(cfg)['crop_ratio'] == 0.875


def test_training_takes_the_interpolation_and_says_another_size():
    found = Preprocessing(IMAGENETS.mean, IMAGENETS.std, (384, 384), 1.0, 'bilinear', 'squash', source='the preset')
    cfg = read(ATTO)
    line = follow_weights(cfg, Told('w.pth', found))
    assert line.endswith('; the weights were made for 384 x 384, this config trains at 224 x 224')
    assert [transform(cfg, split)['interpolation'] for split in ('train', 'val', 'test')] == ['bilinear'] * 3
    assert [transform(cfg, split)['input_size'] for split in ('train', 'val', 'test')] == [224] * 3
    cfg = read(ATTO, train_dataloader__dataset__transform__interpolation='random')
    follow_weights(cfg, Told('w.pth', found))
    assert [transform(cfg, split)['interpolation'] for split in ('train', 'test')] == ['random', 'bilinear']
    cfg = read(ATTO)
    follow_weights(
        cfg, Told('w.pth', found), Chosen(options={'val_dataloader.dataset.transform.interpolation': 'box'})
    )
    assert transform(cfg, 'train')['interpolation'] == 'bicubic'


def test_a_run_of_ours_is_tested_at_the_size_of_the_config():
    cfg = read(ATTO)
    line = follow_weights(cfg, OF_CLIP._replace(trained_here=True), evaluates=True)
    assert transform(cfg)['input_size'] == 224 and "(CLIP's), as config.json says" in line


def test_weights_for_another_shape_than_a_square_are_refused():
    wide = Told('w.pth', Preprocessing(CLIP_MEAN, CLIP_STD, (224, 320), 1.0, 'bicubic', 'squash', 'config.json'))
    with pytest.raises(UserError, match=r'for images of 224 x 320, .*: choose one, such as with --image-size 224 224'):
        follow_weights(read(ATTO), wide, evaluates=True)
    follow_weights(read(ATTO), wide, Chosen(image_size=(224, 224)), evaluates=True)
    follow_weights(read(UPERNET), wide, evaluates=True)


@pytest.mark.parametrize('config', CONFIGS)
def test_a_resumed_run_goes_on_with_what_it_had(config, tmp_path):
    before = read(config, 'sample')
    follow_weights(before, OF_CLIP)
    work_dir = write_run(tmp_path / 'run', before)
    told = told_by_run(work_dir, work_dir / 'epoch_1.pth')  # which is empty, and not read
    cfg = read(config, 'sample')
    assert "(CLIP's), as " in follow_run(cfg, told)
    assert normalization(cfg) == normalization(before)
    assert follow_run(before, told, Chosen(CLIP_MEAN, CLIP_STD))
    for chosen, options in ((Chosen(**HALF), {}), (Chosen(options=with_half(config)), with_half(config))):
        with pytest.raises(UserError, match=r'^the run had mean 0.4815 .* and now has mean 0.5 .*: resume with those'):
            follow_run(read_with(config, options), told, chosen)


def test_a_run_whose_config_is_gone_tells_it_by_its_checkpoint(tmp_path):
    meta = {'convnext_dense': '1.0', 'preprocessing': CLIP.as_meta()}
    torch.save({'state_dict': classifier().state_dict(), 'meta': meta}, tmp_path / 'epoch_1.pth')
    cfg = read(ATTO)
    assert "(CLIP's), as the checkpoint says" in follow_run(cfg, told_by_run('', tmp_path / 'epoch_1.pth'))
    assert normalization(cfg)[0] == list(CLIP_MEAN)


def test_what_is_wrong_with_a_file_is_left_to_its_loading(tmp_path):
    (tmp_path / 'w.pth').write_bytes(b'PK\x03\x04')
    with pytest.raises(UserError, match='truncated or damaged'):
        told_by_file(tmp_path / 'w.pth')
    torch.save({'layer.weight': torch.ones(1)}, tmp_path / 'other.pth')  # no ConvNeXt
    assert told_by_file(tmp_path / 'other.pth') == told_by_file(tmp_path / 'absent.pth') == NOTHING


def test_a_file_is_looked_at_without_reading_its_tensors(tmp_path, monkeypatch):
    state = convert(classifier().state_dict(), 'timm').state
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / 'model.safetensors')
    told = {
        'architecture': 'convnext_atto',
        'model_args': ARCH,
        'pretrained_cfg': {'mean': CLIP_MEAN, 'std': CLIP_STD},
    }
    (tmp_path / 'config.json').write_text(json.dumps(told))
    assert told_by_file(Path(tmp_path / 'model.safetensors')).preprocessing.mean == CLIP_MEAN
    asked = []
    load = torch.load
    monkeypatch.setattr(torch, 'load', lambda *args, **kwargs: asked.append(kwargs['mmap']) or load(*args, **kwargs))
    meta = {'preprocessing': CLIP.as_meta()}
    torch.save({'state_dict': classifier().state_dict(), 'meta': meta}, tmp_path / 'w.pth')
    assert told_by_file(tmp_path / 'w.pth').preprocessing.mean == CLIP_MEAN and asked == [True]


@pytest.mark.parametrize('config', CONFIGS)
def test_a_bare_file_with_a_telling_name_is_doubted(config):
    line = follow_weights(read(config), Told('clip.pth', None, "since clip.pth tells none; 'clip' ..."))
    assert line.startswith("normalization: mean 0.485 0.456 0.406, std 0.229 0.224 0.225 (ImageNet's), since")


@pytest.mark.parametrize(
    ('config', 'options', 'decides'),
    [
        (UPERNET, {'model.decode_head.init_cfg.std': 0.02}, False),
        (UPERNET, {'model.decode_head.init_cfg': dict(type='Normal', mean=0, std=0.02)}, False),
        (UPERNET, {'model': dict(decode_head=dict(init_cfg=dict(std=0.02)))}, False),
        (CASCADE, {'model.rpn_head.bbox_coder.target_means.mean': 0}, False),
        (ATTO, {'model.backbone.init_cfg.mean': 0, 'optim_wrapper.std': 1}, False),
        (ATTO, {'train_dataloader.dataset.transform.mean_of_noise': 1}, False),
        (UPERNET, {'model.data_preprocessor.mean': [123.675, 116.28, 103.53]}, True),
        (UPERNET, {'model.data_preprocessor.mean.0': 123.675}, True),
        (CASCADE, {'model': dict(data_preprocessor=dict(std=[58.395, 57.12, 57.375]))}, True),
        (ATTO, {'val_dataloader.dataset.transform.std': list(IMAGENETS.std)}, True),
        (ATTO, {'train_dataloader.dataset.datasets.1.dataset.transform.std': list(IMAGENETS.std)}, True),
        (ATTO, {'train_dataloader.dataset': dict(datasets=[dict(transform=dict(std=list(IMAGENETS.std)))])}, True),
    ],
)
def test_only_options_of_the_normalization_decide_it(config, options, decides):
    cfg = read(config)
    line = follow_weights(cfg, OF_CLIP, Chosen(options=options))
    assert line.partition(';')[0].endswith('as --cfg-options says' if decides else 'as config.json says')
    used = task_of(cfg).preprocessing(cfg)
    assert used.mean == pytest.approx(IMAGENETS.mean if decides else CLIP_MEAN, abs=1e-6)


def test_an_option_of_another_interpolation_does_not_keep_that_of_the_images():
    for options, kept in (
        ({'model.neck.interpolation': 'bilinear'}, False),
        ({'test_dataloader.dataset.transform.interpolation': 'bicubic'}, True),
    ):
        cfg = read(ATTO)
        told = Told('w.pth', replace(CLIP, interpolation='bilinear'))
        follow_weights(cfg, told, Chosen(options=options), evaluates=True)
        assert (cfg.test_dataloader.dataset.transform.get('interpolation', 'bicubic') == 'bicubic') is kept


@pytest.mark.parametrize('config', [CASCADE, UPERNET])
@pytest.mark.parametrize('swaps', [False, True])
def test_mean_and_std_leave_the_channels_of_gray_images_as_they_are(config, swaps):
    cfg = read(config)
    cfg.model.backbone.in_channels = 1
    part = cfg.model.data_preprocessor
    part.update(bgr_to_rgb=swaps, mean=[127.5], std=[127.5])
    follow_weights(cfg, NOTHING, Chosen([0.4], [0.2]))
    assert (part.mean, part.std) == ([102.0], [51.0])
    assert (part.bgr_to_rgb, part.get('rgb_to_bgr', False)) == (swaps, False)


def test_classifiers_read_images_as_rgb():
    cfg = read(ATTO)
    cfg.model.backbone.in_channels = 4
    for count in (3, 4):
        with pytest.raises(
            UserError, match=r'takes 4 channels, .*read images as RGB: set model\.backbone\.in_channels=3'
        ):
            follow_weights(cfg, NOTHING, Chosen([0.5] * count, [0.5] * count))
    with pytest.raises(UserError, match=r'read images as RGB'):
        follow_weights(cfg, Told('w.pth', Preprocessing((0.5,) * 4, (0.5,) * 4)))
