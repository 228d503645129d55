"""What weights are of, and how images are prepared for them."""

import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.export.hub.model import HubModel, completed, preprocessing_note, shared_model
from convnext_dense.models import IsotropicConvNeXt
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from tests.helpers.small_classifier import classifier

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def shared(state: dict, classes: list[str] | None = None, backbone_only: bool = False) -> HubModel:
    content = {'state_dict': state, 'meta': {'dataset_meta': {'classes': classes}}}
    return shared_model(extract_weights(content, 'x.pth'), backbone_only=backbone_only)


def test_kinds_of_models():
    state = classifier(3).state_dict()
    maps = classifier(3, out_indices=(0, 2)).backbone.state_dict()
    maps = {f'backbone.{name}': tensor for name, tensor in maps.items()}
    detector = {**maps, 'neck.a.weight': torch.ones(1), 'bbox_head.b.weight': torch.ones(1)}
    segmentor = {**maps, 'decode_head.conv_seg.weight': torch.ones(5, 4, 1, 1)}
    found = [(m.kind, m.num_classes, m.output_stages) for m in map(shared, (state, maps, segmentor))]
    assert found == [('classifier', 3, []), ('maps', 0, [0, 2]), ('segmentor', 5, [0, 2])]
    assert shared(state, backbone_only=True).kind == 'features'
    with pytest.raises(UserError, match=r'x\.pth is of a model with bbox_head, neck, .*--backbone pushes'):
        shared(detector)
    assert shared(detector, backbone_only=True).state.keys() == maps.keys()


def test_weights_without_a_network_in_any_layout_are_refused():
    state = classifier(3).state_dict()
    bare = {name: tensor for name, tensor in state.items() if not name.startswith(('head', 'backbone.norm'))}
    with pytest.raises(UserError, match=r'x\.pth .* has no final norm'):
        shared(bare)
    isotropic = {f'backbone.{n}': t for n, t in IsotropicConvNeXt('small').state_dict().items()}
    with pytest.raises(UserError, match='is an isotropic ConvNeXt'):
        shared(isotropic)
    with pytest.raises(UserError, match='names 2 classes, and its head has 3'):
        shared(state, ['a', 'b'])


def test_preprocessing_is_completed_as_in_the_official_evaluation():
    assumed = completed(None)
    assert (assumed.mean, assumed.std, assumed.source) == (IMAGENET_MEAN, IMAGENET_STD, 'assumed, as on ImageNet')
    sizes = {224: ('center', 0.875), 383: ('center', 0.875), 384: ('squash', 1.0)}
    for size, expected in sizes.items():
        full = completed(Preprocessing(*CLIP, (size, size)))
        assert (full.mean, full.crop_mode, full.crop_ratio, full.interpolation) == (CLIP[0], *expected, 'bicubic')


def test_the_runs_config_goes_before_what_the_weights_tell():
    told = Preprocessing(*CLIP, (256, 256), 1.0, 'bilinear', 'squash', 'the checkpoint')
    run = Preprocessing((0.5,) * 3, (0.25,) * 3, (128, 128), 0.9, source='the config')
    full = completed(told, run)
    assert (full.mean, full.input_size, full.crop_ratio, full.source) == ((0.5,) * 3, (128, 128), 0.9, 'the config')
    dense = completed(told, dense=True)
    assert (dense.mean, dense.input_size, dense.crop_mode) == (CLIP[0], None, None)


def test_what_no_layout_has_of_images_is_refused():
    weights = extract_weights({'state_dict': classifier(3).state_dict()}, 'x.pth')
    with pytest.raises(UserError, match=r'x\.pth is of a network that takes BGR'):
        shared_model(weights, Preprocessing(*CLIP, bgr=True))
    weights = extract_weights({'state_dict': classifier(3, in_channels=4).state_dict()}, 'x.pth')
    with pytest.raises(UserError, match='with 4 input channels, and its images have a mean of 3'):
        shared_model(weights)


def test_doubts_and_pixels_are_said():
    def note(path: str, layout: str, images: Preprocessing | None = None) -> str:
        weights = extract_weights({'state_dict': classifier(3).state_dict()}, path)
        return preprocessing_note(shared_model(weights, images), layout)

    hint = note('convnext_clip.pth', 'timm')
    assert hint.startswith("mean and std are ImageNet's") and '--mean 0.48145466' in hint
    assert note('x.pth', 'timm') == '' and 'by a pixel' in note('x.pth', 'hf')
    theirs = Preprocessing(*CLIP, (224, 224), 0.875, crop_mode='transformers')
    assert note('x.pth', 'hf', theirs) == '' and 'by a pixel' in note('x.pth', 'timm', theirs)
    assert note('x.pth', 'hf', Preprocessing(*CLIP, (384, 384))) == ''
    weights = extract_weights({'state_dict': classifier(3).state_dict()}, 'x.pth')
    assert 'scales values from 0 to 4095' in preprocessing_note(shared_model(weights, value_range=(0, 4095)), 'hf')
