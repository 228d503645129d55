"""A browser for the tests of the page, and pages in it that fail on an error in their console."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAMS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update']


@pytest.fixture(scope='session')
def browser() -> Iterator:
    """Chromium; tests that need it are skipped where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f'the page is tested in a browser, and there is none of {", ".join(PROGRAMS)}')
    api = pytest.importorskip('playwright.sync_api')
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """A function that opens a file in a new window; the test fails if the page logs an error or asks for anything."""
    contexts, faults = [], []

    def open_one(file: Path, fragment: str = '', width: int = 1280, height: int = 800, **options: object):
        context = browser.new_context(
            viewport={'width': width, 'height': height}, **{'reduced_motion': 'reduce', **options}
        )
        contexts.append(context)
        context.set_default_timeout(8000)
        page = context.new_page()
        page.on('pageerror', lambda error: faults.append(str(error)))
        page.on('console', lambda message: faults.append(message.text) if message.type == 'error' else None)
        page.on('request', lambda request: faults.append(request.url) if request.url.startswith('http') else None)
        page.goto(f'{file.as_uri()}{fragment}')
        page.wait_for_selector('html[data-ready]')
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []
