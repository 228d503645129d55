"""Published rows find their configs, and differences are judged by the printed digits."""

import pytest

from convnext_dense import paper
from convnext_dense.analysis.complexity import Complexity, count_config
from convnext_dense.benchmark.published import Row, compare, rows
from convnext_dense.config.read import read_config

ROWS = list(rows())


def test_no_published_row_is_left_out():
    tables = (
        *(paper.CONVNEXT_1K, paper.CONVNEXT_22K_TO_1K, paper.CONVNEXTV2_1K, paper.ISOTROPIC_1K),
        *(*paper.ROADMAP.values(), paper.MASK_RCNN_COCO, paper.CASCADE_COCO),
        *(paper.DINO_COCO, paper.RTMDET_COCO, paper.UPERNET_ADE20K),
    )
    published = [row for table in tables for row in table]
    assert [row.macs and float(row.macs) for row in ROWS] == [row.macs for row in published]
    assert [row.by for row in ROWS] == [getattr(row, 'by', paper.AUTHORS) for row in published]
    assert [row.params and float(row.params) for row in ROWS] == [getattr(row, 'params', None) for row in published]
    notes = [getattr(row, 'note', '') or getattr(row, 'misprint', '') for row in published]
    assert [row.note for row in ROWS] == notes
    assert sum(map(bool, notes)) == 4


def test_rows_have_their_own_config():
    of_row = {(row.table, row.name): row.config for row in ROWS}
    for (table, name), stem in {
        ('ImageNet-1k', 'tiny, 224'): 'classification/convnext_t',
        ('ImageNet-1k', 'base, 384'): 'classification/convnext_b_384',
        ('ImageNet-22k, then 1k', 'xlarge, 224'): 'classification/convnext_xl_22k_to_1k',
        ('ImageNet-22k, then 1k', 'small, 384'): 'classification/convnext_s_22k_to_1k_384',
        ('V2, ImageNet-1k', 'huge, 224'): 'classification/convnextv2_h',
        ('Isotropic, ImageNet-1k', 'large, 224'): 'classification/convnext_iso_l',
        ('Roadmap from ResNet-50', 'ResNet'): 'roadmap/r50_00_baseline',
        ('Roadmap from ResNet-200', 'stage ratio'): 'roadmap/r200_02_stage_ratio',
        ('Mask R-CNN, COCO', 'tiny, ImageNet-1k'): 'det/mask_rcnn_convnext_t_coco',
        ('Cascade Mask R-CNN, COCO', 'base, ImageNet-22k'): 'det/cascade_convnext_b_22k_coco',
        ('DINO, COCO', 'large, ImageNet-1k'): 'det/dino_convnext_l_coco',
        ('DINO, COCO', 'tiny, ImageNet-22k'): 'det/dino_convnext_t_22k_coco',
        ('RTMDet, COCO', 'base, ImageNet-22k'): 'det/rtmdet_convnext_b_coco',
        ('UPerNet, ADE20K', 'base, ImageNet-1k'): 'seg/upernet_convnext_b_ade20k',
        ('UPerNet, ADE20K', 'xlarge, ImageNet-22k'): 'seg/upernet_convnext_xl_22k_ade20k',
    }.items():
        assert of_row[table, name] == f'configs/{stem}.py'
    assert len(set(of_row.values())) == len(ROWS)


ROADMAP = [row for row in ROWS if row.table.startswith('Roadmap')]


@pytest.mark.parametrize('row', ROADMAP, ids=lambda row: row.config)
def test_the_roadmap_s_configs_have_the_published_macs(row):
    """Other configs are counted where their recipes are tested."""
    difference = compare(row, count_config(read_config(row.config, needs_data=False)))['macs']
    assert difference.verdict == ('misprint' if row.note else 'within')


@pytest.mark.parametrize(
    ('printed', 'ours', 'verdict'),
    [
        ('34.4', 34.36, 'within'),
        ('34.4', 34.56, 'within'),
        ('34.4', 34.60, 'exceeds'),
        ('34.4', 34.20, 'exceeds'),
        ('4.5', 4.451, 'rounding'),  # by 1.1 percent
        ('4.50', 4.451, 'exceeds'),  # which says more
        ('4.10', 4.125, 'exceeds'),
        ('22', 22.45, 'rounding'),
        ('22', 22.55, 'exceeds'),
        ('3335', 3400, 'exceeds'),
    ],
)
def test_differences_are_judged_by_tolerance_and_printed_digits(printed, ours, verdict):
    counted = Complexity(round(ours * 1e6), 0, round(ours * 1e9), 0, (1, 3, 1, 1), '', {}, {})
    found = compare(Row('', '', '', printed, printed, 0.005), counted)
    assert [one.verdict for one in found.values()] == [verdict, verdict]
    assert found['macs'].relative == pytest.approx((ours - float(printed)) / float(printed))
    assert found['macs'].ours == pytest.approx(ours)
    # a misprint explains the MACs alone, and only what exceeds
    misprint = compare(Row('', '', '', printed, printed, 0.005, 'why', misprint=True), counted)
    assert misprint['macs'].verdict == ('misprint' if verdict == 'exceeds' else verdict)
    assert misprint['params'].verdict == verdict
    assert compare(Row('', '', '', None, printed, 0.005), counted).keys() == {'macs'}
