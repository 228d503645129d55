"""mmengine's Runner, with checkpoints that are written whole, read safely and loaded strictly."""

from __future__ import annotations

import itertools
import logging
import os
import platform
import subprocess
import time
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import mmengine
import mmengine.runner
import torch
from filelock import FileLock
from mmengine.dist import broadcast_object_list, is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseTTAModel, MMDistributedDataParallel, is_model_wrapper, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.utils import apply_to
from mmengine.utils.dl_utils import collect_env
from torch import nn
from torch.utils.data import DataLoader

from ..checkpoints import disk, lock, manifest, resume
from ..checkpoints import files as checkpoints
from ..compat.checkpoint_loader import load_safely
from ..errors import Stopped, UserError
from ..io.files import ensure_writable_folder
from ..models.compiling import compile_backbone
from ..registry import RUNNERS
from ..version import __version__
from ..weights.hub_config import final_norm_eps
from ..weights.loading import TRAINED_HERE, has_average, load_pretrained, load_whole, read_checkpoint, weights_in
from .building import config_errors
from .loops import TrainLoop
from .schedule import fitting
from .signals import shield_worker
from .workers import explaining_dead_workers, pin_worker

# mmengine's own default hooks, those that its register_default_hooks takes None for
OWN_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
COMMANDS = 'commands.txt'  # in a work dir: the command lines that it was made by
# mmengine's lines that tell a person nothing
NOISE = (
    *('Hooks will be executed', 'Distributed training is not used', 'Exp name:', 'Checkpoints will be saved'),
    *('"FileClient"', '"HardDiskBackend"'),
)


_RUNS = itertools.count(1)


@RUNNERS.register_module()
class Runner(mmengine.runner.Runner):
    """Runs a config.

    Beyond mmengine's keys a config may have ``pretrained``, the checkpoint or official weights that training starts
    from, and ``pretrained_weights``, ``'raw'`` or ``'ema'``; ``compile_backbone``, to have it compiled by torch.
    ``resume`` may be ``'auto'``: go on where there is a checkpoint to go on from, else start. A default hook that is
    None is left out.
    """

    _has_loaded: bool
    _load_from: str | None
    _resume: bool | str

    def __init__(self, model: nn.Module | dict, work_dir: str, **kwargs: object) -> None:
        load_safely()
        ensure_writable_folder(work_dir)
        # mmengine keeps loggers and the like by name: two runs of one process must not share theirs
        kwargs['experiment_name'] = f'{kwargs.get("experiment_name") or Path(work_dir).name}-{next(_RUNS)}'
        self._lock: FileLock | None = None
        try:
            with disk.explaining_no_space(work_dir):
                super().__init__(model, work_dir, **kwargs)
        except BaseException:
            self._unlock()
            raise

    def train(self) -> nn.Module:
        try:
            with disk.explaining_no_space(self.work_dir), explaining_dead_workers():
                return super().train()
        except Stopped as stop:
            if not stop.at_once:
                self.call_hook('after_run')
            raise
        finally:
            self._close_hooks()
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def test(self) -> dict[str, float]:
        try:
            with explaining_dead_workers():
                return super().test()
        finally:
            self._close_hooks()

    def _close_hooks(self) -> None:
        """An error must not leave a progress bar and a hidden cursor on the terminal."""
        for hook in self.hooks:
            if hasattr(hook, 'close'):
                hook.close()

    def setup_env(self, env_cfg: dict) -> None:
        if self.distributed and not torch.cuda.is_available() and not torch.distributed.is_initialized():
            _init_gloo(self.launcher, env_cfg.get('dist_cfg', {}).get('timeout'))
        super().setup_env(env_cfg)
        if self._train_loop is not None and is_main_process():
            self._lock = lock.take(self.work_dir)

    def build_logger(self, *args: object, **kwargs: object) -> logging.Logger:
        logger = super().build_logger(*args, **kwargs)
        logger.addFilter(lambda record: not str(record.msg).startswith(NOISE))
        return logger

    def _log_env(self, env_cfg: dict) -> None:
        """The whole environment goes to a file, one line of it to the log."""
        if self.rank == 0:
            lines = [f'{key}: {value}' for key, value in collect_env().items()]
            Path(self.log_dir, 'environment.txt').write_text('\n'.join(lines) + '\n')
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'
        self.logger.info(
            f'convnext_dense {__version__}, torch {torch.__version__}, Python {platform.python_version()}, '
            f'{self.world_size} x {device}, {torch.get_num_threads()} threads, seed {self.seed}; '
            f'logs in {self.log_dir}'
        )

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        synced = any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
        if synced and not (self.distributed and torch.cuda.is_available()):
            why = 'without a GPU' if self.distributed else 'in one process'
            self.logger.warning(f'SyncBN does not work {why}: each process normalizes its own batch (BN)')
        if self.distributed and not torch.cuda.is_available() and model_wrapper_cfg is None:
            unused = self.cfg.get('find_unused_parameters', False)
            model = revert_sync_batchnorm(model)
            return MMDistributedDataParallel(module=model, broadcast_buffers=False, find_unused_parameters=unused)
        return super().wrap_model(model_wrapper_cfg, model)

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None) -> None:
        """Scale the lr with the total batch that is really reached, and say so in one line."""
        if not isinstance(self._train_loop, TrainLoop):
            return super().scale_lr(optim_wrapper, auto_scale_lr)
        plan = self._train_loop.plan
        config_lr = optim_wrapper.optimizer.defaults['lr']
        for group in optim_wrapper.param_groups:
            group['lr'] *= plan.lr_factor
        self.logger.info(
            f'{plan}; lr {config_lr * plan.lr_factor:g} (the config: {config_lr:g} at {plan.wanted}); '
            f'{len(self._train_loop.dataloader)} steps per epoch, {self._train_loop.max_iters} in all'
        )
        return None

    def register_default_hooks(self, hooks: dict[str, Hook | dict | None] | None = None) -> None:
        """As mmengine's, and None leaves out any hook, so that a config can take away one of its base's."""
        kept = {name: hook for name, hook in (hooks or {}).items() if hook is not None or name in OWN_HOOKS}
        super().register_default_hooks(kept)

    # -- building

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        with config_errors('model'):
            built: nn.Module = super().build_model(model)
        if self.cfg.get('compile_backbone'):
            compile_backbone(built.module if isinstance(built, BaseTTAModel) else built)
        return built

    @staticmethod
    def build_dataloader(*args: object, **kwargs: object) -> DataLoader:
        loader = mmengine.runner.Runner.build_dataloader(*args, **kwargs)
        loader.worker_init_fn = partial(shield_worker, partial(pin_worker, loader.worker_init_fn))
        return loader

    def build_train_loop(self, loop: object) -> object:
        with config_errors('train_cfg or train_dataloader'):
            return super().build_train_loop(loop)

    def build_val_loop(self, loop: object) -> object:
        with config_errors('val_cfg, val_dataloader or val_evaluator'):
            return super().build_val_loop(loop)

    def build_test_loop(self, loop: object) -> object:
        with config_errors('test_cfg, test_dataloader or test_evaluator'):
            return super().build_test_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: object) -> object:
        with config_errors('optim_wrapper'):
            return super().build_optim_wrapper(optim_wrapper)

    def build_param_scheduler(self, scheduler: object) -> object:
        with config_errors('param_scheduler'):
            return super().build_param_scheduler(
                fitting(scheduler, len(self.train_dataloader), self.max_iters, self.logger)
            )

    # -- checkpoints

    @cached_property
    def _config_text(self) -> str:
        """For people; it is never executed. Formatting it takes as long as writing a small checkpoint."""
        return self.cfg.pretty_text

    @property
    def bare_model(self) -> nn.Module:
        """The model without the wrappers that distribute it or show it several views of an image."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        return model.module if isinstance(model, BaseTTAModel) else model

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
    ) -> None:
        """Write a checkpoint of tensors and plain values: ``meta``, ``state_dict`` (raw weights), ``ema_state_dict``
        where there is an average, ``runtime_info``, ``log_scalars`` (the last numbers, which the log smooths),
        ``optimizer``, ``param_schedulers``."""
        meta = {
            'epoch': self.epoch + 1 if by_epoch else self.epoch,
            'iter': self.iter if by_epoch else self.iter + 1,
            'run': resume.facts(self),
            'experiment_name': self.experiment_name,
            'time': time.strftime('%Y-%m-%d %H:%M:%S'),
            TRAINED_HERE: __version__,
            'cfg': self._config_text,
            'final_norm_eps': final_norm_eps(self.bare_model),
            'dataset_meta': _plain(getattr(self.train_dataloader.dataset, 'metainfo', {})),
            **(meta or {}),
        }
        content: dict = {
            'meta': meta,
            'state_dict': _to_cpu(self.bare_model.state_dict()),
            'runtime_info': _plain(self.message_hub.runtime_info),
            'log_scalars': {
                name: buffer.data[0][-self.log_processor.window_size :].tolist()
                for name, buffer in self.message_hub.log_scalars.items()
                if name.startswith('train/')
            },
        }
        if save_optimizer:
            content['optimizer'] = _to_cpu(self.optim_wrapper.state_dict())
        if save_param_scheduler and self.param_schedulers is not None:
            content['param_schedulers'] = [_plain(scheduler.state_dict()) for scheduler in self.param_schedulers]
        self.call_hook('before_save_checkpoint', checkpoint=content)
        checkpoints.write(content, Path(out_dir, filename))

    def load_or_resume(self) -> None:
        if self._has_loaded:
            return
        if self._resume and self._load_from is not None:
            checkpoints.check_newest(self._load_from, self.work_dir)
        elif self._resume:
            self._load_from = self._newest()
            self._resume = self._load_from is not None
        if not self._resume and self._load_from is None and self.cfg.get('pretrained'):
            classes = getattr(self.train_dataloader.dataset, 'metainfo', {}).get('classes')
            weights = self.cfg.get('pretrained_weights', 'raw')
            manifest.check(self.cfg.pretrained)
            self.logger.info(load_pretrained(self.bare_model, self.cfg.pretrained, weights, classes))
            self._has_loaded = True
        else:
            super().load_or_resume()

    def _newest(self) -> str | None:
        """The checkpoint to go on from, as the first process finds it; None where ``resume='auto'`` finds none."""
        answer: list[str | UserError | None] = [None]
        if is_main_process() and (self._resume != 'auto' or checkpoints.found(self.work_dir)):
            try:
                answer[0] = str(checkpoints.newest(self.work_dir))
            except UserError as error:  # the others must not wait for an answer
                answer[0] = error
        broadcast_object_list(answer)
        if isinstance(answer[0], UserError):
            raise answer[0]
        return answer[0]

    def load_checkpoint(
        self, filename: str, map_location: object = 'cpu', strict: bool = True, revise_keys: object = None
    ) -> dict:
        """Load weights that must match the model's, by name and shape, and the same classes."""
        manifest.check(filename)
        content = read_checkpoint(filename)
        weights = weights_in(content, filename)
        self._check_classes(filename, weights.classes)
        load_whole(self.bare_model, weights)
        if has_average(content):
            content['ema_state_dict'] = weights_in(content, filename, 'ema').state
        self.call_hook('after_load_checkpoint', checkpoint=content)
        self._has_loaded = True
        self.logger.info(f'loaded {filename}')
        return content

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: object = 'cpu',
    ) -> None:
        """Go on from a training checkpoint, exactly as the run would have.

        Raises:
            UserError: if the file holds no run, or the run has another seed, batch, length, amount of data, schedule
                or optimizer now.
        """
        content = self.load_checkpoint(filename)
        absent = {'meta', 'optimizer', 'param_schedulers', 'runtime_info'} - content.keys()
        if absent:
            raise UserError(
                f'checkpoint {filename} holds weights only ({", ".join(sorted(absent))} absent) and no run to go on '
                'from: start one from these weights with --pretrained'
            )
        meta = content['meta']
        saved = meta.get('run', {})
        if warning := resume.check_same_run(saved, resume.facts(self)):
            self.logger.warning(warning)
        resume.check_same_optimizer(content['optimizer']['param_groups'], self.optim_wrapper.optimizer.param_groups)
        self.train_loop.go_on_from(meta['epoch'], meta['iter'], saved.get('sampler_seed'))
        for key, value in content['runtime_info'].items():
            self.message_hub.update_info(key, value)
        for name, values in content.get('log_scalars', {}).items():
            self.message_hub.log_scalars[name] = HistoryBuffer(values, [1] * len(values))
        entry = manifest.read(Path(filename).parent).get(Path(filename).name, {})
        self.train_loop.validated = 'best_score' in entry
        if entry.get('best_score') is not None:
            self.message_hub.update_info('best_score', entry['best_score'])
        self.optim_wrapper.load_state_dict(content['optimizer'])
        resume.check_same_schedule(
            content['param_schedulers'], [_plain(s.state_dict()) for s in self.param_schedulers]
        )
        for scheduler, state in zip(self.param_schedulers, content['param_schedulers'], strict=True):
            scheduler.load_state_dict(state)
        finished = ', the run was finished' if meta['iter'] >= self.max_iters else ''
        self.logger.info(f'resumed from {filename}: {meta["epoch"]} epochs, {meta["iter"]} steps done{finished}')

    def _check_classes(self, filename: str, classes: list[str] | None) -> None:
        loop = self._train_loop if isinstance(self._train_loop, TrainLoop) else self._test_loop
        own = getattr(getattr(getattr(loop, 'dataloader', None), 'dataset', None), 'metainfo', {}).get('classes')
        if classes and own and list(classes) != list(own):
            different = [f'{a} / {b}' for a, b in zip(classes, own, strict=False) if a != b]
            detail = f'{len(classes)} / {len(own)}' if len(classes) != len(own) else '; '.join(different[:3])
            raise UserError(f'checkpoint {filename} was trained on other classes than the data has: {detail}')


def _init_gloo(launcher: str, timeout: float | None) -> None:
    """Start the process group on CPUs, which mmengine's launchers don't."""
    if launcher == 'slurm':
        nodes = subprocess.check_output(['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']], text=True)
        os.environ.setdefault('MASTER_ADDR', nodes.split()[0])
        os.environ.setdefault('MASTER_PORT', '29500')
        os.environ['RANK'] = os.environ['SLURM_PROCID']
        os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
        os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']
    torch.distributed.init_process_group('gloo', timeout=timedelta(seconds=timeout) if timeout else None)


def _to_cpu(content: dict) -> dict:
    return apply_to(content, lambda x: isinstance(x, torch.Tensor), lambda x: x.detach().cpu())


def _plain(value: Any) -> Any:
    """Keep what ``torch.load(weights_only=True)`` reads back: plain values and containers of them."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items() if _is_plain(v)}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value if _is_plain(v)]
    return float(value) if isinstance(value, float) else value  # numpy's float64 is a float, too


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | dict | list | tuple)
