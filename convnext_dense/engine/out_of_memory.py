"""Errors for lack of memory: which ones are, what they tell, and the remedies that suit them."""

from __future__ import annotations

import re

import torch

PATTERN = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|"
    r'CUSOLVER_STATUS_ALLOC_FAILED|CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED|std::bad_alloc|'
    r'Failed to allocate memory',
    re.IGNORECASE,
)
"""Messages of torch, CUDA's libraries, OpenCV and ONNX Runtime."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error is for lack of memory, on a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError | OSError) and PATTERN.search(str(error)) is not None
