"""Errors for lack of memory: which ones are, and what they tell of the size, the device and the phase."""

from __future__ import annotations

import re
from typing import NamedTuple

from .memory import available_memory, in_gib, resident_memory

PATTERN = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED|"
    r'CUSOLVER_STATUS_ALLOC_FAILED|HOST_ALLOCATION_FAILED|std::bad_alloc|Failed to allocate memory|'
    r'Insufficient memory|Unable to allocate',
    re.IGNORECASE,
)
"""Messages of torch, CUDA's libraries, NumPy, OpenCV and ONNX Runtime."""
OF_GPU = re.compile(r'CUDA|CUBLAS|CUDNN|CUSOLVER|HIP', re.IGNORECASE)
ASKED = re.compile(
    r'(?:tried|unable|failed) to allocate (?:memory for requested buffer of size )?(?P<size>[\d.]+) ?'
    r'(?P<unit>[KMGT]?i?B|bytes)?',
    re.IGNORECASE,
)
UNITS = {'B': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}
PHASES = (
    ('evaluation_loops', 'run', ''),  # validation in training, or a test: the command says which
    ('_tensor', 'backward', 'the backward pass'),
    ('optim_wrapper', 'step', "the optimizer's step"),
    ('non_finite', 'step_if_finite', "the optimizer's step"),
    ('dataloader', '__next__', 'loading data'),
    ('train_loop', 'run_iter', 'the forward pass'),
    ('ema', 'before_train', 'making the EMA'),
    ('runner', '_load_checkpoint', 'loading a checkpoint'),
    ('runner', 'build_model', 'building the model'),
    ('runner', 'wrap_model', 'moving the model to its device'),
)
"""Phases by module and function on the stack; the first that is there names the error."""


class Shortage(NamedTuple):
    """What an error for lack of memory tells."""

    on_gpu: bool
    asked: int | None
    """Bytes; None if the message does not tell."""
    phase: str
    """Part of a training step or of the start; empty where none is known."""
    in_evaluation: bool

    def __str__(self) -> str:
        """Say it in words, with what is free and used now."""
        where = 'the GPU is out of memory' if self.on_gpu else 'the machine is out of memory'
        phase = f' in {self.phase}' if self.phase else ''
        asked = f'{in_gib(self.asked)} GB were asked for' if self.asked else ''
        return f'{where}{phase}: ' + ', '.join(filter(None, (asked, _usage(self.on_gpu))))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error is for lack of memory, on a GPU or of the machine."""
    if isinstance(error, MemoryError) or _is_of_torch(error):
        return True
    of_opencv = type(error).__module__.startswith('cv2')
    of_onnx = type(error).__module__.startswith('onnxruntime')
    return (isinstance(error, RuntimeError | OSError) or of_opencv or of_onnx) and bool(PATTERN.search(str(error)))


def explain_shortage(error: BaseException) -> Shortage:
    """Find out what an error of :func:`is_out_of_memory` tells."""
    text = str(error)
    on_gpu = _is_of_torch(error) or bool(OF_GPU.search(text))
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append((code.co_filename.rpartition('/')[2].removesuffix('.py'), code.co_name))
        trace = trace.tb_next
    phase = next((name for file, function, name in PHASES if (file, function) in places), '')
    return Shortage(on_gpu, _asked(text), phase, ('evaluation_loops', 'run') in places)


def _is_of_torch(error: BaseException) -> bool:
    return type(error).__name__ == 'OutOfMemoryError'  # by its name, since torch may be what is not installed


def _asked(text: str) -> int | None:
    match = ASKED.search(text)
    if match is None:
        return None
    unit = (match['unit'] or 'B').upper()
    return int(float(match['size']) * (1 if unit == 'BYTES' else UNITS[unit[0]]))


def _usage(on_gpu: bool) -> str:
    if on_gpu:
        import torch  # which took the error, so that it is there

        if not torch.cuda.is_available():
            return ''
        free, total = torch.cuda.mem_get_info()
        held = torch.cuda.memory_reserved()
        return f'{in_gib(free)} of {in_gib(total)} GB are free, and this process holds {in_gib(held)}'
    available, resident = available_memory(), resident_memory()
    if available is None or resident is None:
        return ''
    return f'{in_gib(available)} GB are free, and this process holds {in_gib(resident)}'
