"""The ops in mmdet and mmseg as a whole, whatever was imported first."""

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convnext_dense import ops

# What the order of imports does can only be seen in a fresh interpreter: the functions from here to
# `try_all_orders` run there, from their source. They import all they need themselves.


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
    from mmseg.models.decode_heads import cc_head

    if importlib.util.find_spec('mmcv._ext') is None:
        for op in (bbox_nms.batched_nms, structures.roi_align):
            assert not op.__module__.startswith('mmcv'), 'mmdet has its ops without us: this test is void'
        assert cc_head.CrissCrossAttention is None, 'mmseg has its ops without us: this test is void'
    with open('config.py', 'w', encoding='utf-8') as config:
        config.write("custom_imports = dict(imports=['convnext_dense'])")
    Config.fromfile('config.py')
    assert bbox_nms.batched_nms.__module__ == 'mmcv.ops.nms'
    use_the_ops()

    from convnext_dense.compat.mmdet_placeholders import placeholders
    from convnext_dense.compat.mmseg_placeholders import missing_ops

    assert placeholders() == missing_ops() == []
    assert cc_head.CrissCrossAttention.__module__ == 'mmcv.ops.cc_attention'


def ops_alone(log):
    """The lines of docs/ops.md, and a layer that computes."""
    import convnext_dense.ops  # noqa: F401, I001 - this order is the subject
    from mmcv.ops import DeformConv2d

    import torch

    layer, x = DeformConv2d(2, 3, 3, padding=1), torch.randn(1, 2, 4, 5, requires_grad=True)
    output = layer(x, torch.zeros(1, 18, 4, 5))
    expected = torch.nn.functional.conv2d(x, layer.weight, padding=1)
    assert torch.allclose(output, expected, atol=1e-5)
    output.sum().backward()
    assert x.grad.abs().sum() > 0
    no_complaint(log)


def try_all_orders():
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
    for check in (ours_first, ours_last, ops_alone):
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
    functions = [use_the_ops, no_complaint, ours_first, ours_last, ops_alone, try_all_orders]
    source = '\n\n'.join(map(inspect.getsource, functions)) + '\n\ntry_all_orders()\n'
    (folder / 'orders.py').write_text(source, encoding='utf-8')
    path = os.pathsep.join(filter(None, [str(Path(ops.__file__).parents[2]), os.environ.get('PYTHONPATH')]))
    env = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen([sys.executable, 'orders.py'], cwd=folder, env=env, stderr=subprocess.PIPE)
    yield process, folder
    process.kill()
    process.communicate()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
@pytest.mark.timeout(300)
@pytest.mark.parametrize('order', ['ours_first', 'ours_last', 'ops_alone'])
def test_the_stack_imports_and_works(fresh_interpreter: tuple[subprocess.Popen, Path], order: str) -> None:
    process, folder = fresh_interpreter
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    log = (folder / f'{order}.log').read_text(encoding='utf-8')
    assert log.endswith('passed\n'), log


@pytest.mark.timeout(300)
def test_stock_tools_find_the_ops_before_any_config() -> None:
    """mmdet's test.py imports them at its top."""
    root = Path(__file__).parents[2]
    command = [sys.executable, str(root / 'tools' / 'run_stock.py'), 'mmdet/tools/test.py', '--help']
    env = {**os.environ, 'PYTHONPATH': str(root)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=env)
    assert done.returncode == 0, done.stderr
    assert 'MMDet test' in done.stdout
