"""Report on runs as a self-contained HTML page: metrics, curves and images."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path

from ..engine import COMMANDS
from ..engine.csv_log import read_scalars
from ..evaluation.metric_names import split_metric_names
from . import METRICS_FILE, SHOW_FOLDER
from .curves import Series, draw
from .show import INDEX

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; }
body { max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; }
h2 { border-bottom: 1px solid #d1d9e0; padding-bottom: .3rem; margin-top: 2.5rem; }
.lead { color: #57606a; margin-top: .2rem; } pre { background: #f6f8fa; padding: .8rem; white-space: pre-wrap; }
table { border-collapse: collapse; } td, th { padding: .25rem 1rem .25rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; } tr { border-bottom: 1px solid #d1d9e0; }
.curves { margin-top: 1.5rem; } .curves svg { width: 100%; height: auto; }
.images { display: flex; flex-wrap: wrap; gap: .7rem; }
.images figure { margin: 0; border: 1px solid #d1d9e0; border-radius: 6px; overflow: hidden; }
.images figure.wrong { border-color: #cf222e; } .images img { display: block; height: 190px; }
.pairs figure { margin: 0 0 1rem; border: 1px solid #d1d9e0; border-radius: 6px; padding: .6rem; }
.pairs img { display: block; max-width: 100%; } .pairs figcaption { color: #57606a; margin-top: .3rem; }
"""


def page(title: str, runs: Sequence[Path]) -> str:
    """Build the HTML of a report on the work dirs of runs, with embedded images and curves."""
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
    metrics = run / METRICS_FILE
    if metrics.is_file():
        content = json.loads(metrics.read_text())
        lines += [content['command']] if 'command' in content else []
        parts.append(_results(content))
    if lines:
        parts.append(f'<pre>{html.escape(chr(10).join(lines))}</pre>')
    parts.append(f'<div class="curves">{_curves(run.name, series)}</div>')
    shown = run / SHOW_FOLDER / INDEX
    if shown.is_file():
        parts.append(_images(shown))
    return '\n'.join(parts)


def _results(content: dict) -> str:
    metrics = content['metrics']
    kinds, names = split_metric_names(metrics)
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


def _curves(run: str, series: Series) -> str:
    """Draw the curves of a run as SVG."""
    svg = io.StringIO()
    draw({run: series}, svg, 'svg')
    text = svg.getvalue()
    return text[text.index('<svg') :]


def _images(index: Path) -> str:
    entries = json.loads(index.read_text())
    if not entries:
        return ''
    figures = [_figure(index.parent / entry['file'], entry) for entry in entries]
    if all('ground_truth' in entry for entry in entries):
        right = sum(entry['prediction'] == entry['ground_truth'] for entry in entries)
        title, layout = f'Predictions on unseen images: {right} of these {len(entries)} are right', 'images'
    else:
        title, layout = 'Predictions on unseen images, beside the ground truth', 'pairs'
    return f'<h3>{title}</h3><div class="{layout}">{"".join(figures)}</div>'


def _figure(file: Path, entry: dict) -> str:
    kind = 'jpeg' if file.suffix == '.jpg' else 'png'
    source = f'data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}'
    caption = html.escape(entry['caption'])
    if 'ground_truth' in entry:  # the caption is in the image
        wrong = '' if entry['prediction'] == entry['ground_truth'] else ' class="wrong"'
        return f'<figure{wrong}><img alt="{caption}" src="{source}"></figure>'
    return f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'
