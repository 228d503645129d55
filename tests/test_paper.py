"""The published numbers hold together."""

from pathlib import Path

import mmdet
import pytest
import yaml

from convnext_dense import paper


def test_parameters_do_not_depend_on_resolution_or_pre_training():
    by_arch: dict[str, set[float]] = {}
    for row in (*paper.CONVNEXT_1K, *paper.CONVNEXT_22K_TO_1K):
        by_arch.setdefault(row.arch, set()).add(row.params)
    assert all(len(params) == 1 for params in by_arch.values()), by_arch


def test_macs_grow_with_the_area():
    rows = {(r.arch, r.resolution): r.macs for r in (*paper.CONVNEXT_1K, *paper.CONVNEXT_22K_TO_1K)}
    for (arch, resolution), macs in rows.items():
        if resolution == 384:
            assert macs / rows[arch, 224] == pytest.approx((384 / 224) ** 2, rel=0.015), arch


def test_more_data_more_pixels_and_more_weights_help():
    one = {(r.arch, r.resolution): r.top1 for r in paper.CONVNEXT_1K}
    two = {(r.arch, r.resolution): r.top1 for r in paper.CONVNEXT_22K_TO_1K}
    assert all(two[key] > top1 for key, top1 in one.items())
    assert all(two[arch, 384] > top1 for (arch, resolution), top1 in two.items() if resolution == 224)
    assert [r.top1 for r in paper.CONVNEXTV2_1K] == sorted(r.top1 for r in paper.CONVNEXTV2_1K)


def test_what_others_published_is_marked_as_theirs():
    ours = (*paper.MASK_RCNN_COCO, *paper.CASCADE_COCO, *paper.UPERNET_ADE20K)
    assert {row.by for row in ours} == {paper.AUTHORS}
    assert {row.by for row in paper.DINO_COCO} == {'detrex'}
    assert {row.by for row in paper.RTMDET_COCO} == {'mmdet'}
    of_22k = {row.arch: row.scores[0] for row in paper.DINO_COCO if row.data == 'ImageNet-22k'}
    of_1k = {row.arch: row.scores[0] for row in paper.DINO_COCO if row.data == 'ImageNet-1k'}
    assert list(of_1k.values()) == sorted(of_1k.values()) and list(of_22k.values()) == sorted(of_22k.values())
    assert all(of_22k[arch] > score for arch, score in of_1k.items())


def test_rtmdets_result_is_that_of_mmdets_metafile():
    file = Path(mmdet.__file__).parent / '.mim' / 'configs' / 'rtmdet' / 'metafile.yml'
    models = {model['Name']: model for model in yaml.safe_load(file.read_text())['Models']}
    (result,) = models['rtmdet_l_convnext_b_4xb32-100e_coco']['Results']
    assert paper.RTMDET_COCO[0].scores == (result['Metrics']['box AP'],)


def test_the_roadmap_has_the_same_steps_on_both_tracks():
    small, large = paper.ROADMAP.values()
    steps = [row.step for row in small]
    assert steps == [row.step for row in large]
    assert len(set(steps)) == len(steps) == 17


@pytest.mark.parametrize(
    ('track', 'arch', 'sections'),
    # What section 2 says of the ResNet-50 track in words, and appendix C of the other one.
    [
        (
            'resnet50',
            'tiny',
            {'baseline': 76.1, 'modern_recipe': 78.8, 'kernel_7': 80.6, 'separate_downsampling': 82.0},
        ),
        ('resnet200', 'base', {'inverted_bottleneck': 81.85 + 0.79, 'fewer_norms': 82.71 + 0.46}),
    ],
)
def test_the_roadmap_agrees_with_the_papers_other_numbers(track, arch, sections):
    rows = {row.step: row for row in paper.ROADMAP[track]}
    for step, top1 in sections.items():
        assert rows[step].top1 == pytest.approx(top1, abs=0.051), step
    # it ends where the table of sizes starts, which has EMA on
    end, published = rows['separate_downsampling'], next(p for p in paper.CONVNEXT_1K if p.arch == arch)
    assert 0 < published.top1 - end.top1 < 0.25
    assert end.misprint or end.macs == pytest.approx(published.macs, abs=0.051)
    # steps that change neither convolutions nor linear layers keep the MACs
    for step in ('gelu', 'fewer_activations', 'fewer_norms', 'layer_norm'):
        assert rows[step].misprint or rows[step].macs == rows['kernel_7'].macs, step
    assert rows['modern_recipe'].macs == rows['baseline'].macs


def test_the_misprints_are_the_two_of_table_10():
    misprints = {(track, row.step) for track, rows in paper.ROADMAP.items() for row in rows if row.misprint}
    assert misprints == {('resnet50', 'layer_norm'), ('resnet50', 'separate_downsampling')}


def test_spread_is_printed_where_three_seeds_were_run():
    small, large = paper.ROADMAP['resnet50'], paper.ROADMAP['resnet200']
    assert [row.step for row in small if row.std is None] == ['baseline']  # torchvision's weights
    assert all(row.std is None for row in large)


# Every address of weights in the README files of the two official repositories (ConvNeXt: the root, object_detection,
# semantic_segmentation; ConvNeXt-V2), by its folder.
ADDRESSES = {
    '': """
        tiny_1k_224_ema small_1k_224_ema base_1k_224_ema base_1k_384 large_1k_224_ema large_1k_384
        tiny_22k_224 tiny_22k_1k_224 tiny_22k_1k_384 small_22k_224 small_22k_1k_224 small_22k_1k_384
        base_22k_224 base_22k_1k_224 base_22k_1k_384 large_22k_224 large_22k_1k_224 large_22k_1k_384
        xlarge_22k_224 xlarge_22k_1k_224_ema xlarge_22k_1k_384_ema
        iso_small_1k_224_ema iso_base_1k_224_ema iso_large_1k_224_ema
        tiny_1k_224 small_1k_224 base_1k_224
    """,
    'coco/mask_rcnn_': 'tiny_1k_3x',
    'coco/cascade_mask_rcnn_': 'tiny_1k_3x small_1k_3x base_1k_3x base_22k_3x large_22k_3x xlarge_22k_3x',
    'ade20k/upernet_': """
        tiny_1k_512x512 small_1k_512x512 base_1k_512x512 base_22k_640x640 large_22k_640x640 xlarge_22k_640x640
    """,
    'convnextv2/im22k/': """
        nano_22k_224_ema nano_22k_384_ema tiny_22k_224_ema tiny_22k_384_ema base_22k_224_ema base_22k_384_ema
        large_22k_224_ema large_22k_384_ema huge_22k_384_ema huge_22k_512_ema
    """,
    'convnextv2/pt_only/': ' '.join(
        f'{arch}_1k_224_fcmae' for arch in ('atto', 'femto', 'pico', 'nano', 'tiny', 'base', 'large', 'huge')
    ),
    'convnextv2/im1k/': ' '.join(
        f'{arch}_1k_224_ema' for arch in ('atto', 'femto', 'pico', 'nano', 'tiny', 'base', 'large', 'huge')
    ),
}


def test_official_weights_are_those_that_the_official_pages_name():
    host, named = 'https://dl.fbaipublicfiles.com/convnext', set()
    for folder, names in ADDRESSES.items():
        network, suffix = ('convnextv2', 'pt') if folder.startswith('convnextv2') else ('convnext', 'pth')
        named |= {f'{host}/{folder}{network}_{name}.{suffix}' for name in names.split()}
    assert set(paper.OFFICIAL_WEIGHTS.values()) == named
    assert all(url.rpartition('/')[2].startswith(f'{name}.') for name, url in paper.OFFICIAL_WEIGHTS.items())
