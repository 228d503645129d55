"""The list command: every packaged config, with what is published of it."""

import json
import subprocess
import sys

import pytest

from convnext_dense.analysis.complexity import count_config
from convnext_dense.cli import run_verb
from convnext_dense.cli.commands.list import entries
from convnext_dense.config.find import packaged_configs
from convnext_dense.config.read import read_config
from convnext_dense.paper import AUTHORS
from tests.helpers.run_tool import ROOT


@pytest.fixture
def listed(capsys):
    def run(*arguments: str) -> list[dict]:
        assert run_verb('list', [*arguments, '--json']) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_all_packaged_configs_are_listed_with_their_task(listed):
    found = {entry['config']: entry for entry in listed()}
    assert found.keys() == packaged_configs().keys()
    for config, entry in found.items():
        assert read_config(config, needs_data=False).task == entry['task'], config


@pytest.mark.parametrize(
    ('config', 'model', 'params', 'scores'),
    [
        ('classification/convnext_t', 'ConvNeXt-T', 28.6, {'top-1': 82.1}),
        ('classification/convnext_xl_22k_to_1k_384', 'ConvNeXt-XL', 350, {'top-1': 87.8}),
        ('classification/convnext_b_22k', 'ConvNeXt-B', None, {}),
        ('classification/convnextv2_a', 'ConvNeXt V2-A', 3.7, {'top-1': 76.7}),
        ('classification/convnext_iso_l', 'isotropic ConvNeXt-L', 306, {'top-1': 82.6}),
        ('roadmap/r200_07_depthwise_conv_up', 'roadmap from ResNet-200: depthwise_conv_up', None, {'top-1': 82.04}),
        ('det/mask_rcnn_convnext_t_coco', 'Mask R-CNN, ConvNeXt-T', 48, {'box AP': 46.2, 'mask AP': 41.7}),
        ('det/dino_convnext_l_22k_coco', 'DINO, ConvNeXt-L', None, {'box AP': 55.5}),
        ('det/rtmdet_convnext_b_coco', 'RTMDet-l, ConvNeXt-B', None, {'box AP': 53.1}),
        ('det/retinanet_convnext_t_coco', 'RetinaNet, ConvNeXt-T', None, {}),
        ('seg/deeplabv3plus_convnext_t_ade20k', 'DeepLabV3+, ConvNeXt-T', None, {}),
        ('det/cascade_convnextv2_b_coco', 'Cascade Mask R-CNN, ConvNeXt V2-B', None, {}),
        ('seg/linear_dinov3_b_ade20k', 'linear head, ConvNeXt-B', None, {}),
        ('seg/mask2former_convnext_xl_ade20k', 'Mask2Former, ConvNeXt-XL', None, {}),
        ('seg/deeplabv3plus_convnext_t_ade20k', 'DeepLabV3+, ConvNeXt-T', None, {}),
        ('seg/segformer_convnext_t_ade20k', "SegFormer's head, ConvNeXt-T", None, {}),
        ('panoptic/mask2former_convnext_a_coco', 'Mask2Former, ConvNeXt-A', None, {}),
        ('seg/upernet_convnext_l_22k_ade20k', 'UPerNet, ConvNeXt-L', 235, {'mIoU': 53.2, 'mIoU multi-scale': 53.7}),
    ],
)
def test_a_config_has_its_model_and_what_is_published(config, model, params, scores):
    (entry,) = [entry for entry in entries() if entry.config == f'configs/{config}.py']
    assert entry[2:5] == (model, params, scores)
    others = {'DINO': 'detrex', 'RTMDet-l': 'mmdet'}
    assert entry.published_by == (others.get(model.partition(',')[0], AUTHORS) if scores else '')


@pytest.mark.parametrize(
    ('pattern', 'start', 'count'),
    [
        ('SEG', 'configs/seg/', 24),
        ('detection', 'configs/det/', 30),
        ('Mask R-CNN, ConvNeXt-T', 'configs/det/', 2),
        ('Cascade R-CNN', 'configs/det/cascade_rcnn_convnext_', 4),
        ('panoptic', 'configs/panoptic/mask2former_convnext_', 5),
        ('Faster R-CNN', 'configs/det/faster_rcnn_convnext_', 2),
        ('convnext_?_384', 'configs/classification/', 2),
        ('configs/classification/*_22k.py', 'configs/classification/', 5),
        ('roadmap/r50', 'configs/roadmap/r50', 17),
    ],
)
def test_a_pattern_is_a_part_or_a_glob(listed, pattern, start, count):
    found = listed(pattern)
    assert len(found) == count
    assert all(entry['config'].startswith(start) for entry in found)


@pytest.mark.parametrize(
    ('pattern', 'said'),
    [
        ('upernt', "no config fits 'upernt': did you mean upernet?"),
        ('cascade_convnext_tt', 'did you mean configs/det/cascade_convnext_t_coco.py'),
        ('qqqqqq', "no config fits 'qqqqqq': `convnext-dense list` shows all"),
    ],
)
def test_a_pattern_that_nothing_fits_is_answered_with_near_names(capsys, pattern, said):
    assert run_verb('list', [pattern]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1


def test_parameters_that_are_not_published_are_counted_on_request(listed):
    (entry,) = listed('convnext_t_22k.py', '--count')
    assert entry['params'] * 1e6 == count_config(read_config(entry['config'], needs_data=False)).params
    assert entry['params'] == pytest.approx(28.6 - 0.769 + 16.795, abs=0.1)  # a head of 21841 classes, not of 1000


def test_the_table_is_a_line_a_config(capsys):
    assert run_verb('list', ['convnext_?_384']) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ['config', 'task', 'model', 'parameters', 'published', '(%)']
    assert [line.split() for line in lines] == [
        ['configs/classification/convnext_b_384.py', 'classification', 'ConvNeXt-B', '88.6M', 'top-1', '85.1'],
        ['configs/classification/convnext_l_384.py', 'classification', 'ConvNeXt-L', '198M', 'top-1', '85.5'],
    ]


def test_listing_imports_neither_torch_nor_mmengine():
    code = (
        'import sys; from convnext_dense.cli.main import main; main(["list", "seg"])\n'
        'print("heavy:", *{"torch", "mmengine", "numpy"} & sys.modules.keys())'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == 'heavy:'


def test_what_others_published_is_marked(capsys):
    assert run_verb('list', ['dino_convnext_t_coco']) == 0
    assert 'box AP 51.4 (detrex)' in capsys.readouterr().out
    assert run_verb('list', ['mask_rcnn_convnext_t']) == 0
    assert 'box AP 46.2, mask AP 41.7\n' in capsys.readouterr().out.replace(' \n', '\n')
