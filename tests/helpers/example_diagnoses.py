"""Diagnoses of each task, made by hand with small drawn images, for tests of what shows them."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from convnext_dense.diagnosis.content import (
    Axis,
    Chart,
    Column,
    Diagnosis,
    Gallery,
    Headline,
    Matrix,
    Parallel,
    Section,
    Series,
    ShownImage,
    ShownObject,
    Step,
    Table,
    Text,
)

CLASSES = ('balloon', 'bird', 'boat', 'car', 'fish')
COLORS = ((208, 60, 60), (60, 130, 220), (140, 90, 40), (90, 90, 160), (230, 150, 30))
REGIONS = ('sky', 'water', 'grass', 'sand')
REGION_COLORS = ((135, 190, 235), (40, 100, 180), (80, 160, 70), (225, 200, 140))
WIDTH, HEIGHT = 320, 240


def write(diagnosis: Diagnosis, folder: Path) -> Path:
    """Write a diagnosis into a folder, as the verbs do."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / 'diagnosis.json'
    file.write_text(json.dumps(asdict(diagnosis)))
    return file


def classification(folder: Path, count: int = 40, classes: Sequence[str] = CLASSES) -> Diagnosis:
    """A classifier that takes every fifth image for one of the next class."""
    images = []
    for i in range(count):
        label = i % len(classes)
        wrong = i % 5 == 4
        predicted = (label + 1) % len(classes) if wrong else label
        score = 0.55 + 0.4 * ((i * 7) % 10) / 10
        scores = ((predicted, score), ((predicted + 1) % len(classes), (1 - score) * 0.7))
        value = 100 * (score if not wrong else (1 - score) * 0.3)
        file = draw_file(folder, i, [(60, 50, 200, 150)], [COLORS[label % len(COLORS)]])
        findings = (f'taken for {classes[predicted]}',) if wrong else ()
        path = f'val/{classes[label]}/{i:04d}.jpg'
        images.append(
            ShownImage(
                path, file, WIDTH, HEIGHT, value, findings, sorted({label, predicted}), label=label, scores=scores
            )
        )
    counts = [
        [16 if i == j else (4 if j == (i + 1) % len(classes) else 0) for j in range(len(classes))]
        for i in range(len(classes))
    ]
    edges = [0.05 + 0.1 * i for i in range(10)]
    sections = [
        Section(
            'confusions',
            'What is taken for what',
            [
                Matrix('Confusion matrix', list(classes), list(classes), counts, 'images'),
                Table(
                    'By class',
                    [
                        Column('class', 'class'),
                        Column('examples', 'count'),
                        Column('recall', 'percent', 'share of its images that are found'),
                        Column('precision', 'percent'),
                    ],
                    [[name, 20, 60.0 + 5 * i, 80.0 if i else None] for i, name in enumerate(classes)],
                ),
            ],
            f'{classes[0]} is taken for {classes[1]} most often.',
        ),
        Section(
            'calibration',
            'How far scores can be trusted',
            [
                Chart(
                    'Reliability',
                    Axis('score', 0, 1),
                    Axis('accuracy', 0, 1),
                    [
                        Series('accuracy', edges, [max(0.0, e - 0.08) for e in edges], 'bars'),
                        Series('perfect', [0, 1], [0, 1], 'reference'),
                    ],
                )
            ],
            'Scores are too high by 8 points.',
        ),
        Section(
            'suspects',
            'Labels that may be wrong',
            [Gallery('Most suspected', [4, 9, 14], ['labeled fish', 'labeled fish', 'labeled <b>fish</b>'])],
        ),
    ]
    return Diagnosis(
        'classification',
        list(classes),
        [COLORS[i % len(COLORS)] for i in range(len(classes))],
        'ema',
        'data/things',
        'run/epoch_2.pth',
        'convnext-dense diagnose run',
        count,
        [Headline('top-1', 80.0, 71.2, 87.9), Headline('calibration error', 8.1, 5.0, 11.3, '%', True)],
        sections,
        [
            Step(
                f'Label more images of {classes[0]}: `convnext-dense check_data data/things` lists them.',
                f'{classes[0]} has 14 examples, and a recall of 60%.',
                'fewer than 20 examples of a class',
                3.0,
                'confusions',
            )
        ],
        images,
    )


def detection(folder: Path, count: int = 30) -> Diagnosis:
    """A detector with 4 predictions an image, of scores 0.9, 0.6, 0.35 and 0.1, and 3 annotated objects."""
    images = []
    for i in range(count):
        boxes = [(20 + i % 20, 30, 80, 70), (140, 50, 90, 80), (240, 150, 60, 60)]
        file = draw_file(folder, i, boxes, [COLORS[k] for k in range(3)])
        outline = [[20 + i % 20, 30, 100 + i % 20, 30, 100 + i % 20, 100, 20 + i % 20, 100]]
        truth = [
            ShownObject(boxes[0], 0, None, 'found', outline),
            ShownObject(boxes[1], 1, None, 'found'),
            ShownObject(boxes[2], 2, None, 'missed'),
        ]
        predicted = [
            ShownObject((22 + i % 20, 32, 78, 68), 0, 0.9, 'right', outline),
            ShownObject((150, 60, 90, 80), 1, 0.6, 'right'),
            ShownObject((30, 120, 60, 60), 0, 0.35, 'background'),
            ShownObject((100, 180, 40, 40), 3, 0.1, 'background'),
        ]
        clean = i % 3 == 0
        images.append(
            ShownImage(
                f'val2017/{i:012d}.jpg',
                file,
                WIDTH,
                HEIGHT,
                100.0 if clean else 50.0 + i,
                () if clean else ('background', 'missed'),
                [0, 1, 2] if clean else [0, 1, 2, 3],
                truth[:2] if clean else truth,
                predicted[:2] if clean else predicted,
            )
        )
    recall = [i / 20 for i in range(21)]
    sections = [
        Section(
            'errors',
            'What errors cost',
            [
                Chart(
                    'AP that each kind of error costs',
                    Axis('kind'),
                    Axis('AP points'),
                    [Series('cost', [0, 1, 2, 3], [1.2, 8.4, 0.3, 12.0], 'bars')],
                    ['class', 'place', 'duplicate', 'missed'],
                ),
                Text('Missed objects cost most: see `--tile`.'),
            ],
            'Missed objects cost 12.0 points of AP.',
        ),
        Section(
            'curves-by-class',
            'Precision and recall',
            [
                Chart(
                    'Precision by recall',
                    Axis('recall', 0, 1),
                    Axis('precision', 0, 1),
                    [
                        Series(name, recall, [max(0.0, 1 - r ** (1 + i)) for r in recall], 'line', name)
                        for i, name in enumerate(CLASSES)
                    ],
                )
            ],
        ),
        Section('missed', 'Missed objects', [Gallery('Largest missed objects', [1, 2], ['boat', 'boat'])]),
    ]
    return Diagnosis(
        'detection',
        list(CLASSES),
        list(COLORS),
        'raw',
        'data/coco',
        'run/epoch_12.pth',
        'convnext-dense diagnose run',
        count,
        [Headline('box AP', 41.3, 38.0, 44.9), Headline('mask AP', 37.2, None, None)],
        sections,
        [
            Step(
                'Train on tiles: `--tile 512`.',
                'Small objects are 70% of all.',
                'most objects are small',
                5.0,
                'errors',
            )
        ],
        images,
        {'balloon': 0.5, 'bird': 0.7, 'boat': 0.05, 'car': 0.05, 'fish': 0.4},
        0.4,
    )


def segmentation(folder: Path, count: int = 12) -> Diagnosis:
    """A segmentor that takes the upper rows of water for sky; the last column is not labeled."""
    images = []
    for i in range(count):
        truth = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
        horizon = 40 + 3 * (i % 10)
        truth[horizon:], truth[100:, :90] = 1, 2
        predicted = truth.copy()
        predicted[horizon : horizon + 6] = 0
        truth[:, -1] = 255
        colors = np.array([*REGION_COLORS, *[(0, 0, 0)] * 252], np.uint8)
        image = Image.fromarray(colors[np.where(truth == 255, 0, truth)]).resize(
            (WIDTH, HEIGHT), Image.Resampling.NEAREST
        )
        file = save(image, folder, i)
        names = [f'images/{i:04d}_{kind}.png' for kind in ('truth', 'predicted')]
        for name, labels in zip(names, (truth, predicted), strict=True):
            Image.fromarray(labels).save(folder / name)
        images.append(
            ShownImage(
                f'val/{i:03d}.jpg',
                file,
                WIDTH,
                HEIGHT,
                95.0 - i,
                ('water taken for sky',) if i else (),
                [0, 1, 2],
                truth_map=names[0],
                predicted_map=names[1],
            )
        )
    counts = [[90000, 0, 0, 0], [5000, 40000, 0, 0], [0, 0, 20000, 10], [0, 0, 300, 0]]
    sections = [
        Section(
            'confusions',
            'What is taken for what',
            [
                Matrix('Pixels', list(REGIONS), list(REGIONS), counts, 'pixels'),
                Parallel(
                    'Trials',
                    [Axis('lr', log=True), Axis('drop path'), Axis('mIoU')],
                    [[1e-4, 0.1, 40.0], [1e-3, 0.0, 60.0], [1e-2, None, 20.0]],
                    ['a', 'b', 'c'],
                ),
            ],
        )
    ]
    return Diagnosis(
        'segmentation',
        list(REGIONS),
        list(REGION_COLORS),
        'raw',
        'data/scenes',
        'run/iter_100.pth',
        'convnext-dense diagnose run',
        count,
        [Headline('mIoU', 61.0, 55.0, 66.1)],
        sections,
        [],
        images,
    )


def draw_file(folder: Path, number: int, boxes: Sequence[Sequence[int]], colors: Sequence[Sequence[int]]) -> str:
    """Draw boxes on a gray image, and return its file in the folder of the diagnosis."""
    image = Image.new('RGB', (WIDTH, HEIGHT), (205 + number % 40, 215, 220))
    pen = ImageDraw.Draw(image)
    for (left, top, width, height), color in zip(boxes, colors, strict=True):
        pen.ellipse((left, top, left + width, top + height), fill=tuple(color))
    return save(image, folder, number)


def save(image: Image.Image, folder: Path, number: int) -> str:
    file = f'images/{number:04d}.jpg'
    (folder / 'images').mkdir(parents=True, exist_ok=True)
    image.save(folder / file, quality=80)
    return file
