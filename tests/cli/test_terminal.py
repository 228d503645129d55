"""Texts of data in lines of the terminal."""

from convnext_dense.cli.terminal import one_line


def test_line_breaks_and_controls_become_spaces():
    assert one_line('a\nb\r\tc\x1b[31md\x85e\u2028f\udc80g') == 'a b  c [31md e f g'
    text = 'zebra ä 猫 — 3 x 4'
    assert one_line(text) == text
