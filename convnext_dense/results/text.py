"""Text on images: choose a font with all letters, measure lines, and shorten them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

# Pillow's own font covers ASCII only, matplotlib's most alphabets; for Chinese, Japanese and Korean, the fonts of
# Linux, Windows and macOS are searched.
PILLOW = ''
MATPLOTLIB = str(Path(importlib.util.find_spec('matplotlib').origin).parent / 'mpl-data/fonts/ttf/DejaVuSans.ttf')  # type: ignore[union-attr, arg-type]
SYSTEM = ('NotoSansCJK-Regular.ttc', 'wqy-zenhei.ttc', 'msyh.ttc', 'malgun.ttf', 'PingFang.ttc', 'Arial Unicode.ttf')
NO_LETTER = '\uffff'  # in no font, so drawn as the box that a font draws for missing letters


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return the first font with all letters of the text, or else Pillow's, which draws boxes for missing letters.

    Args:
        text: one line.
        size: height in pixels.
    """
    for file in (PILLOW, MATPLOTLIB, *SYSTEM):
        font = _load(file, size)
        if font is not None and _has_letters(font, text):
            return font
    return _load(PILLOW, size)  # type: ignore[return-value]


def drawable_names(names: Sequence[str]) -> list[str]:
    """Return the names on one line each; a name with letters in no available font becomes its index, like ``#3``."""
    lines = [' '.join(name.split()) for name in names]
    return [line if _has_letters(font_for(line, 16), line) else f'#{index}' for index, line in enumerate(lines)]


def text_width(text: str, size: int) -> int:
    """Return the width of a line of text in pixels."""
    return round(font_for(text, size).getlength(text))


def fit_to_width(text: str, size: int, width: int) -> str:
    """Shorten a text that is wider than ``width`` pixels, with dots at the end."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f'{text}...', size) > width:
        text = text[:-1]
    return f'{text.rstrip()}...'


@lru_cache
def _load(file: str, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(file, size) if file else ImageFont.load_default(size)  # type: ignore[return-value]
    except OSError:
        return None  # not on this system


def _has_letters(font: ImageFont.FreeTypeFont, text: str) -> bool:
    return text.isascii() or all(_glyph(font, letter) != _glyph(font, NO_LETTER) for letter in text)


@lru_cache(maxsize=4096)
def _glyph(font: ImageFont.FreeTypeFont, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
