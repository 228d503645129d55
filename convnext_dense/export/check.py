"""Check exported files: run them on images and compare their outputs with PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..io.image_size import ImageSize
from ..io.images import read_rgb
from ..io.value_range import ValueRange
from .detection import Instances
from .graphs import Graph
from .limits import DYNAMIC_MIN, EQUAL_PIXELS, SAME_INSTANCES, TOLERANCE
from .write import INPUT, silence

MATCH_DISTANCE = 1.0  # pixels: two boxes match if all their sides are closer


class Difference(NamedTuple):
    """Difference between an output of an exported file and PyTorch's.

    Attributes:
        images: shape of the input, (N, 3, H, W).
        output: name of the output.
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
    paths: Sequence[Path],
    shape: ImageSize,
    dynamic: bool,
    value_range: ValueRange | None = None,
) -> Iterator[Difference]:
    """Run an exported file on images, resized to its input, and compare with the original model in PyTorch.

    A dynamic file is run at two sizes, with all images in one batch if the graph takes more than one.

    Raises:
        UserError: if an image can't be read.
    """
    run = _runner(path)
    for height, width in (shape, _second_shape(shape, graph.side_multiple)) if dynamic else (shape,):
        images = torch.stack([_resized(image, height, width, value_range) for image in paths])
        for batch in [images] if dynamic and not graph.one_image else images.split(1):
            with torch.no_grad():
                expected = [tensor.numpy() for tensor in graph.reference(batch)]
            compared = _instances if isinstance(graph, Instances) else _arrays
            for name, description, passed in compared(list(graph.outputs), run(batch), expected):
                yield Difference(tuple(batch.shape), name, description, passed)


def _arrays(
    names: Sequence[str], actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> Iterator[tuple[str, str, bool]]:
    for name, a, b in zip(names, actual, expected, strict=True):
        assert a.shape == b.shape, (name, a.shape, b.shape)
        if b.dtype.kind != 'f':
            same = float((a == b).mean())
            yield name, f'{same:.3%} of the pixels are equal, of at least {EQUAL_PIXELS:.1%}', same >= EQUAL_PIXELS
            continue
        difference, scale = (float(np.abs(x).max(initial=0)) for x in (a - b, b))
        limit = TOLERANCE * max(1.0, scale)
        description = f'largest difference {difference:.1e}, of at most {limit:.1e}, largest value {scale:.3g}'
        yield name, description, difference <= limit


def _instances(
    names: Sequence[str], actual: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> Iterator[tuple[str, str, bool]]:
    """Compare each instance with the nearest one of its class, since instances of equal score may be swapped."""
    counts = len(actual[0]), len(expected[0])
    gaps = np.abs(actual[0][:, None] - expected[0]).max(axis=2, initial=0)
    gaps[actual[2][:, None] != expected[2]] = np.inf
    pairs = []
    while gaps.size and gaps.min() < MATCH_DISTANCE:
        row, column = np.unravel_index(gaps.argmin(), gaps.shape)
        gaps[row], gaps[:, column] = np.inf, np.inf
        pairs.append((row, column))
    same = len(pairs) / max(counts) if max(counts) else 1.0
    description = f'{len(pairs)} found by both, of {counts[0]} and {counts[1]}, at least {SAME_INSTANCES:.0%} needed'
    yield 'instances', description, same >= SAME_INSTANCES
    if pairs:
        rows, columns = map(list, zip(*pairs, strict=True))
        numbers = [i for i, name in enumerate(names) if name != 'labels']  # these are equal
        matched = ([array[i][chosen] for i in numbers] for array, chosen in ((actual, rows), (expected, columns)))
        yield from _arrays([names[i] for i in numbers], *matched)


def _runner(path: Path) -> Callable[[Tensor], Sequence[np.ndarray]]:
    if path.suffix == '.pt2':
        with silence():
            module = torch.export.load(path).module()
        return lambda images: [tensor.numpy() for tensor in module(images)]
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails raises an error; what is printed besides is about its optimization
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    return lambda images: session.run(None, {INPUT: images.numpy()})


def _resized(path: Path, height: int, width: int, value_range: ValueRange | None) -> Tensor:
    """Read and resize an image; returns float (3, H, W), RGB, 0 to 255."""
    image = Image.fromarray(read_rgb(path, value_range=value_range))
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()


def _second_shape(shape: ImageSize, multiple: int) -> ImageSize:
    """Return another size and aspect ratio for checking a dynamic file."""
    height, width = (
        max(DYNAMIC_MIN, int(side * share) // multiple * multiple)
        for side, share in zip(shape, (0.75, 1.25), strict=True)
    )
    return ImageSize(height, width)
