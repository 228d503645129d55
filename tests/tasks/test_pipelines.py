"""Walking the pipelines of configs."""

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.tasks.pipelines import (
    find_last_size,
    find_pipelines,
    is_size,
    mean_side,
    reading_steps,
    scale_sizes,
    tta_pipeline,
)


@pytest.mark.parametrize(
    ('steps', 'expected'),
    [
        ([dict(type='mmseg.RandomCrop', crop_size=(64, 96))], (64, 96)),
        ([dict(type='convnext_dense.RandomCrop', crop_size=64), dict(type='mmcv.RandomFlip')], (64, 64)),
        ([dict(type='mmcv.CenterCrop', crop_size=(96, 64))], (64, 96)),
        ([dict(type='mmseg.Resize', scale=(96, 64))], (64, 96)),
        ([dict(type='mmseg.RandomCrop', crop_size=(8, 8)), dict(type='mmseg.Resize', scale=(96, 64))], (64, 96)),
        ([dict(type='mmseg.RandomCrop', crop_size=8), dict(type='mmseg.Resize', scale=(9, 6), keep_ratio=True)], None),
        ([dict(type='mmdet.RandomCrop', crop_type='relative', crop_size=(0.5, 0.5))], None),
        ([dict(type='mmdet.RandomCrop', crop_type='absolute_range', crop_size=(384, 600))], None),
        ([], None),
    ],
)
def test_the_last_size(steps, expected):
    found = find_last_size(steps, ('pipeline',))
    assert (found.size if found else None) == expected


def test_crops_with_the_width_first():
    [step] = [dict(type='mmdet.RandomCrop', crop_size=(96, 64))]
    assert find_last_size([step], (), width_first=True).size == (64, 96)


def test_pipelines_of_wrapped_data_sets():
    inner = [dict(type='A', pipeline=[1]), dict(type='Repeat', dataset=dict(type='B', pipeline=[2]))]
    found = dict(find_pipelines(dict(type='Concat', datasets=inner), ('d',)))
    assert found == {('d', 'datasets', 0, 'pipeline'): [1], ('d', 'datasets', 1, 'dataset', 'pipeline'): [2]}


@pytest.mark.parametrize(
    ('config', 'side'), [('seg/upernet_convnext_t_ade20k', 640), ('det/mask_rcnn_convnext_t_coco', 640)]
)
def test_what_recipes_do(config, side):
    cfg = read_config(f'configs/{config}.py', needs_data=False)
    assert mean_side(cfg) == side
    assert len(reading_steps(cfg)) == 4  # training, validation, test, and test-time augmentation


def test_sizes_are_scaled_one_by_one():
    steps = [dict(type='a', scales=[(2, 4), [6, 8]]), dict(type='b', transforms=[[dict(type='c', crop_size=10)]])]
    scale_sizes(steps, lambda key, size: size // 2 if isinstance(size, int) else tuple(side // 2 for side in size))
    assert steps[0]['scales'] == [(1, 2), (3, 4)]
    assert steps[1]['transforms'][0][0]['crop_size'] == 5


def test_sizes():
    assert is_size(3) and is_size((3, 4)) and is_size([3, 4])
    assert not any(map(is_size, (None, 0, (0.5, 1.0), (1, 2, 3), 'ab', ())))


@pytest.mark.parametrize('config', ['seg/upernet_convnext_t_ade20k', 'det/mask_rcnn_convnext_t_coco'])
def test_test_time_augmentation_reads_images_as_the_test_data_do(config):
    cfg = read_config(f'configs/{config}.py', needs_data=False)
    dataset = cfg.test_dataloader.dataset
    assert tta_pipeline(cfg, dataset) == cfg.tta_pipeline
    dataset.pipeline[0].value_range = [0, 4095]
    assert tta_pipeline(cfg, dataset) == [{**cfg.tta_pipeline[0], 'value_range': (0, 4095)}, *cfg.tta_pipeline[1:]]
    assert 'value_range' not in cfg.tta_pipeline[0]
    cfg.tta_pipeline[0].value_range = (0, 4095)
    assert tta_pipeline(cfg, dataset)[0]['value_range'] == (0, 4095)
    for other, said in (((0, 1), r'\(0, 1\), and its test data \(0, 4095\)'), ((0, 255), r'\(0, 255\), and')):
        cfg.tta_pipeline[0].value_range = other
        with pytest.raises(UserError, match=f'the tta_pipeline of this config has the value_range {said}'):
            tta_pipeline(cfg, dataset)
    del dataset.pipeline[0].value_range
    with pytest.raises(UserError, match='its test data none'):
        tta_pipeline(cfg, dataset)


def test_test_time_augmentation_opens_images_as_the_test_data_do():
    cfg = read_config('configs/seg/upernet_convnext_t_ade20k.py', needs_data=False)
    dataset = cfg.test_dataloader.dataset
    dataset.pipeline[0].update(page=2, max_pixels=10**9)
    assert tta_pipeline(cfg, dataset)[0] == {**cfg.tta_pipeline[0], 'page': 2, 'max_pixels': 10**9}
    cfg.tta_pipeline[0].page = 3
    with pytest.raises(UserError, match='the tta_pipeline of this config has the page 3, and its test data 2'):
        tta_pipeline(cfg, dataset)


def test_sizes_of_albumentations_are_their_own():
    """``scale`` of Affine is a factor, which must not become one of pixels; a crop's own size would stay."""
    affine = dict(type='convnext_dense.Albumentations', transforms=[dict(type='Affine', scale=(2, 3))])
    pipeline = [dict(type='mmdet.Resize', scale=(40, 30)), affine]
    scale_sizes(pipeline, lambda key, size: tuple(2 * side for side in size))
    assert pipeline[0]['scale'] == (80, 60) and affine['transforms'][0]['scale'] == (2, 3)
    pipeline[1]['transforms'].append(dict(type='RandomCrop', height=20, width=20))
    with pytest.raises(UserError, match=r'RandomCrop of Albumentations states its own \(height=20\)'):
        scale_sizes(pipeline, lambda key, size: size)
