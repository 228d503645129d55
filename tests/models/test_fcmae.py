"""Masked pre-training: decoder, targets and loss. The encoder under a mask is in test_visible.py."""

import math

import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.models import FCMAE
from convnext_dense.models.visible import VisiblePatches
from convnext_dense.registry import MODELS

SMALL = dict(depths=[1, 2, 1, 1], dims=[8, 12, 16, 24])


def model(version: int = 2, **arguments) -> FCMAE:
    backbone = dict(type='convnext_dense.ConvNeXt', arch=SMALL, version=version, layer_scale_init_value=1.0)
    backbone |= arguments.pop('backbone', {})
    arguments = dict(decoder_dim=16) | arguments
    torch.manual_seed(0)
    return MODELS.build(dict(type='convnext_dense.FCMAE', backbone=backbone, **arguments))


def test_parameters_of_the_decoder_have_the_official_names_and_shapes():
    built = model(decoder_dim=512, decoder_depth=2)
    decoder = {n: tuple(p.shape) for n, p in built.named_parameters() if not n.startswith('backbone.')}
    block = {
        'dwconv.weight': (512, 1, 7, 7),
        'dwconv.bias': (512,),
        'norm.weight': (512,),
        'norm.bias': (512,),
        'pwconv1.weight': (2048, 512),
        'pwconv1.bias': (2048,),
        'grn.gamma': (1, 1, 1, 2048),
        'grn.beta': (1, 1, 1, 2048),
        'pwconv2.weight': (512, 2048),
        'pwconv2.bias': (512,),
    }
    assert decoder == {
        'mask_token': (1, 512, 1, 1),
        'proj.weight': (512, 24, 1, 1),
        'proj.bias': (512,),
        **{f'decoder.{i}.{name}': shape for i in (0, 1) for name, shape in block.items()},
        'pred.weight': (3072, 512, 1, 1),
        'pred.bias': (3072,),
    }
    backbone = {n.split('.')[0] for n, _ in built.backbone.named_parameters()}
    assert backbone == {'downsample_layers', 'stages'}  # neither a final norm nor a head


def test_initial_values_have_standard_deviation_02():
    built = model(decoder_dim=512)
    for name, parameter in built.named_parameters():
        if name == 'mask_token' or (name.endswith('weight') and parameter.ndim > 1):
            assert parameter.std().item() == pytest.approx(0.02, rel=0.25), name
        elif name.endswith('bias') or 'grn' in name:
            assert not parameter.any(), name


@pytest.mark.parametrize('normalized', [True, False])
def test_loss_is_the_mean_square_over_hidden_patches_only(normalized):
    built = model(normalized_target=normalized, backbone=dict(in_channels=4)).double()
    images = torch.randn(2, 4, 64, 96, dtype=torch.double) * 3 + 5
    visible = torch.tensor([[0, 4], [2, 3]])
    loss = built(images, mode='loss', visible=visible)['loss']
    output = built(images, visible=visible)
    assert output.shape == (2, 32 * 32 * 4, 2, 3)

    errors = []
    for n in range(2):
        for patch in range(6):
            if patch in visible[n]:
                continue
            row, column = divmod(patch, 3)
            pixels = images[n, :, 32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            if normalized:
                mean = pixels.sum() / pixels.numel()
                variance = ((pixels - mean) ** 2).sum() / (pixels.numel() - 1)
                pixels = (pixels - mean) / math.sqrt(variance + 1e-6)
            square = 0.0
            for y in range(32):
                for x in range(32):
                    for c in range(4):
                        place = (32 * y + x) * 4 + c
                        square += (output[n, place, row, column] - pixels[c, y, x]).item() ** 2
            errors.append(square / (32 * 32 * 4))
    assert loss.item() == pytest.approx(sum(errors) / len(errors), rel=1e-10)


def test_hidden_positions_are_the_mask_token_for_the_decoder():
    built = model()
    torch.nn.init.normal_(built.mask_token)
    visible = torch.tensor([[1, 3]])
    seen = []
    built.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    images = torch.randn(1, 3, 64, 64)
    built(images, visible=visible)
    (x,) = seen
    encoded = built.backbone(images, VisiblePatches(visible))
    for patch in range(4):
        row, column = divmod(patch, 2)
        wanted = built.proj.weight[:, :, 0, 0] @ encoded[0, :, row, column] + built.proj.bias
        wanted = wanted if patch in (1, 3) else built.mask_token[0, :, 0, 0]
        torch.testing.assert_close(x[0, :, row, column], wanted)


@torch.no_grad()
def test_predictions_are_images_in_the_units_of_the_input():
    built = model().eval()
    images = torch.randn(3, 3, 160, 96) * 2 + 1
    paths = ['a.jpg', 'x/b.jpg', 'c.jpg']
    predictions = built(images, paths=paths, mode='predict')
    output = built(images, paths=paths)
    assert [p['path'] for p in predictions] == paths
    for n, prediction in enumerate(predictions):
        assert torch.equal(prediction['target'], images[n])
        assert prediction['mask'].shape == (5, 3) and prediction['mask'].sum() == 15 - 6
        pixels = images[n, :, 64:96, 32:64]
        painted = output[n, :, 2, 1].reshape(32, 32, 3).permute(2, 0, 1)
        painted = painted * (pixels.var() + 1e-6).sqrt() + pixels.mean()
        torch.testing.assert_close(prediction['reconstruction'][:, 64:96, 32:64], painted)
    loss = built(images, paths=paths, mode='loss')['loss']
    assert sum(p['loss'] for p in predictions) / 3 == pytest.approx(loss.item())
    again = built(images[1:2], paths=['other/b.jpg'], mode='predict')[0]
    assert torch.equal(again['mask'], predictions[1]['mask'])
    assert again['loss'] == pytest.approx(predictions[1]['loss'])


def test_without_normalization_predictions_are_the_output():
    built = model(normalized_target=False).eval()
    images = torch.randn(1, 3, 64, 64)
    prediction = built(images, mode='predict')[0]
    painted = built(images)[0, :, 1, 0].reshape(32, 32, 3).permute(2, 0, 1)
    torch.testing.assert_close(prediction['reconstruction'][:, 32:, :32], painted.detach())


def test_masks_change_from_step_to_step_and_follow_the_seed():
    built = model().train()
    images = torch.randn(2, 3, 224, 224)
    masks = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        masks.append(torch.stack([p['mask'] for p in built(images, mode='predict')]))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert masks[0].flatten(1).sum(1).tolist() == [30, 30]


def test_features_are_those_of_a_classifier_with_a_fresh_norm():
    built = model().eval()
    classifier = MODELS.build(
        dict(type='convnext_dense.ConvNeXt', arch=SMALL, version=2, out_indices=None),
    ).eval()
    state = classifier.state_dict() | built.backbone.state_dict()
    classifier.load_state_dict(state)
    images = torch.randn(2, 3, 64, 96)
    torch.testing.assert_close(built.features(images), classifier(images))


@pytest.mark.parametrize('version', [1, 2])
def test_gradient_checkpointing_changes_nothing(version):
    images, gradients = torch.randn(2, 3, 64, 64), []
    for with_cp in (False, True):
        built = model(version, backbone=dict(with_cp=with_cp)).train()
        torch.manual_seed(1)
        built(images, mode='loss')['loss'].backward()
        assert all(p.grad is not None for p in built.parameters())
        gradients.append(torch.cat([p.grad.flatten() for p in built.parameters()]))
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)


def test_in_mixed_precision_statistics_and_loss_are_float32():
    built = model()
    images = torch.randn(2, 3, 64, 64) + 100  # in bfloat16 they would be 100 and 100.5
    visible = torch.tensor([[0], [1]])
    with torch.autocast('cpu', torch.bfloat16):
        loss = built(images, mode='loss', visible=visible)['loss']
        target = built(images, mode='predict', visible=visible)[0]['target']
    assert loss.dtype == torch.float32
    assert torch.equal(target, images[0])
    assert loss.item() == pytest.approx(built(images, mode='loss', visible=visible)['loss'].item(), rel=1e-2)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in built.parameters())


def test_training_lowers_the_loss():
    built = model(decoder_dim=32).train()
    images = torch.randn(1, 3, 1, 1).expand(1, 3, 64, 64) + torch.linspace(0, 1, 64)
    optimizer = torch.optim.AdamW(built.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        losses.append(built(images, mode='loss')['loss'])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize('ratio', [0, 1, -0.1, 1.5, True, '0.6', float('nan')])
def test_a_mask_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(UserError, match=r'^mask_ratio .* above 0 and below 1, such as 0\.6$'):
        model(mask_ratio=ratio)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(decoder_depth=0), 'decoder_depth 0 of FCMAE is out of range'),
        (dict(decoder_dim=1.5), 'decoder_dim 1.5 of FCMAE is out of range'),
        (dict(backbone=dict(out_indices=None)), 'out_indices None of an FCMAE backbone: leave them out'),
        (dict(backbone=dict(out_indices=(0, 3))), r'out_indices \(0, 3\) of an FCMAE backbone: leave them out'),
    ],
)
def test_other_settings_out_of_range_are_refused(arguments, message):
    with pytest.raises(UserError, match=f'^{message}'):
        model(**arguments)


def test_another_backbone_is_refused():
    with pytest.raises(UserError, match=r'^FCMAE pre-trains a ConvNeXt, not a RoadmapNet'):
        MODELS.build(
            dict(
                type='convnext_dense.FCMAE',
                backbone=dict(type='convnext_dense.RoadmapNet', track='resnet50', step='baseline'),
            )
        )


def test_images_whose_sides_are_not_divisible_by_32_are_refused():
    wanted = r'^images of 100 x 224 pixels do not divide into patches of 32: .* such as 96 x 224$'
    with pytest.raises(UserError, match=wanted):
        model()(torch.randn(1, 3, 100, 224))
    with pytest.raises(UserError, match=r'such as 32 x 64$'):
        model()(torch.randn(1, 3, 16, 70))
