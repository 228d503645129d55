"""The page: each task's own curves, its images, nothing from elsewhere."""

import base64
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from convnext_dense.analysis.curves import find_runs
from convnext_dense.analysis.report import page


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


def written(svg: str) -> list[str]:
    """What the curves say."""
    return [text.strip() for text in re.findall(r'<text[^>]*>([^<]*)</text>', svg)]


LOSS = {'train/loss': [(1, 2.0), (50, 1.0)], 'train/lr': [(1, 0.1), (50, 0.0)]}
PAIR = {'path': 'a.jpg', 'caption': '3 predicted, 4 <annotated>'}
CURVES = [
    (
        {'val/raw/top1': [(1, 40.0), (2, 71.26)], 'val/ema/top1': [(1, 30.0), (2, 80.0)]},
        ['top-1 on unseen images, %', 'epoch', 'raw, 71.3 at the end', 'ema, 80.0 at the end'],
    ),
    (
        {
            'val/raw/box_AP': [(1, 20.0), (2, 31.5)],
            'val/raw/mask_AP': [(1, 1.0), (2, 25.0)],
            'val/raw/images': [(1, 9)],
        },
        ['AP on unseen images, %', 'epoch', 'boxes, raw, 31.5 at the end', 'masks, raw, 25.0 at the end'],
    ),
    (
        {'val/raw/mIoU': [(20, 20.0), (50, 61.0)], 'val/raw/aAcc': [(20, 3.0), (50, 4.0)]},
        ['mIoU on unseen images, %', 'optimizer step', 'raw, 61.0 at the end'],
    ),
]


@pytest.mark.parametrize(('values', 'expected'), CURVES)
def test_each_task_is_shown_by_its_own_metric(values, expected, tmp_path):
    run = write_run(tmp_path / 'run', {**LOSS, **values}, [])
    assert find_runs(tmp_path) == [run]
    text = written(page('demo', [run]))
    for words in expected:
        assert words in text
    others = {word for _, words in CURVES for word in words if 'unseen' in word} - set(expected)
    assert not others & set(text)
    curves = [word for word in text if 'at the end' in word]
    assert len(curves) == len([word for word in expected if 'at the end' in word])


def test_pairs_have_their_captions_below(tmp_path):
    entries = [{'file': '000_a.jpg', **PAIR}, {'file': '001_b.jpg', **PAIR}]
    run = write_run(tmp_path / 'run', {**LOSS, **CURVES[1][0]}, entries)
    text = page('demo', [run])
    assert text.count('<figcaption>3 predicted, 4 &lt;annotated&gt;</figcaption>') == 2
    assert 'class="wrong"' not in text and 'are right' not in text
    sources = re.findall(r'src="([^"]*)"', text)
    for entry, source in zip(entries, sources, strict=True):
        kind, data = source.split(',')
        assert kind == 'data:image/jpeg;base64'
        assert base64.b64decode(data) == (run / 'show' / entry['file']).read_bytes()


def test_thumbnails_are_counted_and_wrong_ones_marked(tmp_path):
    entries = [
        {
            'file': f'{i}.png',
            'path': '',
            'caption': f'predicted {p}, is cat',
            'prediction': p,
            'ground_truth': 'cat',
            'score': 1,
        }
        for i, p in enumerate(('cat', 'dog', 'cat'))
    ]
    text = page('demo', [write_run(tmp_path / 'run', {**LOSS, **CURVES[0][0]}, entries)])
    assert '2 of these 3 are right' in text
    assert text.count('data:image/png;base64') == 3 and '<figcaption>' not in text
    assert re.findall(r'class="wrong"><img alt="([^"]*)"', text) == ['predicted dog, is cat']


def test_runs_without_validation_or_images_have_a_page_too(tmp_path):
    text = page('demo', [write_run(tmp_path / 'run', LOSS, [])])
    assert 'training loss' in written(text)
    assert not re.search(r'(src|href)="http', text)
    assert '<h3>' not in text
