"""Images of a run's browser: which are in the page, what they are found by, and their files."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from .diagnosis import ReadDiagnosis

CHUNK = 24
"""Images in one part of the page's data, which the page reads at once."""
FINE = 800
"""Pixels: the coordinates of smaller images have tenths."""
TYPES = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png', '.webp': 'webp'}
"""Types of the files that a page takes, by their suffix."""


@dataclass
class PageImages:
    """Images of a run in the page.

    Attributes:
        records: what each is found and sorted by, in the page's order.
        sources: of each the entry it comes from, with paths of files.
        folder: where the files are.
        numbers: number in the page by number in the diagnosis.
        note: which of the images these are, if not all; empty otherwise.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    sources: Sequence[Mapping[str, Any]] = field(default_factory=list)
    folder: Path = Path()
    numbers: dict[int, int] = field(default_factory=dict)
    note: str = ''

    def kinds(self) -> dict[str, bool]:
        """Return what there is to draw over the images: objects, annotated ones among them, and label maps."""
        have = {key: any(one.get(key) is not None for one in self.sources) for key in ('predicted', 'truth')}
        maps = any(one.get('truth_map') or one.get('predicted_map') for one in self.sources)
        return {'objects': have['predicted'], 'truth': have['truth'], 'maps': maps}

    def panel_names(self) -> list[str]:
        """Return the names of the parts that the images' drawings have, if they have any."""
        return [str(panel['name']) for panel in next((one['panels'] for one in self.sources if one.get('panels')), ())]

    def chunks(self, beside: Path | None) -> Iterator[list[dict[str, Any]]]:
        """Yield the images' files and objects, :data:`CHUNK` at a time.

        Args:
            beside: the folder of the page, if it links to the files instead of holding them.
        """
        for begin in range(0, len(self.sources), CHUNK):
            yield [_details(source, self.folder, beside) for source in self.sources[begin : begin + CHUNK]]


def of_diagnosis(diagnosis: ReadDiagnosis, most: int) -> PageImages:
    """Choose up to ``most`` images of a diagnosis.

    Those of its galleries come first; up to half of the others are the worst, and the rest is spread evenly.
    """
    if diagnosis.file is None:
        return PageImages()
    chosen = sorted(_choose(diagnosis, most))
    images = [diagnosis.images[i] for i in chosen]
    found = PageImages(folder=diagnosis.file.parent, numbers={number: i for i, number in enumerate(chosen)})
    tested = bool(diagnosis.content.get('headlines'))
    found.records = [_record(image, tested) for image in images]
    found.sources = images
    total = len(diagnosis.images)
    if len(chosen) < total:
        found.note = (
            f'{len(chosen):,} of {total:,} images: those shown above, the worst predicted, and a spread of the '
            f'others. `--max-images` takes more.'
        )
    return found


def _choose(diagnosis: ReadDiagnosis, most: int) -> list[int]:
    count = len(diagnosis.images)
    if count <= most:
        return list(range(count))
    shown = (n for n in _gallery_numbers(diagnosis.get('sections', [])) if 0 <= n < count)
    chosen = dict.fromkeys(shown)
    chosen = dict.fromkeys(list(chosen)[:most])
    values = [image.get('value') for image in diagnosis.images]
    known = sorted((value, i) for i, value in enumerate(values) if isinstance(value, int | float) and i not in chosen)
    chosen |= dict.fromkeys(i for _, i in known[: (most - len(chosen)) // 2])
    rest = [i for i in range(count) if i not in chosen]
    picked = np.linspace(0, len(rest) - 1, min(most - len(chosen), len(rest))).round().astype(int).tolist()
    return [*chosen, *(rest[i] for i in picked)]


def _gallery_numbers(sections: Iterable[Mapping[str, Any]]) -> Iterator[int]:
    for section in sections:
        for block in section.get('blocks', ()):
            if block.get('kind') == 'gallery':
                yield from (n for n in block.get('images', ()) if isinstance(n, int))


def read_drawings(index: Path) -> tuple[list[dict[str, Any]], str]:
    """Return what the verb ``test`` has drawn, and the problem if the index of the drawings can't be read."""
    if not index.is_file():
        return [], ''
    try:
        entries = json.loads(index.read_text(encoding='utf-8'))
        texts = ('path', 'file', 'caption')
        return [
            {**entry, 'panels': _panels(entry), **{key: str(entry[key]) for key in texts}} for entry in entries
        ], ''
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [], f'`{index}` cannot be read ({str(error)[:100]}): test the run again.'


def _panels(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return names and boxes of the parts of a drawing, if it has any.

    Raises:
        ValueError, KeyError, TypeError: if they are not as they are written.
    """
    panels: list[dict[str, Any]] = [
        {'name': str(panel['name']), 'box': [int(edge) for edge in panel['box']]}
        for panel in entry.get('panels') or ()
    ]
    if any(len(panel['box']) != 4 or min(panel['box'][2:]) < 1 for panel in panels):
        raise ValueError('a part of a drawing has no box')
    return panels


def of_drawings(drawings: Sequence[Mapping[str, Any]], folder: Path, most: int) -> PageImages:
    """Return up to ``most`` images that the verb ``test`` has drawn into a folder, spread evenly."""
    sources: list[Mapping[str, Any]] = []
    note = 'Drawn by `test`, with prediction and ground truth.'
    if any(entry.get('panels') for entry in drawings):
        note = (
            'Drawn by `test`. Gray patches are hidden from the network, which paints them from the others; of an '
            'image they are the same in every test. What is painted of visible patches is not learned: the composed '
            'image has the original ones.'
        )
    found = PageImages(folder=folder, sources=sources, note=note)
    step = np.linspace(0, len(drawings) - 1, min(most, len(drawings))).round().astype(int).tolist()
    for entry in (drawings[i] for i in step):
        width, height = _size(folder / entry['file'])
        wrong = 'ground_truth' in entry and entry.get('prediction') != entry['ground_truth']
        record = {'path': entry['path'], 'caption': entry['caption'], 'value': None, 'classes': []}
        found.records.append({**record, 'findings': ['wrong'] if wrong else [], 'width': width, 'height': height})
        sources.append({'file': entry['file'], 'panels': entry.get('panels')})
    return found


def _size(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            return image.size
    except (OSError, ValueError):
        return 4, 3


def _record(image: Mapping[str, Any], tested: bool) -> dict[str, Any]:
    """What an image is found and sorted by, which is small."""
    scores = image.get('scores')
    record = {key: image.get(key) for key in ('path', 'value', 'width', 'height')}
    record |= {'findings': list(image.get('findings') or []), 'classes': list(image.get('classes') or [])}
    if image.get('label') is not None:
        record['label'] = image['label']
    if isinstance(scores, list) and scores:
        record['top'] = scores[0]
    if tested and image.get('value') is not None:
        record['tested'] = True
    return record


def _details(image: Mapping[str, Any], folder: Path, beside: Path | None) -> dict[str, Any]:
    """All that is drawn of an image: its file, objects with rounded coordinates, scores and label maps."""
    found: dict[str, Any] = {'src': _source(folder, image.get('file'), beside)}
    digits = 0 if max(image.get('width') or 0, image.get('height') or 0) > FINE else 1
    for key in ('truth', 'predicted'):
        if image.get(key) is not None:
            found[key] = [_rounded(one, digits) for one in image[key]]
    if image.get('scores') is not None:
        found['scores'] = image['scores']
    if image.get('panels'):
        found['panels'] = [panel['box'] for panel in image['panels']]
    for key in ('truth_map', 'predicted_map'):
        if image.get(key):
            found[key] = _source(folder, image[key], None, is_map=True)  # a script reads its pixels: never a file
    return found


def _rounded(shown: Mapping[str, Any], digits: int) -> dict[str, Any]:
    """An object with as many digits of its coordinates as are seen."""
    outline = shown.get('outline')
    score = shown.get('score')
    found = {
        'box': _short_numbers(shown['box'], digits),
        'label': shown.get('label'),
        'score': None if score is None else round(float(score), 3),
        'finding': shown.get('finding') or '',
    }
    if outline:
        found['outline'] = [_short_numbers(points, digits) for points in outline]
    return found


def _short_numbers(values: Iterable[float], digits: int) -> list[float]:
    rounded = (round(float(value), digits) for value in values)
    return [int(value) if value == int(value) else value for value in rounded]


def _source(folder: Path, name: Any, beside: Path | None, is_map: bool = False) -> str | None:
    """Return the address of a file in a folder: its content, or the way to it; None if it can't be taken."""
    file = folder / str(name)
    kind = TYPES.get(file.suffix.lower())
    root = os.path.realpath(folder)
    if kind is None or os.path.commonpath([root, os.path.realpath(file)]) != root or not file.is_file():
        return None
    if beside is not None:
        return quote(Path(os.path.relpath(file, beside)).as_posix())
    try:
        content = _gray_values(file) if is_map else file.read_bytes()
    except OSError:
        return None
    return f'data:image/{kind};base64,{base64.b64encode(content).decode()}'


def _gray_values(file: Path) -> bytes:
    """Read a label map as a PNG file whose gray values, and not colors of a palette, are the classes."""
    content = file.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        if image.mode != 'P':
            return content
        out = io.BytesIO()
        Image.fromarray(np.asarray(image, np.uint8)).save(out, 'PNG')
        return out.getvalue()
