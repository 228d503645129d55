"""The page of a comparison has its numbers, tables and names, and nothing from elsewhere."""

import json
import re

from convnext_dense.analysis.comparison_page import as_diagnosis, write_comparison_page
from convnext_dense.diagnosis.findings.comparison import compare
from tests.diagnosis.findings.test_comparison import classified_runs

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
