"""The document: data that can't end its script element, numbers that JSON lacks, fields in one pass."""

import json
import re

import pytest

from convnext_dense.analysis.page.document import Block, embeddable_json, render, without_nan
from tests.helpers.page_data import page_data

HOSTILE = '</script><script>alert(1)</script><!--{script}\u2028"\'`&amp; \u202e\u05d0'


@pytest.mark.parametrize('text', [HOSTILE, '{data}', '{title}', '\\u003c'])
def test_texts_come_back_as_they_were_and_end_nothing(text):
    html = ''.join(render(text, [Block('data-page', {text: [text]})]))
    assert page_data(html) == {'data-page': {text: [text]}}
    assert html.count('<script') == 4  # the theme, the charts, ours and the data
    assert '<script>alert' not in html and '<!--{' not in html
    assert re.search('<title>(.*?)</title>', html)[1].count('<') == 0


def test_numbers_that_json_lacks_are_null():
    content = {'a': [float('nan'), (float('inf'), 1.5)], 'b': {1: float('-inf')}}
    assert json.loads(embeddable_json(content)) == {'a': [None, [None, 1.5]], 'b': {'1': None}}
    assert without_nan(3.0) == 3.0


def test_paths_that_are_no_text_can_be_written():
    embeddable_json(b'\xff.jpg'.decode('utf-8', 'surrogateescape')).encode()
