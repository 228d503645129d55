"""Measure the time and memory to read large annotations, beside pycocotools and a scan as Ultralytics makes it.

    python benchmarks/large_annotations.py --out benchmarks/large_annotations.json

A COCO file of a given size is written with random polygons, and a YOLO data set with a given number of images and
label files; both are removed afterwards. Each reading runs in a process of its own, on files that were just written:
``first`` without an index in the cache, ``second`` with it. Peak memory is the process's maximum resident size, and
what it was before reading, after the imports.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from convnext_dense.analysis.environment import environment

CLASSES = 80
SIDE = 64  # pixels: only the headers of images are read
OURS = """
from pathlib import Path
from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats import find_sources
source = find_sources({data!r}, single='train')['train']
"""
READ_OURS = 'data = read_coco(source); count = data.total'
PYCOCOTOOLS = 'from pycocotools.coco import COCO'
READ_PYCOCOTOOLS = "count = len(COCO(str(Path({root!r}, 'instances.json'))).anns)"
SCAN = """
import os
from multiprocessing.pool import ThreadPool
import numpy as np
from PIL import Image, ImageOps


def scan(pair):
    # what its verify_image_label does: decode the header, look for the end of a JPEG file, parse the lines, check them
    image_file, label_file = pair
    image = Image.open(image_file)
    image.verify()
    size = image.size
    with open(image_file, 'rb') as file:
        file.seek(-2, 2)
        assert file.read() == bytes([255, 217])
    with open(label_file, encoding='utf-8') as file:
        rows = [line.split() for line in file.read().strip().splitlines() if line]
    labels = np.array(rows, np.float32)
    assert labels.shape[1] == 5 and labels.min() >= 0 and labels[:, 1:].max() <= 1 and labels[:, 0].max() < 80
    _, kept = np.unique(labels, axis=0, return_index=True)
    return {'file': image_file, 'labels': labels if len(kept) == len(labels) else labels[kept], 'size': size}


def pairs(root):
    for name in sorted(os.listdir(f'{root}/images/train')):
        yield f'{root}/images/train/{name}', f'{root}/labels/train/{name[:-4]}.txt'
"""
READ_SCAN = """
with ThreadPool(max(1, min(8, os.cpu_count() - 1))) as pool:
    found = list(pool.imap(scan, pairs({root!r})))
count = sum(len(one['labels']) for one in found)
np.save({cache!r}, found, allow_pickle=True)
"""
READ_SCAN_AGAIN = """
files = [file for pair in pairs({root!r}) for file in pair]
size = sum(os.path.getsize(file) for file in files)
found = np.load({cache!r}, allow_pickle=True)
count = sum(len(one['labels']) for one in found)
"""
MEASURE = """
import time, resource
from pathlib import Path
{setup}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start, cpu = time.perf_counter(), time.process_time()
{read}
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print('measured', seconds, cpu, peak / 1024, before, count)
"""


def write_coco(root: Path, megabytes: int, rng: random.Random) -> None:
    """Write a COCO file of this size, and empty files as its images."""
    (root / 'images').mkdir(parents=True)
    images, count, size = [], 0, 0
    with open(root / 'instances.json', 'w', encoding='utf-8') as file:
        file.write('{"annotations": [')
        while size < megabytes * 1e6:
            number = len(images) + 1
            images.append({'id': number, 'file_name': f'{number:012d}.jpg', 'height': 480, 'width': 640})
            for _ in range(rng.randrange(15)):
                width, height = rng.uniform(10, 300), rng.uniform(10, 300)
                x, y = rng.uniform(0, 640 - width), rng.uniform(0, 480 - height)
                corners = rng.randrange(8, 60)
                turns = [2 * math.pi * corner / corners for corner in range(corners)]
                polygon = [
                    round(value, 2)
                    for turn in turns
                    for value in (x + width / 2 * (1 + math.cos(turn)), y + height / 2 * (1 + math.sin(turn)))
                ]
                count += 1
                annotation = {'segmentation': [polygon], 'area': round(width * height * math.pi / 4, 2), 'iscrowd': 0}
                annotation |= {'image_id': number, 'bbox': [round(value, 2) for value in (x, y, width, height)]}
                annotation |= {'category_id': rng.randrange(1, CLASSES + 1), 'id': count}
                text = (', ' if count > 1 else '') + json.dumps(annotation)
                size += file.write(text)
        categories = [{'id': number, 'name': f'class {number}'} for number in range(1, CLASSES + 1)]
        file.write(f'], "images": {json.dumps(images)}, "categories": {json.dumps(categories)}}}')
    for image in images:
        (root / 'images' / image['file_name']).touch()


def write_yolo(root: Path, count: int, rng: random.Random) -> None:
    """Write images with a label file each, of 1 to 9 boxes."""
    for folder in ('images/train', 'labels/train'):
        (root / folder).mkdir(parents=True)
    (root / 'data.yaml').write_text(
        json.dumps({'train': 'images/train', 'names': {number: f'class {number}' for number in range(CLASSES)}})
    )
    Image.new('RGB', (SIDE, SIDE)).save(root / 'one.jpg')
    pixels = (root / 'one.jpg').read_bytes()
    (root / 'one.jpg').unlink()
    for number in range(count):
        (root / f'images/train/{number:012d}.jpg').write_bytes(pixels)
        lines = []
        for _ in range(rng.randrange(1, 10)):
            width, height = rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.5)
            x, y = rng.uniform(width / 2, 1 - width / 2), rng.uniform(height / 2, 1 - height / 2)
            lines.append(f'{rng.randrange(CLASSES)} {x:.6f} {y:.6f} {width:.6f} {height:.6f}\n')
        (root / f'labels/train/{number:012d}.txt').write_text(''.join(lines))


def measure(setup: str, read: str, cache: Path) -> dict[str, float]:
    """Run code in a process of its own; ``setup`` is not measured."""
    program = MEASURE.format(setup=setup, read=read)
    environment = {**os.environ, 'CONVNEXT_DENSE_CACHE': str(cache)}
    done = subprocess.run([sys.executable, '-c', program], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith('measured'))
    _, seconds, cpu, peak, before, count = line.split()
    memory = {'peak_mb': round(float(peak)), 'imports_mb': round(float(before))}
    return {
        'seconds': round(float(seconds), 2),
        'cpu_seconds': round(float(cpu), 2),
        **memory,
        'annotations': int(count),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--megabytes', type=int, default=1000, help='size of the COCO file (default: 1000)')
    parser.add_argument('--images', type=int, default=200_000, help='images of the YOLO data set (default: 200000)')
    parser.add_argument('--folder', default=None, help='where the data are written and removed (default: temporary)')
    parser.add_argument('--out', metavar='FILE.json', help='write the measurements')
    args = parser.parse_args()
    results: dict[str, dict] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        cache, rng = Path(folder, 'cache'), random.Random(0)
        for name in ('coco', 'yolo'):
            root = Path(folder, name)
            if name == 'coco':
                write_coco(root, args.megabytes, rng)
                runs = {'pycocotools': (PYCOCOTOOLS, READ_PYCOCOTOOLS)}
            else:
                write_yolo(root, args.images, rng)
                runs = {'scan, first': (SCAN, READ_SCAN), 'scan, second': (SCAN, READ_SCAN_AGAIN)}
            runs |= {'ours, first': (OURS, READ_OURS), 'ours, second': (OURS, READ_OURS)}
                line = f'{name}: {what:13} {measured["seconds"]:8.2f} s {measured["cpu_seconds"]:8.2f} s of CPU'
                print(f'{line} {measured["peak_mb"]:8,} MB', flush=True)
            values = {'root': str(root), 'data': str(data), 'cache': str(Path(folder, 'scan.npy'))}
            for what, (setup, read) in runs.items():
                measured = measure(setup.format(**values) if 'ours' in what else setup, read.format(**values), cache)
                results[f'{name}: {what}'] = measured
                print(
                    f'{name}: {what:13} {measured["seconds"]:8.2f} s {measured["cpu_seconds"]:8.2f} s of CPU {measured["peak_mb"]:8,} MB',
                    flush=True,
                )
            index = sum(file.stat().st_size for file in cache.glob('annotations-*'))
            results[f'{name}: index'] = {'mb': round(index / 1e6)}
            for file in cache.glob('annotations-*'):
                file.unlink()
    if args.out:
        about = {'coco_mb': args.megabytes, 'yolo_images': args.images, 'environment': environment()}
        Path(args.out).write_text(json.dumps({**about, 'results': results}, indent=1) + '\n')


if __name__ == '__main__':
    main()
