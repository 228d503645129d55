"""Program that imports modules and tests torch and mmcv's ops, run by the doctor in a separate process.

Its arguments are the modules. It prints each result at once, one JSON object on a line after ``@@``, so that all but
the last are known if the process dies: ``{"begin": name}``, then ``{"name", "version", "file", "error"}`` for a
module, at the end ``{"facts": ...}``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import sys
from typing import Any

MARK = '@@'
FACTS = 'facts'


def say(**content: Any) -> None:
    """Print a result."""
    sys.__stdout__.write(f'{MARK}{json.dumps(content)}\n')  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def described(error: BaseException) -> dict[str, Any]:
    """Describe an error: its message, the modules that it passed through, and those that its causes passed through."""
    trail: list[str] = []
    behind: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        frame = seen.__traceback__
        while frame is not None:
            module = str(frame.tb_frame.f_globals.get('__name__', '')).partition('.')[0]
            (trail if seen is error else behind).append(module)
            frame = frame.tb_next
        seen = seen.__cause__ or seen.__context__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return {
        'type': type(error).__name__,
        'message': ' '.join(lines)[:500] or type(error).__name__,
        'missing': error.name if isinstance(error, ModuleNotFoundError) else None,
        'trail': trail,
        'behind': behind,
    }


def try_import(name: str) -> None:
    """Import a module and print the result."""
    say(begin=name)
    try:
        with as_in_a_run(name):
            module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        say(name=name, version=None, file=None, error=described(error))
    else:
        version, file = getattr(module, '__version__', None), getattr(module, '__file__', None)
        say(name=name, version=None if version is None else str(version), file=file, error=None)


def as_in_a_run(name: str) -> contextlib.AbstractContextManager[None]:
    """Make the package's changes to mmengine, mmdet and mmseg, without which importing them takes twice as long."""
    if name.partition('.')[0] in ('mmdet', 'mmseg') and 'convnext_dense' in sys.modules:
        with contextlib.suppress(Exception):  # the package is broken, which is already reported
            from convnext_dense.compat.mmdet_imports import light_imports
            from convnext_dense.compat.mmengine_adafactor import defer_adafactor

            defer_adafactor()
            return light_imports()
    return contextlib.nullcontext()


def facts() -> dict[str, Any]:
    """Return torch's facts about the machine, and the results of testing mmcv's ops."""
    found: dict[str, Any] = {}
    torch = sys.modules.get('torch')
    if torch is not None:
        found['threads'] = torch.get_num_threads()
        found['torch_cuda'] = torch.version.cuda or getattr(torch.version, 'hip', None)
        try:
            found['gpus'] = gpus(torch)
        except Exception as error:
            found['gpu_error'] = described(error)['message']
    if torch is not None and 'mmcv' in sys.modules:
        try:
            spec = importlib.util.find_spec('mmcv._ext')
            found['ops_from'] = spec.origin if spec else None
            devices = ['cpu', *(['cuda'] if found.get('gpus') else [])]
            found['ops_wrong'] = [fault for device in devices for fault in wrong_ops(torch, device)]
        except Exception as error:
            found['ops_error'] = described(error)['message']
    return found


def gpus(torch: Any) -> list[dict[str, Any]]:
    """List the GPUs, after a calculation on each."""
    if torch.version.cuda is None and getattr(torch.version, 'hip', None) is None:
        return []
    if not torch.cuda.is_available():
        try:
            torch.cuda.init()  # raises the reason
        except Exception as error:
            raise RuntimeError(described(error)['message']) from None
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        total = torch.ones(8, device=f'cuda:{index}').sum().item()
        properties = torch.cuda.get_device_properties(index)
        found.append(
            {
                'name': properties.name,
                'capability': f'{properties.major}.{properties.minor}',
                'gib': round(properties.total_memory / 2**30, 1),
                'adds_up': total == 8,
            }
        )
    return found


def wrong_ops(torch: Any, device: str) -> list[str]:
    """Compare nms and RoIAlign on a few numbers with known results, and describe the differences."""
    from mmcv.ops import nms, roi_align

    # the first two boxes overlap by 90 of 110: the better one stays, and the far one does
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]], device=device)
    scores = torch.tensor([0.8, 0.9, 0.7], device=device)
    kept = nms(boxes, scores, 0.5)[1].tolist()
    # on a plane, the mean of bilinear samples is the value at the middle of a bin: here at cells 1 and 2
    plane = torch.tensor([[[[float(10 * y + x) for x in range(5)] for y in range(5)]]], device=device)
    rois = torch.tensor([[0.0, 1, 1, 3, 3]], device=device)
    pooled = roi_align(plane, rois, (2, 2), 1.0, 2, 'avg', True).tolist()[0][0]
    wrong = []
    if kept != [1, 2]:
        wrong.append(f'nms on {device} keeps {kept} where [1, 2] is right')
    if any(abs(a - b) > 1e-4 for row, right in zip(pooled, ([11, 12], [21, 22])) for a, b in zip(row, right)):  # noqa: B905
        wrong.append(f'RoIAlign on {device} gives {pooled} where [[11, 12], [21, 22]] is right')
    return wrong


if __name__ == '__main__':
    del sys.path[0]  # this folder, which is not on the path of a run
    gc.disable()  # imports create no garbage, and collecting takes a seventh of the time
    for name in sys.argv[1:]:
        if name == FACTS:
            say(begin=FACTS)
            say(facts=facts())
        else:
            try_import(name)
    os._exit(0)  # skip Python's slow cleanup of thousands of modules
