"""The tests that docs/reliability.md names for its promises."""

import re

from tests.helpers.pages import ROOT, inline_code


def test_every_test_that_is_named_exists():
    tests = [code for code in inline_code(ROOT / 'docs' / 'reliability.md') if re.search(r'test_\w+\.py', code)]
    assert len(tests) > 50
    for test in tests:
        file, _, name = test.partition('::')
        source = (ROOT / 'tests' / file).read_text()
        assert not name or f'def {name}(' in source, test


def test_every_promise_names_a_test():
    rows = [line for line in (ROOT / 'docs' / 'reliability.md').read_text().splitlines() if line.startswith('| ')]
    promises = [row for row in rows if not row.startswith(('| promise |', '| --- |'))]
    assert len(promises) > 20
    assert all(re.search(r'\| `\w+/[\w/]*test_\w+\.py', row) for row in promises)
