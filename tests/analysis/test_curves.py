"""Curves: which runs they are of, what they are smoothed with, what the figure says."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from convnext_dense.analysis.curves import draw, find_runs, read_runs, smooth
from convnext_dense.errors import UserError
from tests.helpers.written_runs import LOSS, write_run, written


def test_smoothing_is_a_mean_over_a_twentieth_of_the_run():
    values = np.random.default_rng(0).normal(size=100)
    expected = [values[max(0, i - 2) : i + 3].mean() for i in range(100)]  # 5 of 100 points
    assert np.allclose(smooth(values), expected)
    assert np.array_equal(smooth(values[:19]), values[:19])
    assert len(smooth([])) == 0


def test_runs_of_one_name_are_told_apart(tmp_path):
    for folder in ('a/run', 'b/run', 'b/other'):
        write_run(tmp_path / folder, LOSS, [])
    assert list(read_runs([tmp_path / 'a', tmp_path / 'b' / 'other'])) == ['run', 'other']
    assert list(read_runs([tmp_path])) == ['a/run', 'b/other', 'b/run']
    assert list(read_runs([tmp_path / 'a', tmp_path / 'a' / 'run'])) == ['run']
    with pytest.raises(UserError, match=r'no run in .*nowhere: name a work dir'):
        find_runs(tmp_path / 'nowhere')


def said(runs: dict, folder: Path) -> list[str]:
    draw(runs, folder / 'curves.svg', 'svg')
    return written((folder / 'curves.svg').read_text())


def test_the_figure_of_one_run_has_every_group_and_kind_of_memory(tmp_path):
    lr = {f'train/lr/layer_{i}_{kind}': [(1, 0.1), (9, 0.2)] for i in (10, 9) for kind in ('decay', 'no_decay')}
    memory = {'memory': [(1, 1024.0), (9, 3072.0)], 'host_memory': [(1, 512.0), (9, 512.0)]}
    text = said({'one': {**LOSS, **lr, **memory}}, tmp_path)
    assert [word for word in text if word.startswith('layer')] == ['layer_9', 'layer_10']  # of one lr, each once
    for words in ('training loss', 'learning rate', 'peak memory so far, GB', 'GPU', 'process'):
        assert words in text
    assert '3.0' in text and '3000' not in text  # GB


def test_a_run_that_logged_once_has_points(tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(Figure, 'savefig', lambda figure, *_, **__: figures.append(figure))
    for points in ([(6, 5.5)], [(6, 5.5), (7, 5.4)]):
        draw({'one': {'train/loss': points, 'train/lr': points}}, tmp_path / 'curves.svg', 'svg')
    markers = [[line.get_marker() for axes in figure.axes for line in axes.lines] for figure in figures]
    assert markers == [['o', 'o'], ['None', 'None']]


def test_the_figure_of_several_runs_names_them(tmp_path):
    many = {'train/loss': [(step, 3.0 - step / 50) for step in range(1, 101)]}
    runs = {
        'a': {**many, 'val/raw/mIoU': [(50, 20.0), (100, 61.04)]},
        'b': {**LOSS, 'val/raw/top1': [(1, 30.0)], 'val/ema/top1': [(1, 41.0)]},
    }
    text = said(runs, tmp_path)
    assert 'a: raw, 61.0 at the end' in text
    assert {'b: raw, 30.0 at the end', 'b: ema, 41.0 at the end'} <= set(text)
    assert {'mIoU on unseen images, %', 'top-1 on unseen images, %'} <= set(text)
    assert text.count('a') == text.count('b') == 2  # in the legends of loss and lr
    assert any(re.search(r'faint: as logged; line: mean over 5% of the run', word) for word in text)
