"""mmseg's slide inference with our backbone: it agrees with whole inference and leaves no pixel out."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from torch import Tensor

from convnext_dense.models import ConvNeXt
from convnext_dense.models.segmentor import _spans

CLASSES = 5


@pytest.fixture(scope='module')
def segmentor():
    from mmseg.registry import MODELS

    torch.manual_seed(0)
    head = dict(num_classes=CLASSES, channels=8, norm_cfg=dict(type='BN'), align_corners=False)
    head.update(in_channels=[40, 80, 160, 320], in_index=[0, 1, 2, 3], pool_scales=(1, 2, 3, 6))
    config = dict(
        type='EncoderDecoder',
        backbone=dict(type=ConvNeXt, arch='atto', layer_scale_init_value=1.0),
        decode_head=dict(type='UPerHead', **head),
        test_cfg=dict(mode='whole'),
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(config).eval()


def infer(model, images: Tensor, mode: str, crop: int = 64, stride: int = 43) -> Tensor:
    model.test_cfg = ConfigDict(mode=mode, crop_size=(crop, crop), stride=(stride, stride))
    size = tuple(images.shape[2:])
    with torch.inference_mode():
        return model.inference(images, [dict(img_shape=size, ori_shape=size) for _ in images])


@pytest.mark.parametrize('size', [(64, 64), (48, 61), (33, 64), (64, 37)])
def test_slide_equals_whole_up_to_the_crop(segmentor, size):
    images = torch.randn(2, 3, *size)
    whole, slide = infer(segmentor, images, 'whole'), infer(segmentor, images, 'slide')
    assert whole.shape == (2, CLASSES, *size)
    assert torch.allclose(slide, whole, atol=1e-5)
    assert whole.std() > 0.1


def windows(length: int, crop: int, stride: int) -> list[slice]:
    """The windows along one side: each a stride further, the last one at the end."""
    starts = [0]
    while starts[-1] + crop < length:
        starts.append(min(starts[-1] + stride, length - crop))
    return [slice(start, min(start + crop, length)) for start in starts]


@pytest.mark.parametrize('size', [(65, 64), (97, 131), (40, 151), (107, 107)])
def test_slide_is_the_mean_over_windows_on_odd_sizes(segmentor, size):
    images = torch.randn(1, 3, *size)
    total, count = torch.zeros(1, CLASSES, *size), torch.zeros(size)
    for rows in windows(size[0], 64, 43):
        for columns in windows(size[1], 64, 43):
            total[:, :, rows, columns] += infer(segmentor, images[:, :, rows, columns], 'whole')
            count[rows, columns] += 1
    assert count.min() == 1 and count.max() > 1
    assert torch.allclose(infer(segmentor, images, 'slide'), total / count, atol=1e-4)


@pytest.mark.parametrize(('crop', 'stride'), [(512, 341), (640, 426)])
@pytest.mark.parametrize('length', [1, 333, 511, 512, 513, 640, 641, 683, 853, 854, 1283, 2049])
def test_our_windows_are_the_published_ones(length, crop, stride):
    found = list(_spans(length, crop, stride))
    assert found == windows(length, min(crop, length), stride)
    assert {pixel for span in found for pixel in range(length)[span]} == set(range(length))


@pytest.mark.parametrize(('crop', 'stride'), [(512, 341), (640, 426)])
def test_the_published_windows_cover_every_pixel(segmentor, monkeypatch, crop, stride):
    """Where a window's logits are its own pixels, the mean over windows gives the image back."""
    monkeypatch.setattr(segmentor, 'encode_decode', lambda window, metas: window)
    monkeypatch.setattr(segmentor, 'out_channels', 1)
    for size in [(512, 683), (683, 512), (513, 511), (641, 1283), (333, 2049), (853, 854), (1, 1)]:
        images = torch.randn(1, 1, *size)
        assert torch.allclose(infer(segmentor, images, 'slide', crop, stride), images, atol=1e-6), size


def test_predictions_are_of_the_original_size(segmentor):
    from mmseg.structures import SegDataSample

    segmentor.test_cfg = ConfigDict(mode='slide', crop_size=(64, 64), stride=(43, 43))
    sample = SegDataSample(metainfo=dict(img_shape=(97, 131), ori_shape=(49, 67)))
    with torch.inference_mode():
        (predicted,) = segmentor.predict(torch.randn(1, 3, 97, 131), [sample])
    assert predicted.pred_sem_seg.data.shape == (1, 49, 67)
    assert predicted.seg_logits.data.shape == (CLASSES, 49, 67)
    assert torch.equal(predicted.seg_logits.data.argmax(0), predicted.pred_sem_seg.data[0])
