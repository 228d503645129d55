"""Milder augmentation, in all places of a config that state it."""

from mmengine.config import Config

from convnext_dense.tasks.mild_augmentation import of_classification, of_pipelines


def classification(mixup=None, **transform):
    inner = dict(type='convnext_dense.ImageFolder', transform=dict(input_size=224, **transform))
    dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    return Config(dict(model=dict(mixup=mixup), train_dataloader=dict(dataset=dataset)))


def test_a_classifier_inside_a_wrapper():
    cfg = classification(dict(prob=0.5), auto_augment='rand-m9-mstd0.5-inc1')
    key = 'train_dataloader.dataset.dataset.transform'
    assert {name: one.value for name, one in of_classification(cfg).items()} == {
        'model.mixup.prob': 0.0,
        f'{key}.scale': (0.35, 1.0),
        f'{key}.auto_augment': 'rand-m5-mstd0.5-inc1',
    }


def test_what_is_mild_already_stays():
    for policy in ('rand-m5-mstd0.5', 'rand-m3', 'augmix-m3', 'original', None):
        assert of_classification(classification(scale=(0.5, 1.0), auto_augment=policy)) == {}
    assert of_classification(classification(dict(prob=0), scale=(0.35, 1))) == {}


def test_scale_jitter_is_halved_on_a_log_scale():
    jitter = dict(type='mmcv.RandomResize', ratio_range=(0.25, 4.0))
    inside = dict(type='mmcv.RandomChoice', transforms=[[jitter], [dict(type='mmdet.Resize')]])
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=dict(type='x', dataset=dict(pipeline=[inside]), pipeline=[jitter])),
            custom_hooks=[dict(type='y', switch_pipeline=[dict(jitter, ratio_range=(1.0, 1.0)), jitter])],
        )
    )
    milder = of_pipelines(cfg)
    assert {key: one.value for key, one in milder.items()} == {
        'train_dataloader.dataset.dataset.pipeline.0.transforms.0.0.ratio_range': (0.5, 2.0),
        'train_dataloader.dataset.pipeline.0.ratio_range': (0.5, 2.0),
        'custom_hooks.0.switch_pipeline.1.ratio_range': (0.5, 2.0),
    }
    assert [one.text for one in milder.values()] == ['scale jitter 0.5 to 2', '', '']
    cfg.merge_from_dict({key: one.value for key, one in milder.items()})  # the keys are right
    assert cfg.train_dataloader.dataset.pipeline[0].ratio_range == (0.5, 2.0)
    assert cfg.custom_hooks[0].switch_pipeline[1].ratio_range == (0.5, 2.0)
