"""Measure a diagnosis of detections: its time, the size of its records, and how often intervals of AP hold the AP.

    python benchmarks/diagnosis.py --out benchmarks/diagnosis.json

Images are drawn at random: objects, predictions near most of them, and others with low scores. The time is that of all
that is found in the records, which a network has predicted before.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from convnext_dense.analysis.environment import environment
from convnext_dense.diagnosis.average_precision import average_precision_measure
from convnext_dense.diagnosis.findings.comparison import compare
from convnext_dense.diagnosis.findings.detection import find
from convnext_dense.diagnosis.intervals import Measure, bootstrap, paired_bootstrap
from convnext_dense.diagnosis.matching import match_objects
from convnext_dense.diagnosis.overlaps import object_overlaps
from convnext_dense.diagnosis.record_file import RunInfo, read_records, write_records
from convnext_dense.diagnosis.records import DetectedImage, TrueObjects
from convnext_dense.io.image_size import ImageSize

SIZE = ImageSize(480, 640)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=5000, help='images whose diagnosis is timed (default: 5000)')
    parser.add_argument('--classes', type=int, default=80, help='their classes (default: 80)')
    parser.add_argument('--sets', type=int, default=150, help='drawn data sets of each size (default: 150)')
    parser.add_argument('--out', metavar='FILE.json', help='write the measurements')
    args = parser.parse_args()
    result = {'command': shlex.join(['python', *sys.argv]), 'environment': environment(), 'coverage': []}
    for images in (50, 200):
        result['coverage'].append(measure_coverage(images, args.sets))
        print(json.dumps(result['coverage'][-1]), flush=True)
    result['time'] = measure_time(args.images, args.classes)
    print(json.dumps(result['time']))
    if args.out:
        Path(args.out).write_text(json.dumps(result, indent=2) + '\n')


def measure_time(count: int, classes: int) -> dict[str, float]:
    """Measure the seconds of findings, of records and of a comparison, and the megabytes of records."""
    rng = np.random.default_rng(0)
    usual = rng.dirichlet(np.full(classes, 0.5))
    images, others = draw_images(count, usual, 100, (0.08, 0.07), 0)
    names = [f'class {number}' for number in range(classes)]
    seconds = {}
    start = time.process_time()
    find(images, names)
    seconds['find_seconds'] = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for number, run in enumerate((images, others)):
            file = Path(folder) / f'{number}.npz'
            start = time.process_time()
            write_records(file, RunInfo('detection', names, None, '', '', 'raw'), run)
            seconds['write_seconds'] = time.process_time() - start
            start = time.process_time()
            runs.append(read_records(file))
            seconds['read_seconds'] = time.process_time() - start
            seconds['megabytes'] = file.stat().st_size / 1e6
    start = time.process_time()
    compare(*runs)
    seconds['compare_seconds'] = time.process_time() - start
    return {'images': count, 'detections': sum(map(len, images)), **{k: round(v, 1) for k, v in seconds.items()}}


def measure_coverage(count: int, sets: int, resamples: int = 300) -> dict[str, float]:
    """Count how often 95% intervals of AP, and of the difference of two detectors, hold those of 10,000 images."""
    usual = np.full(3, 1 / 3)
    noises = (0.1, 0.08)
    true = [average_precision(run).values()[0] for run in draw_images(10_000, usual, 8, noises, 99_999)]
    held, held_differences = [], []
    for seed in range(sets):
        first, second = (average_precision(run) for run in draw_images(count, usual, 8, noises, seed))
        one = bootstrap(first, resamples)[0]
        held.append(one.low <= true[0] <= one.high)
        both = paired_bootstrap(first, second, resamples)[0]
        held_differences.append(both.low <= true[1] - true[0] <= both.high)
    shares = {'of_ap': float(np.mean(held)), 'of_difference': float(np.mean(held_differences))}
    return {'images': count, 'sets': sets, 'true_ap': round(true[0], 1), **shares}


def average_precision(images: list[DetectedImage]) -> Measure:
    matches = match_objects(images, [object_overlaps(image) for image in images], 3)
    return average_precision_measure(matches, ('a', 'b', 'c'), 'box')


def draw_images(
    count: int, usual: np.ndarray, detections: int, noises: tuple[float, ...], seed: int
) -> list[list[DetectedImage]]:
    """Draw images, and what several detectors predict in them.

    Args:
        count: number of images.
        usual: share of the objects that is of each class.
        detections: predictions of an image.
        noises: of each detector, how far its boxes are off, as a share of the object's sides.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    runs: list[list[DetectedImage]] = [[] for _ in noises]
    for number in range(count):
        objects = int(rng.poisson(min(7, detections / 2)))
        labels = rng.choice(rng.choice(len(usual), 3, p=usual), objects)
        boxes, hard = _boxes(rng, objects), rng.random()
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        truth = TrueObjects(boxes, labels, rng.random(objects) < 0.01, sides[:, :2].prod(axis=1))
        shift = rng.normal(0, 1, boxes.shape) * sides * (0.5 + hard)
        seen = rng.random(objects) < 0.95 - 0.4 * hard
        wrong = rng.random(objects) < 0.1
        guess = np.where(wrong, rng.integers(0, len(usual), objects), labels)[seen]
        others = max(detections - len(guess), 0)
        false = _boxes(rng, others), rng.choice(len(usual), others, p=usual)
        scores = np.concatenate([rng.beta(5, 2, len(guess)), rng.beta(1, 8, others)]).astype(np.float32)
        for run, noise in zip(runs, noises, strict=True):
            near = (boxes + noise * shift)[seen]
            near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
            predicted = np.vstack([near, false[0]]).astype(np.float32)
            classes = np.concatenate([guess, false[1]]).astype(np.int64)
            run.append(DetectedImage(f'{number:06}.jpg', SIZE, predicted, scores, classes, truth))
    return runs


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    sides = np.exp(rng.normal(4, 1, (count, 2))).clip(4, 400)
    corners = rng.random((count, 2)) * (np.array([SIZE.width, SIZE.height]) - sides).clip(1)
    return np.hstack([corners, corners + sides])


if __name__ == '__main__':
    main()
