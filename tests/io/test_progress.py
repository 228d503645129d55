"""Items pass a progress bar unchanged, whether it shows or not."""

import pytest

from convnext_dense.io.progress import MANY, busy, track


@pytest.mark.parametrize('count', [0, 3, MANY, MANY + 1])
def test_all_items_pass_in_order(count, capsys):
    assert list(track(range(count), 'reading')) == list(range(count))
    assert capsys.readouterr() == ('', '')  # not a terminal


def test_nothing_is_shown_without_a_terminal(capsys):
    with busy('reading'):
        pass
    assert capsys.readouterr() == ('', '')
