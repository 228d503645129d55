"""Work dirs with logged numbers, results and drawn images, without training."""

import json
import re
from pathlib import Path

from PIL import Image

LOSS = {'train/loss': [(1, 2.0), (50, 1.0)], 'train/lr': [(1, 0.1), (50, 0.0)]}


def write_run(folder: Path, values: dict[str, list[tuple[int, float]]], entries: list[dict]) -> Path:
    """A work dir with logged numbers and images."""
    logs = folder / '20260101' / 'vis_data'
    logs.mkdir(parents=True)
    rows = [f'{step},{name},{value}' for name, points in values.items() for step, value in points]
    (logs / 'scalars.csv').write_text('\n'.join(['step,name,value', *rows]) + '\n')
    (folder / 'show').mkdir()
    (folder / 'show' / 'predictions.json').write_text(json.dumps(entries))
    for entry in entries:
        Image.new('RGB', (40, 30), (len(entry['file']), 0, 0)).save(folder / 'show' / entry['file'])
    return folder


def write_metrics(folder: Path, metrics: dict[str, float], per_class: dict | None = None) -> Path:
    """The results of a test in a work dir."""
    content = {
        'command': f'convnext-dense test {folder}',
        'config': 'c.py',
        'checkpoint': str(folder / 'epoch_2.pth'),
        'data': 'data/things',
        'metrics': metrics,
        'per_class': per_class or {},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'metrics.json').write_text(json.dumps(content))
    return folder


def written(svg: str) -> list[str]:
    """What the curves say."""
    return [text.strip() for text in re.findall(r'<text[^>]*>([^<]*)</text>', svg)]
