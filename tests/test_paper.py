"""The published numbers hold together."""

import pytest

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
