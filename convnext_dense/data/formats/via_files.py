"""Files of VIA: projects and annotations as JSON, of its versions 1 and 2, and annotations as CSV."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError
from .csv_rows import read_rows
from .first_files import head
from .json_files import begins_with_object, read_json
from .values import read_integer

METADATA = '_via_img_metadata'
COLUMNS = ('filename', 'region_count', 'region_shape_attributes', 'region_attributes')
PROJECT_KEY = re.compile(rb'"_via_img_metadata"\s*:')
IMAGE_KEYS = [re.compile(rb'"' + key + rb'"\s*:') for key in (b'filename', b'regions', b'file_attributes')]
VERSION_3_KEYS = [re.compile(rb'"' + key + rb'"\s*:') for key in (b'project', b'vid_list', b'pname')]


class Region(NamedTuple):
    """A region of an image."""

    spot: int | str
    """Its line or path of keys."""
    shape: Any
    """Its ``shape_attributes``."""
    attributes: Any
    """Its ``region_attributes``."""


@dataclass
class ViaImage:
    """An image and its regions."""

    file_name: str
    spot: int | str
    regions: list[Region] = field(default_factory=list)
    count: int | None = None
    """The number of regions that a CSV file says it has."""


class ViaFile(NamedTuple):
    """The content of a file."""

    images: list[ViaImage]
    options: Mapping[str, list[str]]
    """The values that an attribute of regions may have, in their order, by its name, for those that list any."""


def is_via(path: str) -> bool:
    """Check by its beginning whether a file is of VIA.

    Raises:
        UserError: if it is of version 3, which has another format.
    """
    content = head(path)
    if path.lower().endswith('.csv'):
        return all(name.encode() in content.split(b'\n', 1)[0] for name in COLUMNS)
    if not begins_with_object(content):
        return False
    if all(key.search(content) for key in VERSION_3_KEYS):
        raise UserError(f'{path} is a project of VIA 3, which is not read: write it as COCO, or annotate with VIA 2')
    return bool(PROJECT_KEY.search(content)) or all(key.search(content) for key in IMAGE_KEYS)


def read_via(path: Path) -> ViaFile:
    """Read a file.

    Raises:
        UserError: if it is damaged.
    """
    return ViaFile(list(_read_csv(path)), {}) if path.suffix.lower() == '.csv' else _read_json(path)


def _read_json(path: Path) -> ViaFile:
    content = read_json(path)
    metadata = content.get(METADATA, content) if isinstance(content, dict) else None
    if not isinstance(metadata, dict):
        raise UserError(f'{path} is not of VIA: its images must be an object')
    images = []
    for key, value in metadata.items():
        if not isinstance(value, dict) or not isinstance(value.get('filename'), str) or not value['filename'].strip():
            raise UserError(f'{path}: {key} is no image with a filename: correct or remove it')
        regions = value.get('regions')
        if not isinstance(regions, dict | list):
            raise UserError(f'{path}: {key} has no regions: correct or remove it')
        items = regions.items() if isinstance(regions, dict) else enumerate(regions)  # version 1 has dicts
        image = ViaImage(value['filename'], key)
        for number, region in items:
            region = region if isinstance(region, dict) else {}
            shape, attributes = region.get('shape_attributes'), region.get('region_attributes')
            image.regions.append(Region(f'{key}.regions[{number}]', shape, attributes))
        images.append(image)
    return ViaFile(images, _options(content))


def _options(project: Mapping[str, Any]) -> dict[str, list[str]]:
    declared = project.get('_via_attributes')
    of_regions = declared.get('region') if isinstance(declared, dict) else None
    found = {}
    for name, attribute in of_regions.items() if isinstance(of_regions, dict) else ():
        options = attribute.get('options') if isinstance(attribute, dict) else None
        if isinstance(options, dict) and options:
            found[name] = list(options)
    return found


def _read_csv(path: Path) -> Iterator[ViaImage]:
    images: dict[str, ViaImage] = {}
    columns: dict[str, int] = {}
    for line, row in read_rows(path):
        if not columns:
            columns = {name.removeprefix('#'): place for place, name in enumerate(row)}
            missing = [name for name in COLUMNS if name not in columns]
            if missing:
                raise UserError(f'{path}:{line}: no column {", ".join(missing)}: export it from VIA again')
            continue
        if len(row) != len(columns):
            raise UserError(f'{path}:{line}: {len(row)} columns rather than {len(columns)}: export it from VIA again')
        name, count, shape, attributes = (row[columns[column]] for column in COLUMNS)
        if not name:
            raise UserError(f'{path}:{line}: no filename: correct or remove the line')
        image = images.setdefault(name, ViaImage(name, line))
        image.count = image.count if (number := read_integer(count)) is None else number
        values = [_value(cell) for cell in (shape, attributes)]
        if image.count != 0 or values != [{}, {}]:  # an image without regions has a line with empty ones
            image.regions.append(Region(line, *values))
    yield from images.values()


def _value(cell: str) -> Any:
    """Read JSON in a cell; None if it is not JSON."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return None
