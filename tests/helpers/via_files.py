"""JSON and CSV files as VIA writes them."""

import json
from pathlib import Path

from tests.helpers.labelme_files import write_image

Region = tuple[dict, dict]


def rect(*numbers: float, **attributes) -> Region:
    return {'name': 'rect', **dict(zip(('x', 'y', 'width', 'height'), numbers, strict=True))}, attributes


def polygon(*points: tuple, kind: str = 'polygon', **attributes) -> Region:
    xs, ys = (list(numbers) for numbers in zip(*points, strict=True))
    return {'name': kind, 'all_points_x': xs, 'all_points_y': ys}, attributes


def entries(images: dict[str, list[Region]], version: int = 2) -> dict:
    found = {}
    for name, regions in images.items():
        items = [{'shape_attributes': shape, 'region_attributes': attributes} for shape, attributes in regions]
        if version == 1:
            own = {'fileref': '', 'size': 99, 'filename': name, 'base64_img_data': '', 'file_attributes': {}}
            found[f'{name}99'] = {**own, 'regions': {str(n): item for n, item in enumerate(items)}}
        else:
            found[f'{name}99'] = {'filename': name, 'size': 99, 'regions': items, 'file_attributes': {}}
    return found


def write_json(path: Path, images: dict[str, list[Region]], version: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries(images, version), separators=(',', ':')))
    return path


def write_project(path: Path, images: dict[str, list[Region]], attributes: dict | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    project = {
        '_via_settings': {'ui': {'image': {'region_label': '__via_region_id__'}}, 'core': {'default_filepath': ''}},
        '_via_img_metadata': entries(images),
        '_via_attributes': {'region': attributes or {}, 'file': {}},
        '_via_data_format_version': '2.0.10',
        '_via_image_id_list': [f'{name}99' for name in images],
    }
    path.write_text(json.dumps(project, separators=(',', ':')))
    return path


def write_csv(path: Path, images: dict[str, list[Region]], mark: str = '') -> Path:
    header = 'filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes'
    lines = [mark + header]
    for name, regions in images.items():
        for number, region in enumerate(regions):
            texts = (json.dumps(one, separators=(',', ':')).replace('"', '""') for one in region)
            lines.append(
                f'{name},99,"{{}}",{len(regions)},{number},{",".join(f"{chr(34)}{t}{chr(34)}" for t in texts)}'
            )
        if not regions:
            lines.append(f'{name},99,"{{}}",0,0,"{{}}","{{}}"')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines))
    return path


WRITERS = {
    'via_region_data.json': write_json,
    'via_project_7Jan2020_10h20m.json': write_project,
    'via_export_csv.csv': write_csv,
}


def write_one(root: Path, *regions: Region, **keys) -> Path:
    write_image(root / 'a.png')
    return write_json(root / 'via.json', {'a.png': list(regions)}, **keys)
