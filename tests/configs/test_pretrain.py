"""The configs of masked pre-training: of each size, with the official recipe."""

from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense import paper
from convnext_dense.analysis.complexity import count_config

CONFIGS = Path(__file__).parents[2] / 'configs' / 'pretrain'
ARCHS = dict(a='atto', f='femto', p='pico', n='nano', t='tiny', b='base', l='large', h='huge')


def test_there_is_one_of_each_size_of_v2():
    assert {path.stem for path in CONFIGS.glob('*.py')} == {f'fcmae_convnextv2_{letter}' for letter in ARCHS}


@pytest.mark.parametrize('letter', ARCHS)
def test_the_recipe_is_the_official_one(letter):
    """That of the V2 repository's TRAINING page and code; lr = 1.5e-4 x 4096 / 256."""
    cfg = Config.fromfile(CONFIGS / f'fcmae_convnextv2_{letter}.py')
    model = cfg.model
    assert (model.backbone.arch, model.backbone.version) == (ARCHS[letter], 2)
    assert model.backbone.get('drop_path_rate', 0) == 0
    assert (model.mask_ratio, model.decoder_dim, model.decoder_depth, model.normalized_target) == (0.6, 512, 1, True)
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, tuple(optimizer.betas), optimizer.weight_decay) == ('AdamW', (0.9, 0.95), 0.05)
    assert optimizer.lr == pytest.approx(1.5e-4 * 4096 / 256)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.total_batch_size) == (1600, 4096)
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.type, warm_up.begin, warm_up.end) == ('LinearLR', 0, 40)
    assert (cosine.type, cosine.begin, cosine.end, cosine.eta_min) == ('CosineAnnealingLR', 40, 1600, 0)
    assert cfg.train_dataloader.dataset.transform == dict(
        input_size=224, scale=(0.2, 1.0), interpolation='bicubic', color_jitter=None
    )
    assert cfg.default_hooks.get('ema') is None
    assert cfg.pretrained is None


@pytest.mark.parametrize('letter', ['a', 't'])
def test_the_encoder_has_the_published_size(letter):
    found = count_config(Config.fromfile(CONFIGS / f'fcmae_convnextv2_{letter}.py'))
    published = next(one for one in paper.CONVNEXTV2_1K if (one.arch, one.resolution) == (ARCHS[letter], 224))
    width = dict(a=320, t=768)[letter]
    head = 2 * width + 1000 * width + 1000  # norm and linear layer of the classifier
    assert (found.by_module['backbone'].params + head) / 1e6 == pytest.approx(published.params, rel=0.015)
