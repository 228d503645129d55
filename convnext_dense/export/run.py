"""Run exported files: ONNX files with onnxruntime, programs with torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import UserError

INPUT = 'image'
FATAL = 4  # onnxruntime's level of messages: its errors arrive as exceptions too


class DoesNotRun(UserError):
    """Error of an exported file that can't be loaded or run."""


def open_exported(path: Path) -> Callable[[Tensor], list[Tensor]]:
    """Load an exported file, with onnxruntime's default settings on the CPU.

    Args:
        path: a file with the suffix ``.onnx`` or ``.pt2``.

    Returns:
        A function from images, float32 (N, 3, H, W), to the file's outputs in their order.

    Raises:
        DoesNotRun: if the file can't be loaded; the function raises it if the file can't be run on the images.
    """
    run = _attempt(path.suffix, 'loaded', lambda: _open_program(path) if path.suffix == '.pt2' else _open_onnx(path))
    return lambda images: _attempt(
        path.suffix, f'run on {" x ".join(map(str, images.shape))}', lambda: list(run(images))
    )


def _open_program(path: Path) -> Callable[[Tensor], Sequence[Tensor]]:
    return torch.export.load(path).module()


def _open_onnx(path: Path) -> Callable[[Tensor], Sequence[Tensor]]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = FATAL
    session = onnxruntime.InferenceSession(path, settings, providers=['CPUExecutionProvider'])
    return lambda images: [torch.from_numpy(array) for array in session.run(None, {INPUT: images.numpy()})]


def _attempt(suffix: str, what: str, action: Callable):
    try:
        with torch.no_grad():
            return action()
    except Exception as error:  # both raise many types
        runtime = 'torch' if suffix == '.pt2' else 'onnxruntime'
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise DoesNotRun(f'the exported file cannot be {what} by {runtime} ({reason[:300]})') from error
