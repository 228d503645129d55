"""XML files as CVAT writes them, by its documentation and its source."""

import itertools
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from tests.helpers.labelme_files import write_image

SIZE = (60, 80)  # height and width
LABELS = ('cat', 'dog')


def element(tag: str, **attributes) -> str:
    """An element of an object, on two lines as CVAT writes it."""
    attributes = {'label': 'cat', 'source': 'manual', 'occluded': '0', **attributes, 'z_order': '0'}
    inner = attributes.pop('inner', '')
    return f'    <{tag} {" ".join(f"{k}={quoteattr(str(v))}" for k, v in attributes.items())}>{inner}\n    </{tag}>'


def box(*numbers: float, **attributes) -> str:
    return element('box', **dict(zip(('xtl', 'ytl', 'xbr', 'ybr'), numbers, strict=True)), **attributes)


def polygon(*points: tuple, tag: str = 'polygon', **attributes) -> str:
    return element(tag, points=';'.join(f'{x:.2f},{y:.2f}' for x, y in points), **attributes)


def mask(pixels: np.ndarray, left: int, top: int, **attributes) -> str:
    """Runs of 0 and 1 row by row, zeros first."""
    lengths = [] if not pixels.flat[0] else [0]
    lengths += [len(list(run)) for _, run in itertools.groupby(pixels.ravel().tolist())]
    height, width = pixels.shape
    rle = ', '.join(map(str, lengths))
    return element('mask', rle=rle, left=left, top=top, width=width, height=height, **attributes)


def image(name: str, *objects: str, size: tuple | None = SIZE, **attributes) -> str:
    sides = {'width': size[1], 'height': size[0]} if size else {}
    text = ' '.join(f'{k}={quoteattr(str(v))}' for k, v in {'id': 0, 'name': name, **attributes, **sides}.items())
    return '\n'.join([f'  <image {text}>', *objects, '  </image>'])


def meta(labels: tuple = LABELS, kind: str = 'task', more: str = '') -> str:
    entries = ''.join(
        f'        <label>\n          <name>{one}</name>\n          <color>#c06060</color>\n'
        '          <type>any</type>\n          <attributes>\n          </attributes>\n        </label>\n'
        for one in labels
    )
    return (
        f'  <meta>\n    <{kind}>\n      <id>4</id>\n{more}      <labels>\n{entries}      </labels>\n    </{kind}>\n'
        '    <dumped>2024-01-01 00:00:00</dumped>\n  </meta>'
    )


def write(path: Path, *parts: str, head: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = '\n'.join([meta() if head is None else head, *parts])
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n{body}\n</annotations>\n'
    )
    return path


def write_one(root: Path, *objects: str, **keys) -> Path:
    """Write a file of one image, on line 26."""
    write_image(root / 'images/a.png')
    return write(root / 'annotations.xml', image('a.png', *objects), **keys)
