"""What every page holds: its style sheets and scripts, which are package data, and the policy that runs no others."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

STYLES = ('base', 'parts', 'images')
"""Style sheets in ``assets/css``, in order."""
THEME = ('theme',)
"""Scripts in ``assets/js`` that run before the page is drawn."""
SCRIPTS = (
    *('dom', 'format', 'data', 'address', 'colors_switch', 'color'),
    *('scroll', 'table', 'matrix', 'bars', 'chart', 'curves', 'parallel', 'cards', 'steps', 'blocks'),
    *('overlay', 'labelmap', 'thumbnail', 'strips', 'viewer', 'browser'),
    *('setup', 'overview', 'runview', 'main'),
)
"""Scripts in ``assets/js``, in order, which share one scope."""


@cache
def style() -> str:
    """Return the style sheet of the page, with that of the charts."""
    return '\n'.join([_read('vendor/uplot/uPlot.min.css'), *(_read(f'assets/css/{name}.css') for name in STYLES)])


@cache
def theme_script() -> str:
    """Return the script that chooses light or dark."""
    return '\n'.join(_read(f'assets/js/{name}.js') for name in THEME)


@cache
def chart_library() -> str:
    """Return uPlot, which draws the charts, with its license."""
    return _read('vendor/uplot/uPlot.iife.min.js')


@cache
def script() -> str:
    """Return the page's own script: all files in one scope."""
    parts = '\n'.join(_read(f'assets/js/{name}.js') for name in SCRIPTS)
    return f"(() => {{\n'use strict';\n{parts}\n}})();\n"


@cache
def template() -> str:
    """Return the HTML of the page, with names in braces for what differs between pages."""
    return _read('assets/page.html')


def policy(with_files: bool) -> str:
    """Return the content security policy: the page's own scripts, nothing from elsewhere.

    Args:
        with_files: whether images are files beside the page.
    """
    scripts = ' '.join(f"'{_fingerprint(text)}'" for text in (theme_script(), chart_library(), script()))
    images = "data: 'self' file:" if with_files else 'data:'
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src {images}; base-uri 'none'; "
        "form-action 'none'"
    )


def _fingerprint(text: str) -> str:
    return f'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding='utf-8')
