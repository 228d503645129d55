"""Segmentors whose head finds masks and classes of queries: what they predict against mmseg's, and its memory."""

from collections.abc import Callable

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convnext_dense.models import label_map as labels
from convnext_dense.models.segmentor import Segmentor, SegmentorTTA
from tests.helpers.other_heads import write_head

WHOLE, SLIDE = dict(mode='whole'), dict(mode='slide', crop_size=(64, 64), stride=(43, 43))
METAS = [
    *(dict(ori_shape=(49, 67)), dict(ori_shape=(150, 201)), dict(flip=True, flip_direction='horizontal')),
    dict(img_padding_size=(0, 5, 2, 0), ori_shape=(77, 77)),
]
CLASSES, QUERIES = 150, 5  # of the helper's config


@pytest.fixture(scope='module', params=['mask2former_seg', 'maskformer'])
def models(request, tmp_path_factory) -> list:
    """Ours and mmseg's, with the same weights, and masks that are sure of themselves."""
    built = []
    settings = Config.fromfile(write_head(request.param, tmp_path_factory.mktemp('c'))).model
    for kind in (Segmentor, EncoderDecoder):
        torch.manual_seed(0)
        parts = {key: value for key, value in settings.items() if key not in ('type', 'data_preprocessor')}
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = kind(**ConfigDict(parts)).eval()
        head = model.decode_head
        with torch.no_grad():
            head.cls_embed.weight.mul_(8)
            head.mask_embed[-1].weight.mul_(20)
        built.append(model)
    built[1].load_state_dict(built[0].state_dict())
    return built


def predictions(model: EncoderDecoder, test_cfg: dict, images: Tensor, metas: list[dict]) -> list[SegDataSample]:
    model.test_cfg = ConfigDict(test_cfg)
    size = tuple(images.shape[2:])
    samples = [SegDataSample(metainfo=dict(dict(img_shape=size, ori_shape=size), **meta)) for meta in metas]
    with torch.inference_mode():
        return model.predict(images, samples)


@pytest.mark.parametrize('test_cfg', [WHOLE, SLIDE], ids=['whole', 'slide'])
def test_labels_and_scores_are_those_of_mmseg(models, test_cfg, monkeypatch):
    monkeypatch.setattr(labels, 'LOGITS_AT_ONCE', 200_000)  # a few rows
    images = torch.randn(len(METAS), 3, 97, 131)
    ours, theirs = (predictions(model, test_cfg, images, METAS) for model in models)
    kept = predictions(models[0], dict(test_cfg, keep_logits=True), images, METAS)
    for own, scored, stock in zip(ours, kept, theirs, strict=True):
        found, scores = own.pred_sem_seg.data, stock.seg_logits.data
        assert found.dtype == torch.uint8 and found.shape[1:] == scores.shape[1:] and 'seg_logits' not in own
        best, chosen = scores.max(0).values, scores.gather(0, found.long())[0]
        assert (best - chosen).max() < 1e-6 * best.max() and (chosen == best).float().mean() > 0.99
        torch.testing.assert_close(scored.seg_logits.data, stock.seg_logits.data, rtol=1e-4, atol=1e-6)
        assert torch.equal(scored.pred_sem_seg.data, scored.seg_logits.data.argmax(0, keepdim=True))
    assert max(len(own.pred_sem_seg.data.unique()) for own in ours) > 3


class Largest(TorchDispatchMode):
    """How many numbers the largest tensor has that is made."""

    numbers = 0

    def __torch_dispatch__(self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None):
        out = func(*args, **kwargs or {})
        self.numbers = max([self.numbers, *(leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor))])
        return out


def test_nothing_has_all_masks_or_classes_at_the_images_size(models, monkeypatch):
    monkeypatch.setattr(labels, 'LOGITS_AT_ONCE', CLASSES * 262 * 4)
    largest = []
    for model in models:
        with Largest() as seen:
            predictions(model, WHOLE, torch.randn(1, 3, 96, 131), [dict(ori_shape=(192, 262))])
        largest.append(seen.numbers)
    assert largest[0] < 5 * 192 * 262 < largest[1] == CLASSES * 192 * 262


def test_views_are_averaged_by_their_scores(models):
    """Sums of probabilities: a softmax of them would flatten what a view is sure of."""
    tta = SegmentorTTA.__new__(SegmentorTTA)
    torch.nn.Module.__init__(tta)
    tta.module = models[0]
    scores = [torch.tensor([[3.0], [2.0], [0.0]]), *[torch.tensor([[0.2], [0.75], [0.1]])] * 2]
    assert sum(view.softmax(0) for view in scores).argmax(0) == 0
    assert sum(scores).argmax(0) == 1
    views = [[SegDataSample(seg_logits=PixelData(data=view[:, None].clone()))] for view in scores]
    (sample,) = tta.merge_preds(list(zip(*views, strict=True)))
    assert sample.pred_sem_seg.data.tolist() == [[[1]]]
