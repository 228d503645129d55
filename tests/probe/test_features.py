"""Features: those that the classifier's own head gets."""

import numpy as np
import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.probe.cache import FeatureCache, FileState
from convnext_dense.probe.features import check_finite, compute_features, extract
from tests.helpers.small_classifier import classifier


def batches(images: torch.Tensor, size: int) -> list[dict]:
    return [
        {'inputs': part, 'paths': [f'{i}' for i in range(start, start + len(part))], 'skipped': []}
        for start, part in zip(range(0, len(images), size), images.split(size), strict=True)
    ]


def states(count: int) -> dict[str, FileState]:
    return {str(i): FileState(f'/{i}', 1, 2, 3) for i in range(count)}


def test_the_head_on_them_gives_the_logits_of_the_classifier(tmp_path):
    model = classifier()
    seen = []
    model.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    images = torch.rand(7, 3, 40, 40)
    files, cache = states(7), FeatureCache(tmp_path, {}, 16)
    assert compute_features(model.train(), batches(images, 3), files, cache) == []
    features = torch.from_numpy(np.array(cache.features([files[str(i)] for i in range(7)])))
    logits = model.eval()(images)
    torch.testing.assert_close(features, seen[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(features @ model.head.weight.T + model.head.bias, logits, rtol=1e-5, atol=1e-4)
    assert not features.requires_grad


def test_bfloat16_is_near_and_not_the_same():
    model, images = classifier().eval(), torch.rand(2, 3, 64, 64)
    exact, rough = extract(model, images), extract(model, images, torch.bfloat16)
    assert rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, rtol=0.1, atol=0.2)


def test_a_run_that_is_cut_off_keeps_its_batches(tmp_path):
    model, images, files = classifier(), torch.rand(6, 3, 32, 32), states(6)

    def interrupted():
        yield from batches(images, 2)[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute_features(model, interrupted(), files, FeatureCache(tmp_path, {}, 16))
    cache = FeatureCache(tmp_path, {}, 16)
    assert [files[str(i)] in cache for i in range(6)] == [True] * 4 + [False] * 2


def test_skipped_images_are_returned(tmp_path):
    batch = {'inputs': torch.empty(0, 3, 32, 32), 'paths': [], 'skipped': ['broken.jpg']}
    counted = []
    assert compute_features(classifier(), [batch], {}, FeatureCache(tmp_path, {}, 16), advance=counted.append) == [
        'broken.jpg'
    ]
    assert counted == [1]


def test_weights_and_features_that_are_not_finite_are_named(tmp_path):
    model = classifier()
    check_finite(model.backbone, 'my.pth')
    images = torch.rand(2, 3, 32, 32)
    images[1] = torch.inf
    with pytest.raises(UserError, match=r'^the features of 1 are NaN or infinite: take other weights$'):
        compute_features(model, batches(images, 2), states(2), FeatureCache(tmp_path, {}, 16))
    assert len(FeatureCache(tmp_path, {}, 16)) == 0
    model.backbone.stages[2][0].pwconv1.bias.data[3] = torch.nan
    with pytest.raises(UserError, match=r'^my.pth: stages\.2\.0\.pwconv1\.bias of the backbone has values'):
        check_finite(model.backbone, 'my.pth')
