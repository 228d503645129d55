"""The classifier's outputs and its loss."""

import numpy as np
import pytest
import timm
import torch

from convnext_dense.errors import UserError
from convnext_dense.models import ImageClassifier

BACKBONE = dict(
    type='convnext_dense.ConvNeXt',
    arch=dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16]),
    out_indices=None,
    layer_scale_init_value=1.0,
)
MIXUP = dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch')


def classifier(**options) -> ImageClassifier:
    model = ImageClassifier(BACKBONE, num_classes=4, **options)
    torch.nn.init.normal_(model.head.weight)
    return model


def test_loss_without_mixup_is_cross_entropy_with_smoothing():
    model = classifier(label_smoothing=0.2)
    x, labels = torch.randn(3, 3, 32, 32), torch.tensor([0, 3, 1])
    log_p = model(x).log_softmax(1)
    expected = -(0.8 * log_p[range(3), labels] + 0.2 * log_p.mean(1)).mean()
    assert model(x, labels, mode='loss')['loss'].item() == pytest.approx(expected.item(), rel=1e-5)


def test_mixup_is_on_in_training_only_and_smooths_its_targets(monkeypatch):
    model = classifier(label_smoothing=0.1, mixup=dict(MIXUP, cutmix_alpha=0.0)).train()
    x, labels = torch.randn(4, 3, 32, 32), torch.tensor([0, 3, 1, 1])

    np.random.seed(1)
    lam = 0.5  # what np.random.beta will be made to say
    monkeypatch.setattr(np.random, 'beta', lambda *_: lam)
    mixed = x * lam + x.flip(0) * (1 - lam)
    targets = torch.full((4, 4), 0.1 / 4)
    for i in range(4):
        targets[i, labels[i]] += 0.9 * lam
        targets[i, labels[3 - i]] += 0.9 * (1 - lam)
    expected = -(targets * model(mixed).log_softmax(1)).sum(1).mean()
    assert model(x.clone(), labels, mode='loss')['loss'].item() == pytest.approx(expected.item(), rel=1e-5)

    plain = classifier(label_smoothing=0.1)
    plain.load_state_dict(model.state_dict())
    unmixed = plain(x, labels, mode='loss')['loss'].item()
    assert model.eval()(x, labels, mode='loss')['loss'].item() == pytest.approx(unmixed, rel=1e-6)


def test_mixup_names_an_odd_batch():
    with pytest.raises(UserError, match='even, it is 3'):
        classifier(mixup=MIXUP).train()(torch.randn(3, 3, 32, 32), torch.zeros(3).long(), mode='loss')


@pytest.mark.parametrize('off', [dict(prob=0.0), dict(mixup_alpha=0.0, cutmix_alpha=0.0)])
def test_mixup_that_is_switched_off_takes_odd_batches_and_keeps_the_smoothing(off):
    model = classifier(label_smoothing=0.2, mixup=dict(MIXUP, **off)).train()
    x, labels = torch.randn(3, 3, 32, 32), torch.tensor([0, 3, 1])
    log_p = model(x).log_softmax(1)
    expected = -(0.8 * log_p[range(3), labels] + 0.2 * log_p.mean(1)).mean()
    assert model(x, labels, mode='loss')['loss'].item() == pytest.approx(expected.item(), rel=1e-5)


def test_predictions_carry_probabilities_labels_and_paths():
    model = classifier().eval()
    x = torch.randn(2, 3, 32, 32)
    first, second = model(x, torch.tensor([2, 0]), paths=['a', 'b'], mode='predict')
    assert torch.allclose(torch.stack([first['scores'], second['scores']]), model(x).softmax(1), atol=1e-6)
    assert (first['label'], first['path'], second['label'], second['path']) == (2, 'a', 0, 'b')


@pytest.mark.parametrize('version', [1, 2])
def test_an_empty_batch_gives_no_predictions(version):
    model = ImageClassifier(dict(BACKBONE, version=version), num_classes=4)
    assert model.eval()(torch.empty(0, 3, 64, 64), torch.empty(0).long(), paths=[], mode='predict') == []


def test_head_init_scale_scales_the_head_alone():
    torch.manual_seed(1)
    full = ImageClassifier(BACKBONE, num_classes=4)
    torch.manual_seed(1)
    scaled = ImageClassifier(BACKBONE, num_classes=4, head_init_scale=0.001)
    for (name, a), b in zip(full.named_parameters(), scaled.parameters(), strict=True):
        assert torch.allclose(b, a * 0.001 if name.startswith('head') else a), name
    assert full.head.weight.std().item() == pytest.approx(0.02, rel=0.3)


def test_a_head_with_a_hidden_layer_computes_as_timms_and_starts_as_the_official_layers():
    model = classifier(head_hidden_size=24)
    assert model.head.hidden.weight.std().item() == pytest.approx(0.02, rel=0.3)
    assert not model.head.hidden.bias.any() and not model.head.bias.any()
    for p in model.head.parameters():
        torch.nn.init.normal_(p)
    theirs = timm.layers.NormMlpClassifierHead(16, 4, hidden_size=24, norm_layer=torch.nn.Identity, act_layer='gelu')
    theirs.load_state_dict(
        {
            f'fc.{name}'.replace('fc.hidden', 'pre_logits.fc'): tensor
            for name, tensor in model.head.state_dict().items()
        }
    )
    features = torch.randn(3, 16)
    with torch.no_grad():
        torch.testing.assert_close(model.head(features), theirs(features[:, :, None, None]))
        images = torch.randn(2, 3, 32, 32)
        torch.testing.assert_close(model(images), model.head(model.backbone(images)))
