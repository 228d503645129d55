"""nms and RoIAlign against their definitions, and the stack importable without compiled ops, in any order."""

import importlib.util
import inspect
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Iterator
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


# ------------------------------------------------------------ the whole stack
#
# What the order of imports does can only be seen in a fresh interpreter: the functions from here to
# `try_both_orders` run there, from their source. They import all they need themselves.


def use_the_ops():
    """One training step and one prediction of a two-stage detector's heads."""
    import mmdet.models  # noqa: F401 - registers
    import torch
    from mmdet.registry import MODELS
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.config import ConfigDict
    from mmengine.structures import InstanceData

    coder, iou = dict(type='mmdet.DeltaXYWHBBoxCoder'), dict(type='nms', iou_threshold=0.7)
    cross_entropy = dict(type='mmdet.CrossEntropyLoss')
    assigner = dict(type='mmdet.MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5)
    sampler = dict(type='mmdet.RandomSampler', num=16, pos_fraction=0.5, add_gt_as_proposals=True)
    box_roi, mask_roi = (
        dict(
            type='mmdet.SingleRoIExtractor',
            out_channels=8,
            featmap_strides=[4, 8],
            roi_layer=dict(type='RoIAlign', output_size=size, sampling_ratio=0),
        )
        for size in (3, 4)
    )
    rpn = dict(
        type='mmdet.RPNHead',
        in_channels=8,
        feat_channels=8,
        anchor_generator=dict(type='mmdet.AnchorGenerator', scales=[4], ratios=[1.0], strides=[4, 8]),
        bbox_coder=coder,
        loss_cls=dict(cross_entropy, use_sigmoid=True),
        test_cfg=dict(nms_pre=50, max_per_img=20, nms=iou, min_bbox_size=0),
    )
    heads = dict(
        type='mmdet.StandardRoIHead',
        bbox_roi_extractor=box_roi,
        bbox_head=dict(
            type='mmdet.Shared2FCBBoxHead',
            in_channels=8,
            fc_out_channels=8,
            roi_feat_size=3,
            num_classes=2,
            bbox_coder=coder,
            loss_cls=cross_entropy,
        ),
        mask_roi_extractor=mask_roi,
        mask_head=dict(
            type='mmdet.FCNMaskHead',
            num_convs=1,
            in_channels=8,
            conv_out_channels=8,
            num_classes=2,
            loss_mask=dict(cross_entropy, use_mask=True),
        ),
        train_cfg=dict(assigner=assigner, sampler=sampler, mask_size=8, pos_weight=-1, debug=False),
        test_cfg=dict(score_thr=0.0, nms=iou, max_per_img=5, mask_thr_binary=0.5),
    )
    torch.manual_seed(0)
    rpn, heads = MODELS.build(ConfigDict(rpn)), MODELS.build(ConfigDict(heads))
    features = [torch.randn(1, 8, size, size, requires_grad=True) for size in (16, 8)]
    masks = torch.zeros(1, 64, 64).numpy()
    masks[0, 8:40, 8:40] = 1
    objects = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 40, 40]]), labels=torch.tensor([1]), masks=BitmapMasks(masks, 64, 64)
    )
    shape = dict(img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0))
    sample = DetDataSample(metainfo=shape, gt_instances=objects)

    proposals = rpn.predict(features, [sample], rescale=False)
    assert 0 < len(proposals[0]) <= 20
    losses = heads.loss(features, proposals, [sample])
    sum(losses[name].sum() for name in ('loss_cls', 'loss_bbox', 'loss_mask')).backward()
    assert features[0].grad.abs().sum() > 0
    heads.eval()
    result = heads.predict(features, rpn.predict(features, [sample], rescale=False), [sample])[0]
    assert len(result) == 5 and result.masks.shape == (5, 64, 64)


def no_complaint(log):
    with open(log, encoding='utf-8') as file:
        text = file.read()
    complaints = ('not compiled', 'recompile', 'Fail to import', 'Traceback')
    assert not any(words in text for words in complaints), 'complaints, above'


def ours_first(log):
    import importlib.util
    import sys

    importlib.import_module('convnext_dense')
    assert not [m for m in sys.modules if m.split('.')[0] in ('mmdet', 'mmseg')]
    for name in ('mmdet.models', 'mmseg.models', 'mmdet.apis', 'mmseg.apis'):
        importlib.import_module(name)
    use_the_ops()

    import torch
    from mmcv.utils import collect_env
    from mmcv.utils.ext_loader import check_ops_exist
    from mmengine.model import revert_sync_batchnorm
    from mmengine.utils.dl_utils import mmcv_full_available

    assert check_ops_exist() and mmcv_full_available()
    assert sys.modules['mmcv._ext'].__spec__ is importlib.util.find_spec('mmcv._ext')
    assert 'MMCV Compiler' in collect_env()
    revert_sync_batchnorm(torch.nn.SyncBatchNorm(2))
    no_complaint(log)


def ours_last(log):
    import importlib.util
    import sys

    # what the stock train tools import before they read a config: none of it reaches an op
    for name in ('mmengine.config', 'mmengine.runner', 'mmdet.utils', 'mmseg.registry'):
        importlib.import_module(name)
    assert not [m for m in sys.modules if m.startswith(('mmcv.ops', 'mmdet.models', 'mmdet.structures'))]
    no_complaint(log)

    # a worse order, as in a notebook: mmdet has already settled for having no ops
    for name in ('mmdet.apis', 'mmseg.models'):
        importlib.import_module(name)
    from mmdet.models.layers import bbox_nms
    from mmdet.structures.mask import structures
    from mmengine.config import Config

    if importlib.util.find_spec('mmcv._ext') is None:
        for op in (bbox_nms.batched_nms, structures.roi_align):
            assert not op.__module__.startswith('mmcv'), 'mmdet has its ops without us: this test is void'
    with open('config.py', 'w', encoding='utf-8') as config:
        config.write("custom_imports = dict(imports=['convnext_dense'])")
    Config.fromfile('config.py')
    assert bbox_nms.batched_nms.__module__ == 'mmcv.ops.nms'
    use_the_ops()

    from convnext_dense.ops import placeholders

    # the cells of NAS-FPN are not compiled ops; nothing else may be left
    assert {op for _, _, op in placeholders()} <= {'GlobalPoolingCell', 'SumCell', 'ConcatCell'}


def try_both_orders():
    """Fork one interpreter that has loaded the heavy packages (none of them OpenMMLab's but mmengine)."""
    import contextlib
    import importlib
    import os
    import sys
    import traceback

    packages = 'torch torchvision mmengine.runner scipy.stats sklearn.metrics matplotlib.pyplot imgaug timm'
    for name in packages.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    children = {}
    for check in (ours_first, ours_last):
        pid = os.fork()
        if pid:
            children[pid] = check.__name__
            continue
        with open(check.__name__ + '.log', 'w', buffering=1, encoding='utf-8') as log:
            sys.stdout = sys.stderr = log
            try:
                check(log.name)
                print('passed')
            except BaseException:
                traceback.print_exc()
        os._exit(0)
    for pid in children:
        os.waitpid(pid, 0)


@pytest.fixture(scope='module', autouse=True)
def fresh_interpreter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen, Path]]:
    """Started with the first test of this file, so that it runs beside the others."""
    folder = tmp_path_factory.mktemp('orders')
    functions = [use_the_ops, no_complaint, ours_first, ours_last, try_both_orders]
    source = '\n\n'.join(map(inspect.getsource, functions)) + '\n\ntry_both_orders()\n'
    (folder / 'orders.py').write_text(source, encoding='utf-8')
    path = os.pathsep.join(filter(None, [str(Path(ops.__file__).parents[1]), os.environ.get('PYTHONPATH')]))
    env = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen([sys.executable, 'orders.py'], cwd=folder, env=env, stderr=subprocess.PIPE)
    yield process, folder
    process.kill()
    process.communicate()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
@pytest.mark.timeout(300)
@pytest.mark.parametrize('order', ['ours_first', 'ours_last'])
def test_the_stack_imports_and_works(fresh_interpreter: tuple[subprocess.Popen, Path], order: str) -> None:
    process, folder = fresh_interpreter
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    log = (folder / f'{order}.log').read_text(encoding='utf-8')
    assert log.endswith('passed\n'), log


@pytest.mark.timeout(300)
def test_stock_tools_find_the_ops_before_any_config() -> None:
    """mmdet's test.py imports them at its top; convnext_dense.pth makes that work."""
    root = Path(__file__).parents[1]
    code = (
        f'import runpy, site, sys; site.addsitedir({str(root)!r}); import mmdet; '
        "sys.argv = ['test.py', '--help']; assert 'convnext_dense' not in sys.modules; "
        "runpy.run_path(mmdet.__path__[0] + '/.mim/tools/test.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert 'MMDet test' in done.stdout
