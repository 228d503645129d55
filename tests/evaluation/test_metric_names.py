"""The names of metrics."""

from convnext_dense.evaluation.metric_names import split_metric_names


def test_each_part_comes_once_and_in_order():
    assert split_metric_names(['raw/top1', 'raw/top5', 'ema/top1']) == (['raw', 'ema'], ['top1', 'top5'])
