"""The counter against one that knows nothing of torch's: hooks on the layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mmdet
import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn

from convnext_dense.adaptation import adapt
from convnext_dense.adaptation.writing import config_text
from convnext_dense.analysis.complexity import Cost, count, count_config
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.models import ConvNeXt
from convnext_dense.models.layers import ACTIVATIONS
from convnext_dense.tasks.detection import DetectionTask
from convnext_dense.tasks.mmdet_models import COUNTED_SHAPE
from tests.helpers.other_heads import write_head
from tests.helpers.timm_kinds import SIZE


def by_hooks(model: nn.Module, run: Callable[[], object]) -> dict[str, Cost]:
    """Each module's cost, from the shapes of the weights and outputs of the layers in it; '' is the model itself."""
    of_layer = {name: [0, 0] for name, _ in model.named_modules()}

    def watch(name: str, layer: Any) -> None:
        def count_call(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            area = layer.weight[0, 0].numel()  # 1 of a matrix
            if isinstance(layer, nn.ConvTranspose2d):  # every input is spread over the kernel's area
                macs = inputs[0].numel() * area * layer.out_channels // layer.groups
            elif isinstance(layer, nn.Conv2d):
                macs = output.numel() * area * layer.in_channels // layer.groups
            else:
                macs = output.numel() * layer.in_features
            of_layer[name][0] += macs
            of_layer[name][1] += output.numel()

        layer.register_forward_hook(count_call)

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            watch(name, layer)
    with torch.no_grad():
        run()

    def inside(name: str, module: str) -> bool:
        return not module or f'{name}.'.startswith(f'{module}.')

    params = {name: p.numel() for name, p in model.named_parameters()}
    return {
        module: Cost(
            sum(number for name, number in params.items() if inside(name, module)),
            *(sum(numbers[i] for name, numbers in of_layer.items() if inside(name, module)) for i in (0, 1)),
        )
        for module in of_layer
    }


def meta(*shape: int) -> Tensor:
    return torch.empty(shape, device='meta')


def detect(model: Any) -> None:
    """The paper's rule: 1000 regions for every box head, 100 for every mask head."""
    model.rpn_head(model.extract_feat(meta(1, 3, 800, 1280)))
    for heads, regions, side in ((model.roi_head.bbox_head, 1000, 7), (model.roi_head.mask_head, 100, 14)):
        for head in heads if isinstance(heads, nn.ModuleList) else [heads]:
            head(meta(regions, 256, side, side))


def segment(model: Any) -> None:
    """The paper's rule: without the auxiliary head."""
    model.decode_head(model.backbone(meta(1, 3, 512, 2048)))


@pytest.mark.parametrize(
    ('config', 'run'),
    [
        ('classification/convnext_a.py', lambda model: model(meta(1, 3, 224, 224))),
        ('classification/convnextv2_a.py', lambda model: model(meta(1, 3, 224, 224))),
        ('classification/convnext_iso_s.py', lambda model: model(meta(1, 3, 224, 224))),
        ('classification/convnext_b_384.py', lambda model: model(meta(1, 3, 384, 384))),
        ('roadmap/r50_06_inverted_bottleneck.py', lambda model: model(meta(1, 3, 224, 224))),
        ('det/cascade_convnext_t_coco.py', detect),
        ('det/mask_rcnn_convnext_t_coco.py', detect),
        ('seg/upernet_convnext_t_ade20k.py', segment),
    ],
)
def test_every_module_agrees_with_hooks_to_the_last_mac(config, run):
    cfg = read_config(f'configs/{config}', needs_data=False)
    with torch.device('meta'):
        model = build_model(cfg).eval()
    expected = by_hooks(model, lambda: run(model))
    counted = count_config(cfg)
    assert (counted.params, counted.macs, counted.activations) == expected.pop('')
    assert counted.by_module == {name: cost for name, cost in expected.items() if any(cost)}
    assert counted.trained == counted.params


def test_an_image_of_twice_the_area_takes_twice_the_macs():
    cfg = read_config('configs/classification/convnext_a.py', needs_data=False)
    one, two = count_config(cfg, (64, 64)), count_config(cfg, (64, 128))
    head = one.by_module['head'].macs
    assert two.macs - head == 2 * (one.macs - head) > 0
    assert two.input_shape == (1, 3, 64, 128)


def test_the_config_s_own_resolution_classes_channels_and_frozen_stages_are_counted():
    options = {
        'test_dataloader.dataset.transform.input_size': 96,
        'model.num_classes': 10,
        'model.backbone.in_channels': 5,
        'model.backbone.frozen_stages': 1,
    }
    counted = count_config(read_config('configs/classification/convnext_a.py', options, needs_data=False))
    assert counted.input_shape == (1, 5, 96, 96)
    assert counted.by_module['head'] == Cost(321 * 10, 320 * 10, 10)
    frozen = sum(counted.by_module[name].params for name in ('backbone.downsample_layers.0', 'backbone.stages.0'))
    assert counted.params - counted.trained == frozen > 0


def test_a_detector_is_counted_with_as_many_regions_as_it_keeps():
    of = {}
    for regions in (10, 20):
        options = {'model.test_cfg.rpn.max_per_img': regions, 'model.test_cfg.rcnn.max_per_img': 2 * regions}
        cfg = read_config('configs/det/cascade_convnext_a_coco.py', options, needs_data=False)
        of[regions] = count_config(cfg, (64, 64))
    assert of[10].by_module['rpn_head'] == of[20].by_module['rpn_head']
    assert 2 * of[10].by_module['roi_head'].macs == of[20].by_module['roi_head'].macs > 0
    assert 'the box head on 20 and the mask head on 40 regions' in of[20].rule


class Attention(nn.Module):
    def forward(self, x: Tensor) -> Tensor:  # (1, positions, channels) -> the same
        return (x @ x.transpose(1, 2)).softmax(-1) @ x


def test_matrix_products_count_and_other_operators_are_named():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),  # 4 x 6
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 2 x 3
        nn.Upsample(scale_factor=2, mode='bilinear'),
        nn.Flatten(2),
        Attention(),  # of 8 positions with 24 channels
        nn.ReLU(),
    )
    counted = count(model, (4, 6))
    assert counted.params == 8 * 27 + 16
    assert counted.macs == 24 * 8 * 27 + 2 * (8 * 8 * 24)
    assert counted.activations == 24 * 8 + 8 * 8 + 8 * 24
    assert counted.by_module['6'] == Cost(0, 2 * (8 * 8 * 24), 8 * 8 + 8 * 24)
    of_conv = dict(normalization=1, elementwise=2, pooling=1, interpolation=1, softmax=1)
    assert {kind: times for kind, times in counted.not_counted.items() if kind != 'copy'} == of_conv


def test_a_model_with_weights_counts_the_same():
    with torch.device('meta'):
        model = build_model(read_config('configs/classification/convnext_a.py', needs_data=False))
    expected = count(model, (64, 96))
    assert count(model.to_empty(device='cpu'), (64, 96))[:6] == expected[:6]


@pytest.mark.parametrize(
    ('config', 'shape', 'words'),
    [
        ('classification/convnext_a.py', (224, 31), 'at least 32 x 32'),
        ('classification/convnext_iso_s.py', (15, 16), 'at least 16 x 16'),
        ('seg/upernet_convnext_a_ade20k.py', (16, 64), 'at least 32 x 32'),
        ('classification/convnext_a.py', (10**12, 10**12), 'does not run'),
    ],
)
def test_shapes_that_do_not_go(config, shape, words):
    with pytest.raises(UserError, match=words):
        count_config(read_config(f'configs/{config}', needs_data=False), shape)


@pytest.mark.parametrize(
    ('name', 'options', 'words'),
    [
        ('retinanet', {'model.neck.in_channels': [8, 16, 24, 33]}, "the config's model.neck, which gets 8 channels"),
        ('retinanet', {'model.bbox_head.in_channels': 9}, "the config's model.bbox_head, which gets 16 channels"),
        ('dino', {'model.neck.in_channels': [24, 31]}, "the config's model.neck, which gets 24 channels"),
        (
            'dino',
            {'model.bbox_head.embed_dims': 30},
            r'model\.bbox_head\.cls_branches\..*, which is Linear\(in_features=30',
        ),
        ('fcn', {'model.decode_head.in_channels': 9}, "the config's model.decode_head, which gets 8 channels"),
    ],
)
def test_the_part_that_does_not_fit_is_named(name, options, words, tmp_path):
    with pytest.raises(UserError, match=words) as error:
        count_config(read_config(str(write_head(name, tmp_path)), options, needs_data=False), (64, 64))
    assert '\n' not in str(error.value)


def test_the_points_that_pointrend_refines_are_counted(tmp_path):
    """In each subdivision, the linear layers of 3 x 1 convolutions on as many points."""
    config = write_head('fcn', tmp_path)
    point = """
neck = dict(type='mmseg.FPN', in_channels=[8, 16, 24, 32], out_channels=16, num_outs=4)
model = dict(common, type='mmseg.CascadeEncoderDecoder', num_stages=2, neck=neck, decode_head=[
    dict(one, type='mmseg.FCNHead', in_channels=16, in_index=0, num_convs=1, num_classes=5),
    dict(one, type='mmseg.PointHead', in_channels=[16], in_index=[0], channels=8, num_fcs=1, num_classes=5)],
    test_cfg=dict(mode='whole', subdivision_steps=2, subdivision_num_points=50, scale_factor=2))
"""
    config.write_text(config.read_text().partition('model = dict(common')[0] + point)
    counted = count_config(read_config(str(config), needs_data=False), (64, 64))
    of_point = 8 * (16 + 5) + 5 * (8 + 5)  # one layer, and the logits, each beside the coarse ones
    assert counted.by_module['decode_head.1'].macs == 2 * 50 * of_point


def test_the_smallest_shapes_go():
    assert count_config(read_config('configs/classification/convnext_iso_s.py', needs_data=False), (16, 16)).macs
    assert count_config(read_config('configs/seg/upernet_convnext_a_ade20k.py', needs_data=False), (32, 32)).macs
    assert count_config(read_config('configs/det/cascade_convnext_a_coco.py', needs_data=False), (32, 32)).macs


def test_a_detector_of_one_stage_is_refused():
    class OneStage(nn.Conv2d):
        with_rpn = False

    with pytest.raises(UserError, match='OneStage is not counted'):
        count(OneStage(3, 8, 1), COUNTED_SHAPE, DetectionTask().run_counted)


@pytest.mark.parametrize('activation', ACTIVATIONS)
def test_every_stem_norm_and_activation_is_counted(activation):
    for stem, norm in (('overlap_act', 'simple_norm'), ('overlap_tiered', 'rms_norm')):
        with torch.device('meta'):
            model = ConvNeXt(SIZE, stem=stem, norm=norm, activation=activation, kernel_size=(7, 5, 5, 3))
        counted = count(model, (64, 96))
        expected = by_hooks(model, lambda model=model: model(meta(1, 3, 64, 96)))['']
        assert (counted.params, counted.macs, counted.activations) == tuple(expected)


# Published for mmdet's own configs: parameters in 10^6, cut or rounded to the printed digits, and MACs in 10^9 at a
# size. DINO: table 1 of arXiv 2203.03605 and EasyCV's configs/detection/dino; Mask2Former: table 1 of arXiv
# 2112.01527; RTMDet: mmdet's configs/rtmdet/README.md; RetinaNet: mmdet's
# docs/en/user_guides/useful_tools.md, without what is frozen.
PUBLISHED = {
    'dino/dino-4scale_r50_8xb2-12e_coco.py': ('47', None, (256, 320)),
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py': ('44', None, (64, 64)),
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py': ('44', None, (64, 64)),
    'rtmdet/rtmdet_l_8xb32-300e_coco.py': ('52.3', 80.23, (640, 640)),
    'rtmdet/rtmdet_m_8xb32-300e_coco.py': ('24.71', 39.27, (640, 640)),
    'retinanet/retinanet_r50_fpn_1x_coco.py': ('37.74', 239.32, (800, 1280)),
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_models_of_mmdet_have_their_published_size(name):
    cfg = Config.fromfile(Path(mmdet.__file__).parent / '.mim' / 'configs' / name)
    printed, macs, shape = PUBLISHED[name]
    cfg.merge_from_dict(dict(task='detection', default_scope='mmdet'))
    cfg.model.backbone.pop('init_cfg', None)
    found = count_config(cfg, ImageSize(*shape))
    params = found.trained if 'retinanet' in name else found.params
    digit = 10.0 ** -len(printed.partition('.')[2])
    assert -digit / 2 <= params / 1e6 - float(printed) < digit
    # mmdet's counter adds norms and activations, which ours does not count
    assert macs is None or 0.994 * macs < found.macs / 1e9 < macs


def by_definition(image: tuple[int, int], depths: list[int], dims: list[int]) -> dict[str, int]:
    """MACs of Deformable DETR without refinement (arXiv 2010.04159) on a ConvNeXt, from their equations.

    Sampling is no matrix product: with C channels, each query of deformable attention takes a linear layer to x, y and
    weight of M * L * K samples and one of the result, and each cell of the levels one to its value.
    """
    channels, hidden, layers, queries, classes, samples = 256, 1024, 6, 300, 80, 8 * 4 * 4
    areas = [image[0] * image[1] // (4 * 2**stage) ** 2 for stage in range(4)]
    stem = 4 * 4 * 3 * dims[0] * areas[0]
    downsamples = sum(2 * 2 * dims[i - 1] * dims[i] * areas[i] for i in (1, 2, 3))
    blocks = sum(n * area * (7 * 7 * d + 2 * 4 * d * d) for n, d, area in zip(depths, dims, areas, strict=True))
    last = -(-image[0] // 64) * -(-image[1] // 64)  # of a 3 x 3 convolution of stride 2
    cells = sum(areas[1:]) + last
    neck = (
        sum(area * d * channels for area, d in zip(areas[1:], dims[1:], strict=True)) + last * 9 * dims[3] * channels
    )

    def deformable(count: int) -> int:
        return cells * channels**2 + count * channels * 3 * samples + count * channels**2

    def feed_forward(count: int) -> int:
        return 2 * count * channels * hidden

    among_queries = 4 * queries * channels**2 + 2 * queries**2 * channels
    decoder = layers * (among_queries + deformable(queries) + feed_forward(queries))
    points = queries * channels * 2  # of which every query has one
    head = layers * queries * (channels * classes + 2 * channels**2 + channels * 4)
    return {
        'backbone': stem + downsamples + blocks,
        'neck': neck,
        'encoder': layers * (deformable(cells) + feed_forward(cells)),
        'decoder': decoder,
        'reference_points_fc': points,
        'bbox_head': head,
    }


def test_an_adapted_deformable_detr_is_counted_as_defined(tmp_path):
    """Its layers share one head, whose parameters a counter of calls can take for those of others."""
    file = tmp_path / 'adapted.py'
    source = 'mmdet:deformable_detr/deformable-detr_r50_16xb2-50e_coco.py'
    file.write_text(config_text(adapt(source, 'atto')))
    found = count_config(read_config(str(file), needs_data=False), ImageSize(128, 192))
    expected = by_definition((128, 192), [2, 2, 6, 2], [40, 80, 160, 320])
    assert {name: found.by_module[name].macs for name in expected} == expected
    assert found.macs == sum(expected.values())
    assert found.rule.startswith('backbone, neck, encoder, decoder and head')
    assert found.not_counted['sampling (deformable attention)'] == 12 * 4  # in each layer from each level
