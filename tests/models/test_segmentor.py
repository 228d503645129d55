"""Our segmentor against mmseg's: the same labels, without all classes' logits at the image's size."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models.decode_heads import UPerHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt
from convnext_dense.models import label_map as labels
from convnext_dense.models.segmentor import DMHead, LinearHead, Segmentor, SegmentorTTA
from tests.helpers.labels import check

CLASSES = 12
WHOLE, SLIDE = dict(mode='whole'), dict(mode='slide', crop_size=(64, 64), stride=(43, 43))


@MODELS.register_module()
class InvertedHead(UPerHead):
    """A head with a way to predict of its own."""

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict]) -> Tensor:
        return -super().predict_by_feat(seg_logits, batch_img_metas)


def build(
    kind: type,
    head: str = 'UPerHead',
    classes: int = CLASSES,
    align_corners: bool = False,
    test_cfg: dict | None = WHOLE,
    **options,
):
    torch.manual_seed(0)
    options.update(num_classes=classes, channels=8, norm_cfg=dict(type='BN'), align_corners=align_corners)
    options.update(in_channels=[8, 16, 24, 32], in_index=[0, 1, 2, 3], pool_scales=(1, 2, 3, 6))
    arch = dict(depths=[1, 1, 1, 1], dims=[8, 16, 24, 32])
    parts = dict(backbone=dict(type=ConvNeXt, arch=arch), decode_head=dict(type=head, **options))
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = kind(**parts, test_cfg=test_cfg and ConfigDict(test_cfg)).eval()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    model.decode_head.conv_seg.register_forward_hook(centered)
    return model


def centered(conv: torch.nn.Module, inputs: tuple, logits: Tensor) -> Tensor:
    """Every class is the highest somewhere."""
    return logits - logits.mean((2, 3), keepdim=True)


def predictions(model, test_cfg: dict, images: Tensor, metas: list[dict]) -> list[SegDataSample]:
    model.test_cfg = ConfigDict(test_cfg)
    size = tuple(images.shape[2:])
    samples = [SegDataSample(metainfo=dict(dict(img_shape=size, ori_shape=size), **meta)) for meta in metas]
    with torch.inference_mode():
        return model.predict(images, samples)


@pytest.fixture(scope='module', params=[False, True], ids=['', 'align_corners'])
def models(request) -> list:
    return [build(kind, align_corners=request.param) for kind in (Segmentor, EncoderDecoder)]


FLIPS = [dict(flip=True, flip_direction=direction) for direction in ('horizontal', 'vertical')]
METAS = [
    *(dict(ori_shape=(49, 67)), dict(ori_shape=(150, 201)), dict(FLIPS[0], ori_shape=(90, 40)), FLIPS[1]),
    *(dict(img_padding_size=(0, 5, 2, 0), ori_shape=(77, 77)), dict(padding_size=(1, 2, 3, 4), ori_shape=(30, 31))),
]


@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('size', [(64, 64), (97, 131), (40, 151), (50, 37)])
def test_labels_are_those_of_mmseg(models, test_cfg, size, monkeypatch):
    monkeypatch.setattr(labels, 'LOGITS_AT_ONCE', 20_000)  # a few rows, one of the widest
    images = torch.randn(len(METAS), 3, *size)
    ours, theirs = (predictions(model, test_cfg, images, METAS) for model in models)
    for own, stock in zip(ours, theirs, strict=True):
        check(own.pred_sem_seg.data, stock.seg_logits.data)


def test_without_samples_labels_are_of_the_inputs_size(models):
    images = torch.randn(2, 3, 70, 45)
    with torch.inference_mode():
        ours, theirs = (model.predict(images) for model in models)
    for own, stock in zip(ours, theirs, strict=True):
        check(own.pred_sem_seg.data, stock.seg_logits.data)
        assert own.pred_sem_seg.shape == (70, 45)


class Largest(TorchDispatchMode):
    """How many numbers the largest tensor has that is made."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        self.numbers = max([self.numbers, *(leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor))])
        return out


@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
def test_nothing_has_all_classes_at_the_images_size(models, test_cfg, monkeypatch):
    monkeypatch.setattr(labels, 'LOGITS_AT_ONCE', CLASSES * 262 * 8)
    largest = []
    for model in models:
        with Largest() as seen:
            predictions(model, test_cfg, torch.randn(1, 3, 96, 131), [dict(ori_shape=(192, 262))])
        largest.append(seen.numbers)
    with Largest() as small:
        predictions(models[0], test_cfg, torch.randn(1, 3, 192, 262), [dict(ori_shape=(12, 17))])
    assert small.numbers <= 3 * 192 * 262  # of the image itself
    assert 'seg_logits' not in predictions(models[0], test_cfg, torch.randn(1, 3, 64, 64), [{}])[0]
    assert largest[0] < 3 * 192 * 262 < largest[1] == CLASSES * 192 * 262


@pytest.mark.parametrize('keeps_logits', [False, True])
@pytest.mark.parametrize('losses', ['softmax', 'sigmoid'])
def test_confidences_are_the_probabilities_of_the_labels(models, losses, keeps_logits, monkeypatch):
    ours, theirs = models
    monkeypatch.setattr(ours.decode_head.loss_decode, 'use_sigmoid', losses == 'sigmoid')
    images = torch.randn(1, 3, 70, 90)
    settings = dict(SLIDE, keep_confidence=True, keep_logits=keeps_logits)
    found = predictions(ours, settings, images, METAS[:1])[0]
    logits = predictions(theirs, SLIDE, images, METAS[:1])[0].seg_logits.data
    expected = logits.softmax(0) if losses == 'softmax' else logits.sigmoid()
    assert found.confidence.data.shape == (1, 49, 67) and found.confidence.data.dtype == torch.float16
    torch.testing.assert_close(found.confidence.data[0].float(), expected.amax(0), atol=1e-3, rtol=0)
    assert 'confidence' not in predictions(ours, SLIDE, images, METAS[:1])[0]


def test_the_confidence_of_one_channel_is_that_of_the_label():
    model = build(Segmentor, classes=2, out_channels=1, threshold=0.3)
    found = predictions(model, dict(WHOLE, keep_confidence=True), torch.randn(1, 3, 64, 64), [{}])[0]
    share, labels = found.seg_logits.data[0], found.pred_sem_seg.data[0]
    assert {0, 1} == set(labels.unique().tolist())
    expected = torch.where(share > 0.3, share, 1 - share)
    torch.testing.assert_close(found.confidence.data[0].float(), expected, atol=1e-3, rtol=0)


def test_the_confidence_of_views_is_their_mean_probability():
    model = build(Segmentor)
    wrapped = SegmentorTTA.__new__(SegmentorTTA)
    torch.nn.Module.__init__(wrapped)
    wrapped.module = model
    model.test_cfg = ConfigDict(WHOLE, keep_confidence=True)
    logits = [torch.randn(CLASSES, 8, 9) for _ in range(2)]
    found = wrapped.merge_preds([views_of(*logits)])[0]
    expected = torch.stack([one.softmax(0) for one in logits]).mean(0).amax(0)
    torch.testing.assert_close(found.confidence.data[0].float(), expected, atol=1e-3, rtol=0)


def test_logits_are_kept_where_they_are_asked_for(models):
    images = torch.randn(1, 3, 70, 90)
    ours, theirs = (predictions(m, dict(SLIDE, keep_logits=True), images, METAS[:1])[0] for m in models)
    assert torch.equal(ours.seg_logits.data, theirs.seg_logits.data) and ours.seg_logits.data.shape == (
        CLASSES,
        49,
        67,
    )
    assert torch.equal(ours.pred_sem_seg.data, theirs.pred_sem_seg.data)


@pytest.mark.parametrize(
    'options',
    [dict(classes=2, out_channels=1, threshold=0.6), dict(head='InvertedHead')],
    ids=['one channel', 'own prediction'],
)
def test_other_heads_predict_as_in_mmseg(options):
    images = torch.randn(1, 3, 64, 80)
    found = [predictions(build(kind, **options), WHOLE, images, [{}])[0] for kind in (Segmentor, EncoderDecoder)]
    ours, theirs = (sample.pred_sem_seg.data for sample in found)
    assert torch.equal(ours, theirs) and len(theirs.unique()) > 1


def test_views_are_averaged_with_all_their_logits(monkeypatch):
    monkeypatch.setattr('mmengine.model.test_time_aug.MODELS.build', lambda module: module)
    module = build(Segmentor)
    module.test_cfg = ConfigDict(SLIDE)
    SegmentorTTA(module)
    assert module.test_cfg.keep_logits and module.test_cfg.mode == 'whole'


def views_of(*logits: Tensor) -> list[SegDataSample]:
    return [SegDataSample(seg_logits=PixelData(data=one)) for one in logits]


def merged(model, views: list[SegDataSample]) -> Tensor:
    tta = SegmentorTTA.__new__(SegmentorTTA)
    torch.nn.Module.__init__(tta)
    tta.module = model
    (sample,) = tta.merge_preds([views])
    assert sample is views[0]
    return sample.pred_sem_seg.data


@pytest.mark.parametrize('kind', [Segmentor, EncoderDecoder])
@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
def test_one_view_of_one_channel_is_what_is_predicted(kind, test_cfg):
    """mmseg's seg_logits of one channel are probabilities: a second sigmoid would lift all above 0.5."""
    sigmoid = dict(type='CrossEntropyLoss', use_sigmoid=True)
    model = build(kind, classes=2, out_channels=1, threshold=0.4, loss_decode=sigmoid)
    (sample,) = predictions(model, test_cfg, torch.randn(1, 3, 96, 131), METAS[1:2])
    expected = sample.pred_sem_seg.data.clone()
    assert 0.1 < expected.float().mean() < 0.9
    assert torch.equal(merged(model, [sample]), expected.long())


def test_views_of_one_channel_are_averaged_before_the_threshold():
    model = build(Segmentor, classes=2, out_channels=1, threshold=0.6)
    one, other = torch.tensor([0.9, 0.5, 0.1, 0.7]), torch.tensor([0.5, 0.8, 0.3, 0.4])  # means 0.7, 0.65, 0.2, 0.55
    assert merged(model, views_of(one[None, None], other[None, None])).tolist() == [[[1, 1, 0, 0]]]


def test_views_of_many_channels_are_averaged_by_their_loss():
    one, other = torch.tensor([[4.0], [3.9], [0.0]]), torch.tensor([[-9.0], [0.5], [0.4]])
    softmax = ((one.softmax(0) + other.softmax(0)) / 2).argmax(0)
    logits = torch.tensor([[9.0], [9.0], [8.0]]), torch.tensor([[-5.0], [-5.0], [0.0]])
    views = lambda: views_of(*(v[:, None] for v in logits))  # noqa: E731
    by_softmax = build(Segmentor, classes=3)
    by_sigmoid = build(Segmentor, classes=3, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
    mixed = build(Segmentor, classes=3, loss_decode=[dict(type='CrossEntropyLoss'), dict(type='DiceLoss')])
    assert softmax.tolist() == [1]
    assert merged(by_softmax, views_of(one[:, None], other[:, None])).tolist() == [[[1]]]
    expected = sum(v.sigmoid() for v in logits).argmax(0).tolist()
    assert [expected] == merged(by_sigmoid, views())[0].tolist()
    expected = sum(v.softmax(0) for v in logits).argmax(0).tolist()
    assert [expected] == merged(by_softmax, views())[0].tolist() == merged(mixed, views())[0].tolist()


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize('mode', ['slides', 'Whole', '', None, 1])
def test_another_mode_is_refused(mode):
    with pytest.raises(UserError) as error:
        build(Segmentor, test_cfg=dict(SLIDE, mode=mode))
    assert str(error.value) == f"model.test_cfg.mode is {mode!r}: take 'whole' or 'slide'"


@pytest.mark.parametrize('key', ['crop_size', 'stride'])
@pytest.mark.parametrize(
    'sides',
    [
        *(0, 64, None, '64', (0, 64), (64, 0), (-1, 64), (64.0, 64.0), (42.5, 42.5), ('64', '64'), (True, True)),
        *((), (64,), (64, 64, 64), (None, 64)),
    ],
    ids=repr,
)
def test_windows_of_no_size_are_refused(key, sides):
    with pytest.raises(UserError) as error:
        build(Segmentor, test_cfg={**SLIDE, key: sides})
    assert str(error.value) == f'model.test_cfg.{key} is {sides!r}: windows need height and width, such as (512, 512)'


@pytest.mark.parametrize('key', ['crop_size', 'stride'])
def test_windows_without_a_size_are_refused(key):
    with pytest.raises(UserError, match=rf'^model\.test_cfg\.{key} is None: windows need height and width'):
        build(Segmentor, test_cfg={name: value for name, value in SLIDE.items() if name != key})


@pytest.mark.parametrize(
    'test_cfg',
    [
        *(None, {}, WHOLE, SLIDE, dict(SLIDE, crop_size=[64, 48], stride=[1, 1])),
        dict(WHOLE, crop_size=0, stride=None),  # not used
    ],
    ids=repr,
)
def test_settings_that_fit_are_taken(test_cfg):
    assert build(Segmentor, test_cfg=test_cfg).test_cfg == test_cfg


def linear_head(**options) -> LinearHead:
    with DefaultScope.overwrite_default_scope('mmseg'):
        head = LinearHead(num_classes=CLASSES, norm_cfg=dict(type='BN'), **options)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter)
    return head


FEATURES = [torch.randn(2, channels, side, side + 3) for channels, side in ((8, 16), (16, 8), (24, 4), (32, 2))]


@pytest.mark.parametrize(
    ('options', 'used'),
    [
        (dict(in_channels=32), [3]),
        (dict(in_channels=24, in_index=2), [2]),
        (dict(in_channels=[32], in_index=[3]), [3]),
        (dict(in_channels=(16, 24, 32), in_index=(1, 2, 3)), [1, 2, 3]),
        (dict(in_channels=[8, 32], in_index=[0, -1], align_corners=True), [0, 3]),
    ],
)
def test_a_linear_head_normalizes_and_multiplies_the_features(options, used):
    """Written out: standardized over images and positions, scaled, times the matrix of the classes."""
    head = linear_head(dropout_ratio=0, **options).train()
    size = FEATURES[used[0]].shape[2:]
    resized = [
        interpolate(FEATURES[i], size, mode='bilinear', align_corners=options.get('align_corners', False))
        for i in used
    ]
    x = torch.cat(resized, dim=1)
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    x = (x - mean) / (var + 1e-5).sqrt() * head.norm.weight[:, None, None] + head.norm.bias[:, None, None]
    expected = torch.einsum('kc,nchw->nkhw', head.conv_seg.weight[..., 0, 0], x) + head.conv_seg.bias[:, None, None]
    torch.testing.assert_close(head(FEATURES), expected, rtol=1e-4, atol=1e-4)
    assert sum(p.numel() for p in head.parameters()) == x.shape[1] * (CLASSES + 2) + CLASSES


def test_a_linear_head_drops_channels_before_it_normalizes():
    """As DINOv3's, whose statistics include the dropped channels."""
    head = linear_head(in_channels=32, dropout_ratio=1.0).train()
    logits = head(FEATURES)
    zeros = head.norm.bias @ head.conv_seg.weight[..., 0, 0].T + head.conv_seg.bias
    torch.testing.assert_close(logits, zeros[None, :, None, None].expand_as(logits))


def test_a_linear_head_has_mmsegs_loss_without_ignored_pixels():
    head = linear_head(in_channels=32, dropout_ratio=0).train()
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(CLASSES, (1, 64, 96)))) for _ in range(2)]
    samples[0].gt_sem_seg.data[:, :40] = 255
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples])
    logits = interpolate(head(FEATURES), (64, 96), mode='bilinear')
    # mmseg averages over all pixels, ignored ones too
    expected = cross_entropy(logits, labels, ignore_index=255, reduction='sum') / labels.numel()
    torch.testing.assert_close(head.loss(FEATURES, samples, {})['loss_ce'], expected)


@pytest.mark.parametrize(
    'options',
    [
        dict(in_channels=[16, 32]),
        dict(in_channels=[16, 32], in_index=[1, 2, 3]),
        dict(in_channels=32, in_index=[2, 3]),
    ],
)
def test_a_linear_head_with_channels_for_other_features_is_refused(options):
    with pytest.raises(UserError, match=r'decode_head\.in_channels .* and in_index .* are not of as many features'):
        linear_head(**options)


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_dynamic_convolutions_take_either_memory_format(memory_format):
    """mmseg's own fail in ``channels_last``; ours computes the same in both."""
    torch.manual_seed(0)
    settings = dict(filter_sizes=(1, 3), in_channels=4, channels=8, num_classes=3, norm_cfg=dict(type='BN'))
    with DefaultScope.overwrite_default_scope('mmseg'):
        stock, ours = MODELS.build(dict(settings, type='DMHead')).eval(), DMHead(**settings).eval()
    ours.load_state_dict(stock.state_dict())
    features = torch.rand(2, 4, 9, 9)
    torch.testing.assert_close(ours([features.to(memory_format=memory_format)]), stock([features]))
    if memory_format is torch.channels_last:
        with pytest.raises(RuntimeError, match='view size'):  # otherwise remove our DMHead
            stock.to(memory_format=memory_format)([features.to(memory_format=memory_format)])
