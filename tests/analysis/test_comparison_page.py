"""The page of a comparison has its numbers, tables and names, and nothing from elsewhere."""

import json
import re
from dataclasses import replace

import numpy as np

from convnext_dense.analysis.comparison_page import as_diagnosis, write_comparison_page
from convnext_dense.diagnosis.findings.comparison import compare
from tests.diagnosis.findings.test_comparison import classified_runs
from tests.helpers import example_diagnoses as examples

NAMES = ('work_dirs/a', 'work_dirs/b')


def test_changes_are_headlines():
    comparison = compare(*classified_runs(60, seed=0), resamples=50)
    diagnosis = as_diagnosis(comparison, NAMES, 'convnext-dense compare work_dirs/a work_dirs/b')
    first, difference = diagnosis.headlines[0], comparison.differences[0]
    assert (first.name, first.value, first.low, first.high, first.unit) == (
        'top-1, change',
        difference.difference,
        difference.low,
        difference.high,
        'points',
    )
    assert [one.name for one in diagnosis.headlines if one.lower_is_better] == ['calibration error, change']
    assert diagnosis.checkpoint == 'work_dirs/b, after work_dirs/a' and diagnosis.tested_images == 60


def test_the_page(tmp_path):
    comparison = compare(*classified_runs(60, seed=0), resamples=50)
    out = tmp_path / 'new' / 'page.html'
    write_comparison_page(comparison, NAMES, out, 'convnext-dense compare work_dirs/a work_dirs/b', lambda *_: 'x')
    text = out.read_text()
    assert '<title>' in text and 'work_dirs/a and work_dirs/b' in text and 'convnext-dense compare' in text
    blocks = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', text, flags=re.S)
    content = json.dumps([json.loads(block) for block in blocks])
    for section in comparison.sections:
        assert section.title in content and json.dumps(section.lead)[1:-1] in content
    assert 'Fixed images' in content and 'top-1, change' in content
    assert not re.search(r'(src|href)="https?:', text)


def test_changed_images_are_shown_as_the_second_run_predicts_them(tmp_path):
    """Those that its diagnosis has, the most changed first, also if the first run knew them by other paths."""
    comparison = compare(*classified_runs(60, seed=0), resamples=50)
    changes = comparison.changes
    change = abs(changes.after - changes.before)
    order = [i for i in np.argsort(-change, kind='stable').tolist() if change[i] > 0]
    has = sorted([order[4], order[1], int(change.argmin())])  # two that changed and one that did not
    folder = tmp_path / 'diagnosis'
    whole = examples.classification(folder, 60)
    images = [replace(whole.images[i], path=f'{i}.jpg') for i in has]
    examples.write(replace(whole, images=images), folder)
    out = tmp_path / 'page.html'
    write_comparison_page(comparison, NAMES, out, 'compare', lambda *_: 'x', folder)
    blocks = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', out.read_text(), flags=re.S)
    _, details, records, files = (json.loads(block) for block in blocks)
    section = next(one for one in details['sections'] if one['id'] == 'images')
    gallery, table = section['blocks']
    assert [records[details['numbers'][str(i)]]['path'] for i in gallery['images']] == [
        f'{order[1]}.jpg',
        f'{order[4]}.jpg',
    ]
    before, after = changes.before[order[1]], changes.after[order[1]]
    assert gallery['captions'][0] == f'score of the true class {before:.1f}% to {after:.1f}%'
    assert all(one['src'].startswith('data:image/jpeg') for one in files)
    assert table['rows'][0][0] == f'{order[0]}.jpg'
