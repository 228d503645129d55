"""Trying real training steps on the largest batches that a run can have, and the memory that they take."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from ..compat import mmengine_private_names as internals
from ..compat.mmdet_private_names import resize_to_largest
from ..data.sampler import sample_seed
from ..errors import UserError
from ..io.memory import available_memory, peak_memory, resident_memory
from ..io.out_of_memory import is_out_of_memory
from ..registry import LOOPS
from .batch_search import MARGIN, Trial
from .hooks.ema import EMA
from .non_finite import BackwardOnlyWrapper
from .thin_images import explain_thin_images
from .train_loop import TrainLoop

DRAWS, SECONDS = 64, 20.0
"""Samples that are drawn to find the largest ones, and the time that this may take."""
MOST_SCANNED = 5_000
"""Images whose annotations are counted to find the one with most objects."""
LEAST_FREE = 200 * 2**20
"""Bytes of the machine that a trial leaves to others, whatever they do meanwhile."""
EXIT_CODE = 77
"""Exit code of a process whose trial took too much memory."""


@LOOPS.register_module()
class TrialLoop(TrainLoop):
    """Train loop that tries batches and trains nothing, in a process of its own.

    Attributes:
        session: is called with the loop instead of training, to call :meth:`try_batch`.
        size: height and width of the largest batches.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session: Callable[[TrialLoop], None] = lambda loop: None
        self.samples: list[dict] = []
        self.size = (0, 0)

    def run(self) -> torch.nn.Module:
        runner = self.runner
        internals.set_accumulation(runner.optim_wrapper, runner.model, 2, 0, 2**40)
        runner.model.train()
        for hook in runner.hooks:
            if isinstance(hook, EMA):
                hook.before_train(runner)
        for module in runner.model.modules():  # that resizes batches: to the largest of its sizes
            resize_to_largest(module)
        for key, value in (('iter', 2**20), ('epoch', 0), ('max_iters', 2**21), ('max_epochs', 1)):
            runner.message_hub.update_info(key, value)
        self.samples, self.size = largest_samples(self.dataloader.dataset, runner.seed)
        self.session(self)
        model: torch.nn.Module = runner.model
        return model

    def batch(self, count: int) -> Any:
        """Return the largest batch of a number of images."""
        return self.dataloader.collate_fn([self.samples[i % len(self.samples)] for i in range(count)])

    def try_batch(self, count: int) -> Trial:
        """Try an optimizer step with a batch, with gradients of an earlier one and the optimizer's state in memory.

        Raises:
            UserError: if the network does not take the batch.
        """
        runner, cuda = self.runner, torch.cuda.is_available()
        try:
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            with _Watch() as watch:
                for _ in range(2):
                    self._step(self.batch(count))
            used = torch.cuda.max_memory_reserved() if cuda else watch.peak
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            used = None
        finally:
            runner.optim_wrapper.zero_grad()
            gc.collect()
            if cuda:
                torch.cuda.empty_cache()
        return Trial(count, used is not None, used)

    def _step(self, batch: Any) -> None:
        """Compute gradients twice, as accumulation does, and take a step that changes no weights."""
        runner = self.runner
        wrapper = BackwardOnlyWrapper(runner.optim_wrapper)
        for _ in range(2):
            with explain_thin_images(batch):
                runner.model.train_step(batch, optim_wrapper=wrapper)
        for group in runner.optim_wrapper.optimizer.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    parameter.grad.zero_()  # so that losses stay finite, whatever the learning rate
        runner.optim_wrapper.step()
        runner.optim_wrapper.zero_grad()


KEPT_HOOKS = ('ema', 'runtime_info', 'sampler_seed', 'bad_images')
"""Default hooks without files or lines in the log."""


def quiet_config(cfg: Config, work_dir: str) -> Config:
    """Return a config of a run that leaves nothing: no validation, no schedule, no checkpoints, no log.

    Args:
        cfg: the config of the run.
        work_dir: a temporary folder.
    """
    settings = cfg.to_dict()
    settings.update(
        {f'{mode}_{part}': None for mode in ('val', 'test') for part in ('cfg', 'dataloader', 'evaluator')}
    )
    kept = {key: hook for key, hook in (settings.get('default_hooks') or {}).items() if key in KEPT_HOOKS}
    dropped = dict.fromkeys(set(settings.get('default_hooks') or {}) - set(kept))
    settings.update(
        work_dir=work_dir, launcher='none', resume=False, param_scheduler=None, custom_hooks=None,
        default_hooks={**dropped, **kept, 'first_step': None, 'run_length': None, 'keep_split': None},
        visualizer=None, log_level='ERROR',
    )  # fmt: skip
    return Config(settings)


def trial_config(cfg: Config, work_dir: str) -> Config:
    """Return a config that tries batches and does nothing else.

    Args:
        cfg: the config of the run.
        work_dir: a temporary folder.
    """
    settings = quiet_config(cfg, work_dir).to_dict()
    settings['load_from'] = None
    if not settings.get('lora'):  # whose adapters need weights
        settings['pretrained'] = None
    settings['train_cfg'].update(type='convnext_dense.TrialLoop')
    settings['train_cfg'].pop('planned_batch_size', None)
    settings['train_dataloader'].update(num_workers=0, persistent_workers=False, batch_size=1)
    settings['train_dataloader'].pop('prefetch_factor', None)
    return Config(settings)


def largest_samples(dataset: Any, seed: int) -> tuple[list[dict], tuple[int, int]]:
    """Draw samples of training data, and return the largest ones, in the order in which a batch takes them.

    Images are spread over the data set, or are those with most objects. Each is prepared as in training, with the
    random sizes of its augmentation.

    Args:
        dataset: the data set, with the keys of our samplers.
        seed: seed of the draws.

    Returns:
        The highest and the widest sample, that with most objects and the one of the largest area, without repetition;
        and the height and width that a batch of them has.

    Raises:
        UserError: if no image can be read.
    """
    start, drawn = time.monotonic(), []
    busiest = _busiest(dataset)
    count = DRAWS // 2 if busiest else DRAWS
    spread = [round(i * (len(dataset) - 1) / (count - 1)) for i in range(count)]
    order = [index for pair in zip(spread, busiest * count, strict=False) for index in pair] or spread
    for number, index in enumerate(order):
        sample = dataset[index, sample_seed(seed, 0, number)]
        if _image(sample) is not None:
            drawn.append(sample)
        if time.monotonic() - start > SECONDS and len(drawn) >= 8:
            break
    if not drawn:
        raise UserError(f'none of {len(order)} training images can be read')
    heights, widths = zip(*(_size(sample) for sample in drawn), strict=True)
    indices = range(len(drawn))
    chosen = [
        max(indices, key=lambda i: heights[i] * widths[i]),
        max(indices, key=lambda i: heights[i]),
        max(indices, key=lambda i: widths[i]),
        max(indices, key=lambda i: _objects(drawn[i])),
    ]
    return [drawn[i] for i in dict.fromkeys(chosen)], (max(heights), max(widths))


def _busiest(dataset: Any) -> list[int]:
    """Return the indices of the images with most objects, as far as the data set tells them."""
    step = max(1, len(dataset) // MOST_SCANNED)
    try:
        counts = {index: len(dataset.get_data_info(index)['instances']) for index in range(0, len(dataset), step)}
    except (AttributeError, KeyError, TypeError, IndexError):
        return []
    return sorted(counts, key=lambda index: -counts[index])[:4]


def _image(sample: dict) -> Tensor | None:
    return sample['image'] if 'image' in sample else sample.get('inputs')


def _size(sample: dict) -> tuple[int, int]:
    height, width = _image(sample).shape[-2:]  # type: ignore[union-attr]
    return height, width


def _objects(sample: dict) -> int:
    return len(getattr(sample.get('data_samples'), 'gt_instances', ()))


def bytes_of(batch: Any) -> int:
    """Return the bytes of all tensors of images in a batch."""
    inputs = batch['inputs']
    return sum(
        image.numel() * image.element_size() for image in (inputs if isinstance(inputs, Sequence) else [inputs])
    )


class _Watch:
    """Context that measures the peak of this process's memory on a CPU."""

    def __enter__(self) -> _Watch:
        self._before, self.peak = peak_memory(), resident_memory() or 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.set()
        self._thread.join()
        if (peak := peak_memory()) > self._before:  # exact
            self.peak = peak

    def _poll(self) -> None:
        while not self._ends.wait(0.01):
            self.peak = max(self.peak, resident_memory() or 0)


@contextmanager
def limited_memory(limit: int) -> Iterator[None]:
    """Context in which this process ends, rather than the machine swaps or kills something, if it takes too much.

    The exit code is :data:`EXIT_CODE`. If the system has to kill a process nevertheless, it takes this one first.

    Args:
        limit: bytes; on a GPU of its memory, otherwise of this process.
    """
    if torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / torch.cuda.mem_get_info()[1]))
        yield
        return
    try:
        with open('/proc/self/oom_score_adj', 'w') as file:
            file.write('1000')
    except OSError:  # another system
        pass
    ends = threading.Event()

    def watch() -> None:
        while not ends.wait(0.02):
            free = available_memory()
            if (resident_memory() or 0) > limit or (free is not None and free < LEAST_FREE):
                os._exit(EXIT_CODE)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ends.set()


def free_memory(sharing: int = 1) -> int | None:
    """Return the bytes that trials may use, with a tenth left free: of the GPU, or of the machine.

    Args:
        sharing: number of processes that train on this machine's memory.
    """
    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0] * (1 - MARGIN))
    free = available_memory()
    return None if free is None else int(free * (1 - MARGIN) / sharing)
