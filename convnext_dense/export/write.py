"""Write graphs as ONNX files or torch.export programs."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError
from ..io.files import atomic_write
from ..io.image_size import TOTAL_STRIDE, ImageSize
from .graphs import Graph
from .run import INPUT, open_exported

OPSET = 18  # the oldest opset with all needed operators, for the widest support by runtimes
ONNX_BYTES = 2**31 - 2**24  # protobuf's limit, minus some room for the graph
METADATA = 'metadata.json'  # file inside a .pt2
AXES = {0: 'batch', 2: 'height', 3: 'width'}  # dynamic axes of the input with --dynamic


def check_shape(graph: Graph, shape: ImageSize, dynamic: bool, is_given: bool = True) -> None:
    """Check that an exported file can take images of a size.

    Args:
        graph: the graph.
        shape: height and width in pixels.
        dynamic: the file takes images of other sizes, too.
        is_given: ``shape`` is that of ``--shape``, rather than the size at which the config tests.

    Raises:
        UserError: if it can't.
    """
    smallest = graph.smallest if dynamic else TOTAL_STRIDE
    if min(shape) < smallest:
        why = 'with --dynamic' if dynamic else f'the stride of the last stage is {TOTAL_STRIDE}'
        if is_given:
            raise UserError(f'--shape {shape[0]} {shape[1]} is too small: take sides of at least {smallest} ({why})')
        enough = ' '.join(str(max(side, smallest)) for side in shape)
        raise UserError(
            f'the size at which the model is tested, {shape[0]} x {shape[1]}, is too small for a file: sides are at '
            f'least {smallest} ({why}): give --shape {enough}{", or leave out --dynamic" if dynamic else ""}'
        )


def write(
    graph: Graph,
    path: Path,
    shape: ImageSize,
    dynamic: bool,
    about: dict[str, object],
    check: Callable[[Path], object] | None = None,
) -> None:
    """Export a graph and write it to a file atomically, after running it on noise.

    An ONNX file is run where onnxruntime is installed; a dynamic file at two small sizes.

    Args:
        graph: the graph.
        path: file with the suffix ``.onnx`` or ``.pt2``.
        shape: height and width of the images.
        dynamic: accept any number of images (one, if the graph takes only one) of any height and width of at least
            ``graph.smallest``; otherwise one image of ``shape``.
        about: metadata for the file: ONNX's ``metadata_props``, or ``metadata.json`` among a program's extra files.
        check: called with the complete file, under a temporary name, before it replaces an earlier one; if it raises
            an error, the earlier one stays.

    Raises:
        UserError: if the file can't be written, or an operator can't be exported; the message names it.
        DoesNotRun: if the file does not run; then none is written.
    """
    check_shape(graph, shape, dynamic)
    size = sum(tensor.nbytes for tensor in graph.state_dict().values())
    if path.suffix == '.onnx' and size > ONNX_BYTES:
        raise UserError(f'the weights take {size / 2**30:.1f} GB, an ONNX file holds 2: name {path.stem}.pt2 instead')
    with _silence():
        with _export_errors('torch.export'):
            program = _traced(graph, shape, dynamic)
        if path.suffix == '.onnx':
            with _export_errors('ONNX'):
                onnx_program: Any = torch.onnx.export(program, (), dynamo=True, opset_version=OPSET, verbose=False)
            _label(onnx_program.model, graph, about)
    try:
        with atomic_write(path) as temporary:
            if path.suffix == '.onnx':
                onnx_program.save(temporary)
            else:
                torch.export.save(program, temporary, extra_files={METADATA: json.dumps(about)})
            shapes = [(graph.smallest, 2 * graph.smallest), (2 * graph.smallest, graph.smallest)]
            shapes = shapes if dynamic else [shape]
            if path.suffix != '.onnx' or has_onnxruntime():
                _run_on_noise(temporary, graph, shapes)
            if check is not None:
                check(temporary)
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error.strerror}): name another place') from None


def has_onnxruntime() -> bool:
    """Check whether onnxruntime is installed."""
    return importlib.util.find_spec('onnxruntime') is not None


def _run_on_noise(path: Path, graph: Graph, shapes: Sequence[tuple[int, int]]) -> None:
    with _silence():
        run = open_exported(path)
    noise = torch.Generator().manual_seed(0)
    for height, width in shapes:
        run(graph.noise(height, width, noise))


def _traced(graph: Graph, shape: ImageSize, dynamic: bool) -> torch.export.ExportedProgram:
    height, width = shape
    if not dynamic:
        return torch.export.export(graph, (torch.zeros(1, graph.channels, height, width),), strict=False)
    axes = {axis: torch.export.Dim.DYNAMIC for axis in AXES if axis or not graph.one_image}
    # different sides and two images, because the exporter assumes that sizes that are equal, or 1, are fixed
    example = torch.zeros(1 if graph.one_image else 2, graph.channels, height, width + TOTAL_STRIDE)
    return torch.export.export(graph, (example,), dynamic_shapes=(axes,), strict=False)


def _label(model: Any, graph: Graph, about: dict[str, object]) -> None:
    """Set the names of input, outputs and axes, and add the metadata."""
    model.metadata_props.update({key: _as_text(value) for key, value in about.items()})
    (image,) = model.graph.inputs
    image.name = INPUT
    for value, name in zip(model.graph.outputs, graph.outputs, strict=True):
        value.name = name
    axes = {str(dim): AXES[axis] for axis, dim in enumerate(image.shape) if not isinstance(dim, int)}
    symbol = re.compile(r'\b[su]\d+\b')
    for value in (*model.graph.inputs, *(output for node in model.graph for output in node.outputs)):
        for axis, dim in enumerate(value.shape or ()):
            if _has_name(dim):
                value.shape[axis] = symbol.sub(lambda match: axes.get(match[0], match[0]), str(dim))
    for value in model.graph.outputs:
        for axis, dim in enumerate(value.shape or ()):
            if _has_name(dim):
                value.shape[axis] = symbol.sub('detections', str(dim))


def _has_name(dim: Any) -> bool:
    """Whether a dimension is open and named. Equal names are equal sizes, so those without one must not get one."""
    return not isinstance(dim, int) and dim.value is not None


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@contextmanager
def _export_errors(format: str) -> Iterator[None]:
    """Convert an error of torch's exporter to a UserError of one line, with the failing operator if it is known."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # the exporter raises many types
        text = str(error)
        operator = re.search(r"OpOverload\(op='([\w.]+)'", text) or re.search(r'torch\.ops\.([\w.]+)', text)
        first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
        fixed = [AXES[int(axis)] for axis in re.findall(r"L\['image'\]\.size\(\)\[(\d)\]", first)]
        reason = f'the operator {operator[1]} prevents it' if operator else first
        if fixed:
            reason = f'it computes with a fixed {" and ".join(dict.fromkeys(fixed))}, leave out --dynamic'
        raise UserError(f'this model cannot be exported to {format}: {reason}') from error


@contextmanager
def _silence() -> Iterator[None]:
    """Silence the exporter's warnings and log messages, which only concern its internals."""
    logger = logging.getLogger('torch')
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
