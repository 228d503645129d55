"""Fonts for any letters, and text that fits."""

import pytest

from convnext_dense.results.text import drawable_names, fit_to_width, font_for, text_width

NOWHERE = '\U0010fffd'  # a private letter that no font has


@pytest.mark.parametrize('text', ['ring', 'Fußgänger', 'велосипед', 'σκύλος'])
def test_letters_of_most_alphabets_are_drawn(text):
    font = font_for(text, 20)
    missing = bytes(font.getmask(NOWHERE))
    assert all(bytes(font.getmask(letter)) != missing for letter in text)


def test_names_that_cannot_be_drawn_become_their_places():
    assert drawable_names(['cat', 'Käse', f'x{NOWHERE}', 'two\nlines \t here']) == [
        'cat',
        'Käse',
        '#2',
        'two lines here',
    ]
    assert font_for(f'x{NOWHERE}', 20).getlength(f'x{NOWHERE}') > 0


def test_text_is_cut_to_the_width_and_only_then():
    text = 'pedestrian crossing'
    whole = text_width(text, 16)
    assert fit_to_width(text, 16, whole) == text
    for width in range(20, whole, 7):
        short = fit_to_width(text, 16, width)
        assert text_width(short, 16) <= width
        assert short.endswith('...') and text.startswith(short[:-3])
    letters = [len(fit_to_width(text, 16, width)) for width in range(20, whole)]
    assert letters == sorted(letters) and letters[-1] >= len(text) - 1  # no more is cut than must be
