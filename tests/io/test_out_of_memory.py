"""Errors for lack of memory are told from others."""

import pytest
import torch

from convnext_dense.io.out_of_memory import is_out_of_memory


def real_cpu_error():
    try:
        torch.empty(2**50)
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB'), True),
        (torch.OutOfMemoryError('full'), True),
        (real_cpu_error(), True),
        (MemoryError(), True),
        (RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`'), True),
        (RuntimeError('cuDNN error: CUDNN_STATUS_ALLOC_FAILED'), True),
        (OSError(12, 'Cannot allocate memory'), True),
        (RuntimeError('mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)'), False),
        (ValueError('out of memory'), False),  # of a user's own text
    ],
)
def test_errors(error, expected):
    assert is_out_of_memory(error) == expected
