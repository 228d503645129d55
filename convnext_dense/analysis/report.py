"""One self-contained HTML page of a run: curves, results, pictures."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..engine import COMMANDS
from ..engine.csv_log import read_scalars
from ..evaluation.names import split_names
from .show import INDEX

RAW, EMA, LR = '#0969da', '#bc4c00', '#57606a'
# What each task is judged by, in percent: title, what its recipe counts, metrics with what tells their curves apart.
# A run shows the first that it has logged.
HEADLINES: list[tuple[str, str, dict[str, str]]] = [
    ('top-1 on unseen pictures, %', 'epoch', {'top1': ''}),
    ('AP on unseen pictures, %', 'epoch', {'box_AP': 'boxes, ', 'mask_AP': 'masks, '}),
    ('mIoU on unseen pictures, %', 'optimizer step', {'mIoU': ''}),
]
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; }
body { max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; }
h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3rem; margin-top: 2.5rem; }
.lead { color: #57606a; margin-top: .2rem; } pre { background: #f6f8fa; padding: .8rem; white-space: pre-wrap; }
table { border-collapse: collapse; } td, th { padding: .25rem 1rem .25rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr { border-bottom: 1px solid #d1d9e0; }
.curves { margin-top: 1.5rem; } .curves svg { width: 100%; height: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: .7rem; }
.pictures figure { margin: 0; border: 1px solid #d1d9e0; border-radius: 6px; overflow: hidden; }
.pictures figure.wrong { border-color: #cf222e; } .pictures img { display: block; height: 190px; }
.pairs figure { margin: 0 0 1rem; border: 1px solid #d1d9e0; border-radius: 6px; padding: .6rem; }
.pairs img { display: block; max-width: 100%; } .pairs figcaption { color: #57606a; margin-top: .3rem; }
"""


def find_runs(folder: Path) -> list[Path]:
    """The work dirs at or below a folder, sorted: those that hold logged numbers."""
    return sorted({file.parents[2] for file in folder.glob('**/vis_data/scalars.csv')})


def page(title: str, runs: Sequence[Path]) -> str:
    """The page's HTML; pictures and curves are inside it."""
    sections = '\n'.join(_section(run) for run in runs)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n'
        f'<p class="lead">{len(runs)} run{"s" if len(runs) > 1 else ""} of convnext_dense</p>\n{sections}\n</html>\n'
    )


def _section(run: Path) -> str:
    series = read_scalars(run)
    parts = [f'<h2>{html.escape(run.name)}</h2>']
    commands = run / COMMANDS
    lines = commands.read_text().splitlines() if commands.is_file() else []
    metrics = run / 'metrics.json'
    if metrics.is_file():
        content = json.loads(metrics.read_text())
        lines += [content['command']] if 'command' in content else []
        parts.append(_results(content))
    if lines:
        parts.append(f'<pre>{html.escape(chr(10).join(lines))}</pre>')
    parts.append(f'<div class="curves">{_curves(series)}</div>')
    shown = run / 'show' / INDEX
    if shown.is_file():
        parts.append(_pictures(shown))
    return '\n'.join(parts)


def _results(content: dict) -> str:
    metrics = content['metrics']
    kinds, names = split_names(metrics)
    words = {'raw': 'raw weights', 'ema': 'their average (EMA)'}
    head = ''.join(f'<th>{words[kind]}</th>' for kind in kinds)
    rows = ''.join(
        f'<tr><td>{html.escape(name)}</td>' + ''.join(f'<td>{_number(metrics[f"{k}/{name}"])}</td>' for k in kinds)
        for name in names
    )
    return (
        f'<p>{html.escape(content["config"])} on {html.escape(content["data"])}, tested from '
        f'{html.escape(content["checkpoint"])}; metrics in percent.</p>'
        f'<table><tr><th></th>{head}</tr>{rows}</table>'
    )


def _number(value: float) -> str:
    return f'{value:.2f}' if isinstance(value, float) else str(value)


def _curves(series: dict[str, list[tuple[int, float]]]) -> str:
    """An SVG of what the task is judged by, and of loss and lr by step."""
    with matplotlib.rc_context({'svg.fonttype': 'none', 'font.size': 10, 'font.family': 'sans-serif'}):
        figure = Figure(figsize=(11, 3.6), layout='constrained')
        accuracy, loss = figure.subplots(1, 2)
        logged = {name.split('/')[-1] for name in series if name.startswith('val/')}
        title, unit, headline = next((line for line in HEADLINES if logged & line[2].keys()), HEADLINES[0])
        for kind, colour in (('raw', RAW), ('ema', EMA)):
            for (metric, what), style in zip(headline.items(), ('-', '--'), strict=False):
                if points := series.get(f'val/{kind}/{metric}'):
                    label = f'{what}{kind}, {points[-1][1]:.1f} at the end'
                    steps, values = zip(*points, strict=True)
                    accuracy.plot(steps, values, style, color=colour, marker='o', markersize=3, label=label)
        accuracy.set(title=title, xlabel=unit, ylim=(0, 105))
        if accuracy.lines:
            accuracy.xaxis.set_major_locator(MaxNLocator(integer=True))
            if len(accuracy.lines[0].get_xdata()) == 1:
                accuracy.set_xticks(accuracy.lines[0].get_xdata())
            peak = max(line.get_ydata().max() for line in accuracy.lines)
            if peak < 50:
                accuracy.set_ylim(0, 1.4 * peak + 0.1)  # with room for the legend
            accuracy.legend(frameon=False, loc='upper left' if peak < 50 else 'lower right')
        if points := series.get('train/loss'):
            loss.plot(*zip(*points, strict=True), color=RAW, label='loss')
        loss.set(title='training loss and learning rate', xlabel='optimizer step')
        loss.set_ylabel('loss', color=RAW)
        if points := series.get('train/lr'):
            lr = loss.twinx()
            lr.plot(*zip(*points, strict=True), color=LR, linestyle='--', label='lr')
            lr.set_ylabel('lr', color=LR)
            lr.set_ylim(bottom=0)
            lr.spines[['top']].set_visible(False)
        for axes in (accuracy, loss):
            axes.grid(alpha=0.25)
            axes.spines[['top', 'right']].set_visible(False)
        svg = io.StringIO()
        figure.savefig(svg, format='svg', metadata={'Date': None})
    text = svg.getvalue()
    return text[text.index('<svg') :]


def _pictures(index: Path) -> str:
    entries = json.loads(index.read_text())
    if not entries:
        return ''
    figures = [_figure(index.parent / entry['file'], entry) for entry in entries]
    if all('truth' in entry for entry in entries):
        right = sum(entry['prediction'] == entry['truth'] for entry in entries)
        title, layout = f'Predictions on unseen pictures: {right} of these {len(entries)} are right', 'pictures'
    else:
        title, layout = 'Predictions on unseen pictures, beside the truth', 'pairs'
    return f'<h3>{title}</h3><div class="{layout}">{"".join(figures)}</div>'


def _figure(file: Path, entry: dict) -> str:
    kind = 'jpeg' if file.suffix == '.jpg' else 'png'
    source = f'data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}'
    caption = html.escape(entry['caption'])
    if 'truth' in entry:  # the caption is in the picture
        wrong = '' if entry['prediction'] == entry['truth'] else ' class="wrong"'
        return f'<figure{wrong}><img alt="{caption}" src="{source}"></figure>'
    return f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'
