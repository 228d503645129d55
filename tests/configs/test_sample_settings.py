"""The settings of `--data sample`: whole, the same for configs alike, and with the values that fit two cores."""

from pathlib import Path

import pytest

from convnext_dense.config.find import packaged_configs
from convnext_dense.config.read import read_config
from convnext_dense.tasks.pipelines import steps_of

# By the start of the name: length, total batch, lr, and what else is special
SAMPLES = {
    'convnext_a': (3, 32, 2e-3),
    'convnext_f': (1, 32, 2e-3),
    'convnext_p': (1, 32, 2e-3),
    'convnext_n': (1, 32, 2e-3),
    'convnext': (1, 32, 1e-3),
    'fcmae': (10, 32, 1e-3),
    'dino_convnext_a': (6, 4, 5e-4),
    'dino': (1, 2, 5e-4),
    'retinanet': (1, 2, 1e-3),
    'rtmdet': (2, 4, 1e-3),
    'r50_00': (1, 16, 6e-4),
    'r200_00': (1, 16, 6e-4),
    'r': (1, 16, 5e-4),
    'cascade_convnext_a': (1, 4, 1e-3),
    'cascade_rcnn_convnext_a': (1, 4, 1e-3),
    'faster_rcnn': (1, 4, 1e-3),
    'cascade': (1, 2, 1e-3),
    'mask_rcnn': (1, 4, 1e-3),
    'linear': (40, 4, 1e-3),
    'deeplabv3plus': (40, 4, 5e-4),
    'segformer': (40, 4, 5e-4),
    'mask2former_convnext_a_ade20k': (1500, 8, 1e-3),
    'mask2former_convnext_a_coco': (15, 8, 1e-3),
    **{f'mask2former_convnext_{size}_ade20k': (40, 4, 3e-4) for size in ('t', 'b', 'l', 'xl')},
    'mask2former': (1, 4, 3e-4),
    'upernet_convnext_a': (900, 8, 2e-3),
    'upernet_convnext_b_22k': (60, 4, 1e-3),
    'upernet_convnext_l_22k': (60, 4, 1e-3),
    'upernet_convnext_xl_22k': (60, 4, 1e-3),
    'upernet': (40, 4, 1e-3),
}
REGIONS = {
    **dict.fromkeys(('cascade_convnext_a', 'cascade_rcnn_convnext_a'), [32] * 3),
    'cascade': [16] * 3,
    **dict.fromkeys(('mask_rcnn', 'faster_rcnn'), 64),
}
IMAGES = {
    **dict.fromkeys(('cascade_convnext_a', 'cascade_rcnn_convnext_a', 'upernet_convnext_a')),
    'cascade': (80, 40),
    'dino_convnext_a': (None, None),
    **dict.fromkeys(('dino', 'retinanet'), (80, 40)),
    'rtmdet': (None, 40),  # those of the data set that its mosaics are made of
    **dict.fromkeys(('linear', 'upernet', 'deeplabv3plus', 'segformer'), (None, 40)),
    'mask2former_convnext_a': None,
    **{f'mask2former_convnext_{size}_ade20k': (None, 40) for size in ('t', 'b', 'l', 'xl')},
    'mask2former': (160, 40),
}


def of_name(table, name):
    return next((value for start, value in table.items() if name.startswith(start)), None)


@pytest.fixture(scope='module')
def resolved():
    return {
        name: [read_config(name, data=data, needs_data=False) for data in (None, 'sample')]
        for name in packaged_configs()
    }


def test_length_batch_and_lr_fit_the_sample(resolved):
    for path, (_, cfg) in resolved.items():
        length = cfg.train_cfg.get('max_epochs') or cfg.train_cfg.max_iters
        total, lr = cfg.train_cfg.total_batch_size, cfg.optim_wrapper.optimizer.lr
        name = Path(path).stem
        assert (length, total, lr) == of_name(SAMPLES, name), name
        assert cfg.train_dataloader.batch_size == total
        after_the_last = name.startswith(('upernet', 'deeplabv3plus', 'segformer'))  # as the recipe of UPerNet has it
        assert cfg.param_scheduler[-1].end == pytest.approx(length + after_the_last)
        assert (cfg.pretrained, cfg.default_hooks.checkpoint.keep, cfg.default_hooks.checkpoint.best) == (
            None,
            1,
            None,
        )


def test_images_are_small(resolved):
    for path, (_, cfg) in resolved.items():
        if 'mask2former' in path:
            continue  # see below
        if cfg.task == 'classification':
            side = 32 if 'roadmap' in path else 48
            loaders = [cfg.train_dataloader, cfg.test_dataloader]
            assert [loader.dataset.transform.input_size for loader in loaders] == [side, side]
        elif cfg.task == 'pretraining':
            loaders = [cfg.train_dataloader, cfg.test_dataloader]
            assert [loader.dataset.transform.input_size for loader in loaders] == [96, 96]
        elif cfg.task == 'segmentation':
            resize, crop = cfg.train_dataloader.dataset.pipeline[2:4]
            assert (resize.scale, resize.ratio_range, crop.crop_size) == ((320, 192), (0.75, 1.5), (128, 128))
            assert cfg.test_dataloader.dataset.pipeline[1].scale == (320, 192)
            assert cfg.model.data_preprocessor.size == (128, 128)
            follows = Path(path).stem.startswith(('deeplabv3plus', 'segformer'))  # the crops in training
            window = (
                dict(crop_size=(128, 128), stride=(85, 85))
                if follows
                else dict(crop_size=(192, 192), stride=(128, 128))
            )
            assert cfg.model.test_cfg == dict(window, mode='slide')
            sides = [resize.scale for resize in cfg.tta_pipeline[1].transforms[0]]
            assert sides == [(480, side) for side in (96, 128, 160, 192, 224, 256)]
        elif Path(path).stem.startswith('rtmdet'):
            crops = [step.get('crop_size') for step in steps_of(cfg.train_dataloader.dataset)]
            assert [crop for crop in crops if crop] == [(192, 192)]
            assert cfg.test_dataloader.dataset.pipeline[1].scale == (192, 192)
        else:
            assert cfg.train_dataloader.dataset.pipeline[3].scales == [(320, 160), (320, 192), (320, 224)]
            assert cfg.test_dataloader.dataset.pipeline[1].scale == (320, 192)
            assert [resize.scale for resize in cfg.tta_pipeline[1].transforms[0]] == [
                (480, s) for s in (160, 192, 224)
            ]


def test_query_heads_look_at_small_crops_and_few_points(resolved):
    for path, (own, cfg) in resolved.items():
        if 'mask2former' not in path:
            continue
        segments, light = cfg.task == 'segmentation', '_a_' in path
        head = cfg.model.decode_head if segments else cfg.model.panoptic_head
        points = (head if segments else cfg.model).train_cfg.num_points
        assert (points, head.num_queries) == (1024, 30 if light else 20), path
        crop = next(step for step in cfg.train_dataloader.dataset.pipeline if step.type.endswith('RandomCrop'))
        padded = cfg.model.data_preprocessor
        sizes = crop.crop_size, padded.size if segments else padded.batch_augments[0].size
        assert sizes == (((128, 128),) * 2 if segments else ((160, 160),) * 2), path
        assert cfg.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult == 1.0
        assert cfg.optim_wrapper.clip_grad == own.optim_wrapper.clip_grad
        if segments:
            assert cfg.model.test_cfg == own.model.test_cfg == dict(mode='whole')


def test_dense_runs_are_short(resolved):
    for path, (_, cfg) in resolved.items():
        name = Path(path).stem
        if cfg.task == 'detection':
            stages = cfg.model.train_cfg.get('rcnn')
            found = [s.sampler.num for s in stages] if isinstance(stages, list) else stages and stages.sampler.num
            assert found == of_name(REGIONS, name), name
        if cfg.task not in ('classification', 'pretraining'):
            images = [loader.dataset.get('indices') for loader in (cfg.train_dataloader, cfg.val_dataloader)]
            expected = None if '22k_ade' in name else of_name(IMAGES, name)
            assert tuple(images) == (expected or (None, None)), name


def test_whole_lists_replace_whole_lists(resolved):
    """What the settings do not change is as in the config: the same transforms, the stages' own thresholds."""
    for path, (own, cfg) in resolved.items():
        if cfg.task in ('classification', 'pretraining'):
            continue
        views = [one.tta_pipeline[1].transforms if 'tta_pipeline' in one else [] for one in (own, cfg)]
        pairs = [one.test_dataloader.dataset.pipeline for one in (own, cfg)], views
        for before, after in pairs:
            assert kinds(before) == kinds(after), path
        if cfg.task == 'segmentation':
            assert kinds(own.train_dataloader.dataset.pipeline) == kinds(cfg.train_dataloader.dataset.pipeline)
        if cfg.model.type == 'mmdet.CascadeRCNN':
            for before, after in zip(own.model.train_cfg.rcnn, cfg.model.train_cfg.rcnn, strict=True):
                assert before == dict(after, sampler=dict(after.sampler, num=512)), path


def kinds(part):
    """Names of the transforms, but for padding, which the sample settings of any detector add."""
    found = [kinds(item) if isinstance(item, list) else item.type for item in part]
    return [kind for kind in found if kind not in ('mmdet.Pad', [])]
