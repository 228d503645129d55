"""Check exported files: run them on images and compare their outputs with what the model predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..io.image_size import ImageSize
from ..results import Result
from .graphs import Graph
from .limits import EQUAL_PIXELS, SAME_INSTANCES, SAME_MASKS, TOLERANCE
from .run import open_exported

MATCH_DISTANCE = 1.0  # pixels: two boxes match if all their sides are closer
OTHER_SHAPES = ((0.75, 1.25), (1.5, 0.5))
"""Factors on height and width of a dynamic file's shape, for further sizes that it is checked at."""

Predict = Callable[[Sequence[Any], ImageSize | None], tuple[Tensor, Sequence[Result]]]
"""See :meth:`convnext_dense.inference.Predictor.predict_whole`."""


class Difference(NamedTuple):
    """Difference between an output of an exported file and the model.

    Attributes:
        images: shape of the input, (N, 3, H, W).
        output: name of the output, or of the part of a prediction.
        description: text with the difference and the tolerance.
        within_tolerance: True if the difference is within the tolerance.
    """

    images: tuple[int, ...]
    output: str
    description: str
    within_tolerance: bool


def compare(
    graph: Graph,
    path: Path,
    images: Sequence[Path] | Sequence[np.ndarray],
    predict: Predict,
    shape: ImageSize,
    dynamic: bool,
) -> Iterator[Difference]:
    """Run an exported file on images, and compare with what the model predicts for them.

    Outputs that no prediction has, such as logits, are compared with those of the model in PyTorch. A file of a fixed
    shape gets the images resized to that; a dynamic one gets them as they are prepared for testing, and then resized
    to several shapes, all in one batch if the graph takes more than one.

    Args:
        graph: the graph of the file.
        path: the file.
        images: the images' files, or arrays that the model takes.
        predict: :meth:`~convnext_dense.inference.Predictor.predict_whole` of the model.
        shape: height and width of the file's input; of a dynamic file, of one of the inputs.
        dynamic: whether the file takes any size.

    Raises:
        UserError: if an image can't be read.
        DoesNotRun: if the file can't be run.
    """
    run = open_exported(path)
    for size in (None, shape, *_other_shapes(shape, graph.smallest)) if dynamic else (shape,):
        together = dynamic and not graph.one_image and size is not None
        for batch in [images] if together else [[image] for image in images]:
            pixels, results = predict(batch, size)
            if dynamic and min(pixels.shape[2:]) < graph.smallest:
                continue
            outputs = run(pixels)
            found = dict(zip(graph.outputs, outputs, strict=True))
            with torch.no_grad():
                numbers = graph.numbers(pixels)
            predicted = graph.as_predicted(outputs, ImageSize(*pixels.shape[2:]))
            for name, description, passed in (
                *_arrays({name: found[name].numpy() for name in numbers}, {n: t.numpy() for n, t in numbers.items()}),
                *_predictions(predicted, results),
            ):
                yield Difference(tuple(pixels.shape), name, description, passed)


def _predictions(
    found: Sequence[Mapping[str, np.ndarray]], results: Sequence[Result]
) -> Iterator[tuple[str, str, bool]]:
    expected = [
        {name: getattr(result, name) for name in own} for own, result in zip(found, results, strict=bool(found))
    ]
    if expected and 'boxes' in expected[0]:
        for own, result in zip(found, expected, strict=True):
            yield from _instances(own, result)
    elif expected:
        names = expected[0]
        yield from _arrays(
            *({name: np.stack([one[name] for one in side]) for name in names} for side in (found, expected))
        )


def _arrays(actual: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str, bool]]:
    for name, b in expected.items():
        a = actual[name]
        if a.shape != b.shape:
            yield name, f'shape {a.shape}, of {b.shape}', False
        elif b.dtype.kind != 'f':
            same = float((a == b).mean())
            yield name, f'{same:.3%} of the pixels are equal, of at least {EQUAL_PIXELS:.1%}', same >= EQUAL_PIXELS
        else:
            difference, scale = (float(np.abs(x).max(initial=0)) for x in (a - b, b))
            limit = TOLERANCE * max(1.0, scale)
            description = f'largest difference {difference:.1e}, of at most {limit:.1e}, largest value {scale:.3g}'
            yield name, description, difference <= limit


def _instances(
    actual: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, str, bool]]:
    """Compare each instance with the nearest one of its class, since instances of equal score may be swapped."""
    counts = len(actual['boxes']), len(expected['boxes'])
    if not any(counts):
        yield 'instances', 'none found by both, so nothing is compared', True
        return
    gaps = np.abs(actual['boxes'][:, None] - expected['boxes']).max(axis=2, initial=0)
    gaps[actual['labels'][:, None] != expected['labels']] = np.inf
    pairs = []
    while gaps.size and gaps.min() < MATCH_DISTANCE:
        row, column = np.unravel_index(gaps.argmin(), gaps.shape)
        gaps[row], gaps[:, column] = np.inf, np.inf
        pairs.append((row, column))
    same = len(pairs) / max(counts)
    description = f'{len(pairs)} found by both, of {counts[0]} and {counts[1]}, at least {SAME_INSTANCES:.0%} needed'
    yield 'instances', description, same >= SAME_INSTANCES
    if pairs:
        rows, columns = map(list, zip(*pairs, strict=True))
        numbers = ('boxes', 'scores')  # the labels are equal
        yield from _arrays({n: actual[n][rows] for n in numbers}, {n: expected[n][columns] for n in numbers})
        if 'masks' in expected:
            yield _masks(actual['masks'][rows], expected['masks'][columns])


def _masks(actual: np.ndarray, expected: np.ndarray) -> tuple[str, str, bool]:
    both, either = (op(actual, expected).sum() for op in (np.logical_and, np.logical_or))
    iou = both / either if either else 1.0
    return 'masks', f'IoU {iou:.3%}, of at least {SAME_MASKS:.0%}', iou >= SAME_MASKS


def _other_shapes(shape: ImageSize, smallest: int) -> list[ImageSize]:
    """Return further sizes of other aspect ratios for checking a dynamic file."""
    return [
        ImageSize(*(max(smallest, int(side * share)) for side, share in zip(shape, shares, strict=True)))
        for shares in OTHER_SHAPES
    ]
