"""nms and RoIAlign against their definitions, and the stack importable without compiled ops, in any order."""

import importlib.util
import itertools
import math
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from convnext_dense import ops

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
DEVICES = ['cpu', pytest.param('cuda', marks=NO_GPU)]
COMPILED = importlib.util.find_spec(ops.EXT).loader is not ops.FINDER
OURS_ONLY = pytest.mark.skipif(COMPILED, reason='a compiled mmcv, which knows fewer dtypes, is installed')
FLOATS = [torch.float32, torch.float64]
REDUCED = [torch.float16, torch.bfloat16]


@pytest.fixture
def ext() -> ModuleType:
    """The stand-in itself, also where the environment has a compiled mmcv."""
    module = importlib.util.module_from_spec(ops.FINDER.find_spec(ops.EXT, None))
    ops.FINDER.exec_module(module)
    return module


# ---------------------------------------------------------------- definitions


def iou(a: np.ndarray, b: np.ndarray, offset: int) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def reference_nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> list[int]:
    """Take the best box that is left, drop all that overlap it by more than the threshold, repeat."""
    b = boxes.cpu().double().numpy()
    left = sorted(range(len(b)), key=lambda i: -scores[i].item())
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if iou(b[best], b[i], offset) <= iou_threshold]
    return kept


def sample_weights(start: float, extent: float, bins: int, samples: int, size: int) -> Tensor:
    """(bins, size): row i averages linear samples of a signal of `size` points over bin i, 0 beyond."""
    samples = samples or math.ceil(extent / bins)
    weights = torch.zeros(bins, size, dtype=torch.float64)
    for i, j in itertools.product(range(bins), range(samples)):
        at = start + (i + (j + 0.5) / samples) * extent / bins
        if -1 <= at <= size:
            at = min(max(at, 0), size - 1)
            low = min(math.floor(at), size - 1)
            weights[i, low] += (1 - (at - low)) / samples
            weights[i, min(low + 1, size - 1)] += (at - low) / samples
    return weights


def reference_roi_align(
    features: Tensor, rois: Tensor, size: tuple[int, int], scale: float, samples: int, aligned: bool
) -> Tensor:
    """(K, C, *size): bilinear sampling is linear along each axis, so a bin is two small matrices."""
    pooled = []
    for image, *box in rois.tolist():
        x1, y1, x2, y2 = (v * scale - 0.5 * aligned for v in box)
        width, height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        rows = sample_weights(y1, height, size[0], samples, features.shape[2])
        columns = sample_weights(x1, width, size[1], samples, features.shape[3])
        pooled.append(rows.to(features) @ features[int(image)] @ columns.to(features).T)
    return torch.stack(pooled)


def some_boxes(n: int, extent: float, dtype: torch.dtype, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, generator=generator, dtype=torch.float64) * extent * 1.2 - extent * 0.1
    sides = torch.rand(n, 2, generator=generator, dtype=torch.float64) * extent * 0.5
    return torch.cat([corners, corners + sides], 1).to(dtype)


# ------------------------------------------------------------------------ nms


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('offset', [0, 1])
def test_nms_is_its_definition(ext: ModuleType, device: str, dtype: torch.dtype, offset: int) -> None:
    for n, threshold in itertools.product([1, 2, 60], [0.1, 0.5, 0.7]):
        boxes = some_boxes(n, 20, dtype).to(device)
        scores = torch.rand(n, generator=torch.Generator().manual_seed(1), dtype=dtype).to(device)
        kept = ext.nms(boxes, scores, iou_threshold=threshold, offset=offset)
        assert kept.dtype == torch.int64 and kept.device == boxes.device
        assert kept.tolist() == reference_nms(boxes, scores, threshold, offset)


def test_nms_offset_decides(ext: ModuleType) -> None:
    boxes = torch.tensor([[0.0, 0, 3, 3], [2, 0, 5, 3]])  # IoU 1/5, and 8/24 when pixels have width 1
    scores = torch.tensor([0.5, 0.6])
    assert ext.nms(boxes, scores, iou_threshold=0.3, offset=0).tolist() == [1, 0]
    assert ext.nms(boxes, scores, iou_threshold=0.3, offset=1).tolist() == [1]


@pytest.mark.parametrize('tenths', range(1, 10))
@pytest.mark.parametrize('dtype', FLOATS)
def test_nms_keeps_an_iou_equal_to_the_threshold(ext: ModuleType, dtype: torch.dtype, tenths: int) -> None:
    boxes = torch.tensor([[0, 0, 10, 1], [0, 0, tenths, 1]], dtype=dtype)
    scores = torch.tensor([0.9, 0.8], dtype=dtype)
    assert ext.nms(boxes, scores, iou_threshold=tenths / 10, offset=0).tolist() == [0, 1]
    assert ext.nms(boxes, scores, iou_threshold=tenths / 10 - 1e-3, offset=0).tolist() == [0]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', REDUCED)
def test_nms_in_reduced_precision(ext: ModuleType, device: str, dtype: torch.dtype) -> None:
    boxes, scores = some_boxes(30, 20, dtype).to(device), torch.arange(30, device=device)
    kept = ext.nms(boxes, scores.to(dtype), iou_threshold=0.4, offset=0)
    assert kept.tolist() == reference_nms(boxes, scores, 0.4)
    assert ext.nms(boxes, scores.float(), iou_threshold=0.4, offset=0).tolist() == kept.tolist()


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('dtype', FLOATS + REDUCED)
def test_nms_of_nothing(ext: ModuleType, dtype: torch.dtype, offset: int) -> None:
    boxes, scores = torch.empty(0, 4, dtype=dtype), torch.empty(0, dtype=dtype)
    kept = ext.nms(boxes, scores, iou_threshold=0.5, offset=offset)
    assert kept.shape == (0,) and kept.dtype == torch.int64


@OURS_ONLY
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('split_thr', [10000, 10])
@pytest.mark.parametrize('class_agnostic', [False, True])
def test_batched_nms(dtype: torch.dtype, split_thr: int, class_agnostic: bool) -> None:
    from mmcv.ops import batched_nms

    boxes = some_boxes(40, 20, dtype).abs()
    scores = torch.rand(40, generator=torch.Generator().manual_seed(1), dtype=dtype)
    labels = torch.arange(40) % 3
    if class_agnostic and split_thr < 40:
        labels = torch.zeros_like(labels)  # mmcv's split path goes by label even then
    groups = [torch.arange(40)] if class_agnostic else [(labels == c).nonzero()[:, 0] for c in range(3)]
    expected = [g[k].item() for g in groups for k in reference_nms(boxes[g], scores[g], 0.3)]
    expected.sort(key=lambda i: -scores[i].item())

    config = dict(type='nms', iou_threshold=0.3, split_thr=split_thr)
    dets, kept = batched_nms(boxes, scores, labels, config, class_agnostic=class_agnostic)
    assert kept.tolist() == expected
    assert dets.dtype == dtype and torch.equal(dets, torch.cat([boxes, scores[:, None]], 1)[expected])


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_batched_nms_in_reduced_precision_and_of_nothing(dtype: torch.dtype) -> None:
    from mmcv.ops import batched_nms, nms

    boxes, scores = some_boxes(20, 20, dtype), torch.arange(20).to(dtype)
    dets, kept = batched_nms(boxes, scores, torch.zeros(20), dict(type='nms', iou_threshold=0.4))
    assert dets.dtype == dtype and kept.tolist() == reference_nms(boxes, scores, 0.4)
    dets, kept = nms(boxes[:0], scores[:0], 0.5)
    assert dets.shape == (0, 5) and kept.shape == (0,)


# ------------------------------------------------------------------- RoIAlign


def rois_on_two_images(dtype: torch.dtype) -> Tensor:
    """Inside, across every border, far outside, and without extent; in pixels of 2 x 2 cells per 4 pixels."""
    boxes = some_boxes(9, 24, dtype, seed=3)
    odd = torch.tensor([[-6, -5, 30, 29], [40, 40, 60, 60], [5, 6, 5, 6], [3, 2, 3.5, 20]], dtype=dtype)
    image = (torch.arange(13) % 2).to(dtype)[:, None]
    return torch.cat([image, torch.cat([boxes, odd])], 1)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', FLOATS)
@pytest.mark.parametrize('sampling_ratio', [0, 2])
@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_is_its_definition(device: str, dtype: torch.dtype, sampling_ratio: int, aligned: bool) -> None:
    """Forward and backward, through mmcv's own autograd function."""
    from mmcv.ops import roi_align

    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 11, 13, generator=generator, dtype=dtype).to(device).requires_grad_()
    rois, size = rois_on_two_images(dtype).to(device), (3, 4)
    args = (size, 0.5, sampling_ratio)
    pooled = roi_align(features, rois, *args, 'avg', aligned)
    expected = reference_roi_align(features, rois, *args, aligned)
    tolerance = dict(rtol=1e-5, atol=1e-5) if dtype == torch.float32 else dict(rtol=1e-11, atol=1e-12)
    assert pooled.abs().max() > 1
    torch.testing.assert_close(pooled, expected, **tolerance)

    weight = torch.randn(pooled.shape, generator=generator, dtype=dtype).to(device)
    (gradient,) = torch.autograd.grad(pooled, features, weight)
    (expected_gradient,) = torch.autograd.grad(expected, features, weight)
    assert gradient.abs().max() > 1
    torch.testing.assert_close(gradient, expected_gradient, **tolerance)


def test_roi_align_of_nothing_and_of_strided_input() -> None:
    from mmcv.ops import roi_align

    features = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    nothing = roi_align(features, torch.empty(0, 5), (7, 7), 0.25, 0, 'avg', True)
    assert nothing.shape == (0, 3, 7, 7)
    (gradient,) = torch.autograd.grad(nothing.sum(), features)
    assert gradient.shape == features.shape and not gradient.any()

    rois = rois_on_two_images(torch.float32)
    pooled = roi_align(features, rois, (2, 2), 0.5, 2, 'avg', True)
    torch.testing.assert_close(pooled, reference_roi_align(features, rois, (2, 2), 0.5, 2, True))
    weight = torch.randn(13, 2, 2, 3).permute(0, 3, 1, 2)
    (strided,) = torch.autograd.grad(pooled, features, weight, retain_graph=True)
    (dense,) = torch.autograd.grad(pooled, features, weight.contiguous())
    assert torch.equal(strided, dense)


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', REDUCED)
def test_roi_align_in_reduced_precision(device: str, dtype: torch.dtype) -> None:
    """Computed in float32 and rounded once; the gradient too."""
    from mmcv.ops import roi_align

    features = torch.randn(2, 3, 8, 8, device=device).to(dtype).requires_grad_()
    rois = rois_on_two_images(torch.float32).to(device)
    pooled = roi_align(features, rois, (2, 2), 0.5, 2, 'avg', True)
    expected = reference_roi_align(features.float(), rois, (2, 2), 0.5, 2, True)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.float(), expected, rtol=torch.finfo(dtype).eps, atol=1e-5)
    (gradient,) = torch.autograd.grad(pooled.sum(), features)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), features)
    torch.testing.assert_close(gradient, expected_gradient.to(dtype), rtol=torch.finfo(dtype).eps, atol=1e-5)


# ---------------------------------------------------------------- other ops


def test_max_pooling_says_so(ext: ModuleType) -> None:
    features, output, empty = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 2, 2), torch.zeros(0)
    for op, args in [('roi_align_forward', (features, output)), ('roi_align_backward', (output, features))]:
        with pytest.raises(NotImplementedError, match=f"{op} .pool_mode='max'.* build mmcv"):
            getattr(ext, op)(args[0], torch.zeros(1, 5), empty, empty, args[1], 2, 2, 1.0, 0, 0, True)


def test_any_other_op_names_itself(ext: ModuleType) -> None:
    for name in ['softnms', 'ms_deform_attn_forward', 'an_op_of_tomorrow']:
        assert hasattr(ext, name)  # mmcv asserts this when it is imported
        with pytest.raises(NotImplementedError, match=f'op {name} is not available.* build mmcv'):
            getattr(ext, name)(torch.zeros(1), iou_threshold=0.5)
    assert not hasattr(ext, '__path__') and not hasattr(ext, '_private')
    assert 'torchvision' in ext.get_compiler_version() and 'torchvision' in ext.get_compiling_cuda_version()


def test_a_torchvision_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'torchvision.ops', None)
    with pytest.raises(RuntimeError, match='install the torchvision that belongs to torch'):
        ops.FINDER.exec_module(ModuleType(ops.EXT))


# ------------------------------------------------- which module is mmcv._ext


@pytest.fixture
def no_ext_yet(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """mmcv as if nobody had imported its ops."""
    import mmcv.ops  # now, so that it is not first imported on top of what a test puts in

    monkeypatch.delitem(sys.modules, ops.EXT)
    monkeypatch.delattr(mmcv, '_ext')
    return mmcv


def test_install_answers_last_once_and_for_one_name_only() -> None:
    ops.install()
    ops.install()
    assert sys.meta_path.count(ops.FINDER) == 1
    for name in ['mmcv', 'mmcv.ops', '_ext', 'mmcv._ext.x', 'torchvision']:
        assert ops.FINDER.find_spec(name, None) is None
    assert isinstance(ops.FINDER.find_spec('mmcv._ext', None), ModuleSpec)


def test_a_compiled_ext_on_disk_is_left_alone(
    no_ext_yet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / '_ext.py').write_text('compiled = True\n', encoding='utf-8')
    monkeypatch.setattr(no_ext_yet, '__path__', [str(tmp_path), *no_ext_yet.__path__])
    importlib.invalidate_caches()
    ops.install()
    found = importlib.import_module(ops.EXT)
    assert found.compiled and found.__file__ == str(tmp_path / '_ext.py') and not hasattr(found, 'nms')


def test_an_ext_already_imported_is_left_alone(no_ext_yet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = ModuleType(ops.EXT)
    monkeypatch.setitem(sys.modules, ops.EXT, mine)
    ops.install()
    assert importlib.import_module(ops.EXT) is mine and vars(mine).get('nms') is None
