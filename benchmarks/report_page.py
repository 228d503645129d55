"""Measure how long a report page with many images takes to open in headless Chromium.

    python benchmarks/report_page.py [--images 2000] [--rounds 5]

Makes a detector's diagnosis of drawn images of 480 x 360 pixels with 20 predicted and 10 annotated objects each,
writes the page with all images in it, and opens it in a new window each time. Prints the file's size, the seconds to
write it, and the median seconds from opening to a page that answers, to the first thumbnail of its browser, and from a
filter to its result.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from convnext_dense.analysis.page.build import write_page
from convnext_dense.engine.environment import cpu_name

CLASSES = [f'class {i}' for i in range(80)]
WIDTH, HEIGHT = 480, 360


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=2000)
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, 'run')
        make_diagnosis(folder / 'diagnosis', args.images)
        page = folder / 'page.html'
        begin = time.perf_counter()
        write_page(folder, page, lambda *words: ' '.join(map(str, words)), args.images)
        written = time.perf_counter() - begin
        print(f'{args.images:,} images, {page.stat().st_size / 1e6:.0f} MB, written in {written:.1f} s; {cpu_name()}')
        program = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=['--no-sandbox', '--disable-gpu'])
            rounds = [open_once(browser, page) for _ in range(args.rounds)]
            version = browser.version
            browser.close()
    print(f'Chromium {version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {args.rounds} rounds')
    for what in rounds[0]:
        seconds = [one[what] for one in rounds]
        print(f'{what}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})')


def open_once(browser: Browser, page: Path) -> dict[str, float]:
    """Open the page in a new window, and return the seconds of each step."""
    context = browser.new_context(viewport={'width': 1280, 'height': 800})
    window = context.new_page()
    begin = time.perf_counter()
    window.goto(page.as_uri(), wait_until='commit')
    window.wait_for_selector('html[data-ready]', state='attached')
    ready = time.perf_counter() - begin
    begin = time.perf_counter()
    window.locator('#contents').get_by_role('link', name='Predictions').click()
    window.wait_for_selector('#predictions .thumbnail svg.overlay')
    thumbnails = time.perf_counter() - begin
    begin = time.perf_counter()
    window.locator('#predictions').get_by_label('Finding', exact=True).select_option('-')
    window.wait_for_selector('#predictions .thumbnail svg.overlay')
    filtered = time.perf_counter() - begin
    context.close()
    return {'opened': ready, 'first thumbnails': thumbnails, 'filtered': filtered}


def make_diagnosis(folder: Path, count: int) -> None:
    """Write a diagnosis with images that compress about as photographs do."""
    (folder / 'images').mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = [describe(folder, i, rng) for i in range(count)]
    content: dict[str, Any] = {
        'task': 'detection',
        'classes': CLASSES,
        'colors': rng.integers(40, 220, (len(CLASSES), 3)).tolist(),
        'weights': 'raw',
        'data': 'data/coco',
        'checkpoint': 'epoch_12.pth',
        'command': 'convnext-dense diagnose run',
        'tested_images': count,
        'headlines': [{'name': 'box AP', 'value': 41.2, 'low': 40.0, 'high': 42.3, 'unit': '%'}],
        'sections': [],
        'steps': [],
        'images': images,
        'best_score': 0.3,
        'best_scores': {},
    }
    (folder / 'diagnosis.json').write_text(json.dumps(content))


def describe(folder: Path, number: int, rng: np.random.Generator) -> dict[str, Any]:
    file = f'images/{number:05d}.jpg'
    (folder / file).write_bytes(drawn(rng))
    found = ['missed', 'background'] if number % 3 else []
    truth = [make_object(rng, None, 'found' if i else 'missed') for i in range(10)]
    predicted = [make_object(rng, float(rng.uniform(0.05, 1)), 'right' if i else 'background') for i in range(20)]
    return {
        'path': f'val2017/{number:012d}.jpg',
        'file': file,
        'width': WIDTH,
        'height': HEIGHT,
        'value': float(rng.uniform(20, 100)),
        'findings': found,
        'classes': sorted({one['label'] for one in truth}),
        'truth': truth,
        'predicted': predicted,
    }


def make_object(rng: np.random.Generator, score: float | None, finding: str) -> dict[str, Any]:
    left, top = float(rng.uniform(0, WIDTH - 80)), float(rng.uniform(0, HEIGHT - 80))
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline: Sequence[float] = np.stack([left + 40 + 40 * np.cos(angles), top + 40 + 40 * np.sin(angles)], 1).ravel()
    return {
        'box': [left, top, 80.0, 80.0],
        'label': int(rng.integers(len(CLASSES))),
        'score': score,
        'finding': finding,
        'outline': [[round(float(value), 1) for value in outline]],
    }


def drawn(rng: np.random.Generator) -> bytes:
    """Smooth noise with some grain, as JPEG."""
    coarse = Image.fromarray(rng.integers(0, 255, (36, 48, 3), np.uint8)).resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 6, (HEIGHT, WIDTH, 3))
    out = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(out, 'JPEG', quality=80)
    return out.getvalue()


if __name__ == '__main__':
    main()
