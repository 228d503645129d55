"""mmengine's Runner with atomic writing, safe reading and strict loading of checkpoints."""

from __future__ import annotations

import itertools
import logging
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import mmengine.runner
import torch
from filelock import FileLock
from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, MMDistributedDataParallel, is_model_wrapper, revert_sync_batchnorm
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn
from torch.utils.data import DataLoader

from ..checkpoints import disk, lock, manifest
from ..checkpoints import files as checkpoints
from ..checkpoints.content import Meta
from ..checkpoints.origins import initial_checkpoints, most_restrictive, origin_of
from ..compat import mmengine_private_names as internals
from ..compat.mmengine_parameter_list import without_parameter_list
from ..compat.mmengine_recomputation import check_part, trained_checkpointing
from ..compat.mmseg_loss_advice import without_loss_advice
from ..counting import counted
from ..data.foreign import classes_of, with_seeds
from ..errors import Stopped, UserError
from ..io.new_folder import NewFolder
from ..models.compiling import compile_backbone
from ..models.lora import insert_adapters, lora_settings
from ..registry import DATASETS, RUNNERS
from ..weights.extraction import adapters_in, extract_weights, has_ema_weights, learned_masks
from ..weights.licenses import Origin, license_note
from ..weights.loading import load_full_model, load_pretrained, read_weights
from ..weights.preprocessing import describe_difference
from ..weights.reader import read_checkpoint
from . import environment, frozen, state
from .building import (
    class_shapes,
    config_errors,
    describe_unused_regions,
    read_checkpoints_safely,
)
from .remembered import RememberedValues, Values
from .schedule import fit_schedule
from .settings import check_settings, pop_from_config, stand_in
from .signals import leave_signals_to_parent
from .total_batch import BatchPlan
from .train_loop import TrainLoop
from .workers import explain_dead_workers, use_one_thread

# mmengine's own default hooks: its register_default_hooks accepts None for these only
MMENGINE_HOOKS = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')

_RUN_NUMBERS = itertools.count(1)


@RUNNERS.register_module()
class Runner(mmengine.runner.Runner):
    """mmengine's Runner for the configs of this project.

    Beyond mmengine's keys a config may have:

    - ``pretrained``: weights for initialization: a path, a URL, a name, or a work dir for its newest checkpoint; with
      ``pretrained_weights``, ``'raw'`` or ``'ema'``.
    - ``lora``: train low-rank adapters of the backbone, which keeps its other weights:
      ``dict(rank=8, alpha=8, dropout=0)``, see :class:`~convnext_dense.models.lora.LoraSettings`.
    - ``compile_backbone``: compile the backbone with torch.
    - ``resume='auto'``: resume if there is a checkpoint, otherwise start.
    - ``schedule_length``: length in epochs or steps for which the schedule was planned, if a resumed run has another.
    - ``may_change_length``: resume a run with another length, if its schedule goes on; not saved in the run's config.
    - ``trust_pickle``: allow the file of ``pretrained``, ``load_from`` or ``resume``, and no other, to run code when
      it is read; not saved in the run's config.

    A default hook that is None is left out.
    """

    def __init__(self, model: nn.Module | dict, work_dir: str, **kwargs: object) -> None:
        read_checkpoints_safely()
        check_settings({**kwargs, 'model': model})
        once = pop_from_config(kwargs, 'trust_pickle', 'may_change_length')
        self._trust_pickle = bool(once.get('trust_pickle'))
        self.may_change_length = bool(once.get('may_change_length'))
        self.origin: Origin | None = None  # of the weights that the run starts from
        self._folder = NewFolder(work_dir, results='*.pth')
        self.remembered: RememberedValues | None = None
        # mmengine caches loggers and more by name; two runs in one process must not share them
        kwargs['experiment_name'] = f'{kwargs.get("experiment_name") or Path(work_dir).name}-{next(_RUN_NUMBERS)}'
        self._lock: FileLock | None = None
        try:
            with self._folder, disk.explain_full_disk(work_dir):
                super().__init__(model, work_dir, **kwargs)
        except BaseException:
            self._unlock()
            raise

    def train(self) -> nn.Module:
        frozen.check_and_log(self)
        try:
            with disk.explain_full_disk(self.work_dir), explain_dead_workers(), trained_checkpointing():
                return super().train()
        except Stopped as stop:
            if not stop.at_once:
                self.call_hook('after_run')
            raise
        finally:
            self._close_hooks()
            self._unlock()

    def test(self) -> dict[str, float]:
        try:
            with explain_dead_workers('test_dataloader', resumes=False):
                return super().test()
        finally:
            self._close_hooks()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        """Close the hooks and free the work dir; a new one is removed if bad input is found before the first step."""
        self._close_hooks()
        if isinstance(error, UserError) and not getattr(internals.loop_or_config(self, 'train'), 'iter', 0):
            self._folder.discard()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _close_hooks(self) -> None:
        """Close the hooks that have a ``close`` method, so that an error leaves no progress bar and hidden cursor."""
        for hook in self.hooks:
            if hasattr(hook, 'close'):
                hook.close()

    # -- environment

    def setup_env(self, env_cfg: dict) -> None:
        if self.distributed and not torch.cuda.is_available() and not torch.distributed.is_initialized():
            environment.init_gloo(self.launcher, env_cfg.get('dist_cfg', {}).get('timeout'))
        super().setup_env(env_cfg)
        if self.trains and is_main_process():
            self._lock = lock.acquire(self.work_dir)

    @property
    def trains(self) -> bool:
        """True for a run that trains, False for a test."""
        return internals.loop_or_config(self, 'train') is not None

    def build_logger(self, *args: object, **kwargs: object) -> logging.Logger:
        logger = super().build_logger(*args, **kwargs)
        environment.drop_noise(logger)
        return logger

    def _log_env(self, env_cfg: dict) -> None:
        environment.log_environment(self)

    # -- building

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        with config_errors('model', self.cfg), without_loss_advice():
            built: nn.Module = super().build_model(model)
        settings = lora_settings(self.cfg.get('lora'))
        if settings is not None and self.trains:
            self._check_adapted()
            self.logger.info(insert_adapters(built, settings))
        if self.cfg.get('compile_backbone'):
            self.logger.info(compile_backbone(built.module if isinstance(built, BaseTTAModel) else built))
        return built

    def _check_adapted(self) -> None:
        """Raise a UserError if LoRA would adapt random weights."""
        if not frozen.starts_from_weights(self):
            raise UserError('LoRA adapts weights that are kept as they are: name them with --pretrained WEIGHTS')

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        synced = any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
        synced = synced or self.cfg.get('sync_bn') is not None
        if synced and self.trains and not (self.distributed and torch.cuda.is_available()):
            why = 'without a GPU' if self.distributed else 'in one process'
            self.logger.warning(f'SyncBN does not work {why}: each process normalizes its own batch (BN)')
        if self.distributed and not torch.cuda.is_available() and model_wrapper_cfg is None:
            unused = self.cfg.get('find_unused_parameters', False)
            model = revert_sync_batchnorm(model)
            return MMDistributedDataParallel(module=model, broadcast_buffers=False, find_unused_parameters=unused)
        return super().wrap_model(model_wrapper_cfg, model)

    def _init_model_weights(self) -> None:
        with without_parameter_list():
            super()._init_model_weights()
        modules = self.cfg.get('efficient_conv_bn_eval') or []
        for name in [modules] if isinstance(modules, str) else modules:
            check_part(self.bare_model, name, 'efficient_conv_bn_eval')

    @property
    def bare_model(self) -> nn.Module:
        """The model without wrappers for distributed training or test-time augmentation."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        return model.module if isinstance(model, BaseTTAModel) else model

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, *args: object, **kwargs: object) -> DataLoader:
        if isinstance(dataloader, dict):
            dataset = dataloader['dataset']
            built = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
            if hasattr(built, 'full_init'):
                built.full_init()
            dataloader = {**dataloader, 'dataset': with_seeds(built)}
        loader = mmengine.runner.Runner.build_dataloader(dataloader, *args, **kwargs)
        loader.worker_init_fn = partial(leave_signals_to_parent, partial(use_one_thread, loader.worker_init_fn))
        return loader

    def build_train_loop(self, loop: object) -> object:
        if isinstance(loop, dict):
            loop = {key: value for key, value in loop.items() if key != 'by_epoch'}  # which the length tells
        with config_errors('train_cfg or train_dataloader', self.cfg):
            built = super().build_train_loop(loop)
        dataset = getattr(getattr(built, 'dataloader', None), 'dataset', None)
        if line := describe_unused_regions(self.cfg.get('model'), dataset):
            self.logger.warning(line)
        return built

    def build_val_loop(self, loop: object) -> object:
        with config_errors('val_cfg, val_dataloader or val_evaluator', self.cfg):
            return super().build_val_loop(loop)

    def build_test_loop(self, loop: object) -> object:
        with config_errors('test_cfg, test_dataloader or test_evaluator', self.cfg):
            return super().build_test_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: object) -> object:
        with config_errors('optim_wrapper', self.cfg):
            built = super().build_optim_wrapper(optim_wrapper)
        if isinstance(built, OptimWrapperDict):
            raise UserError('optim_wrapper has several optimizers: a run here has one')
        return built

    def build_param_scheduler(self, scheduler: object) -> object:
        with config_errors('param_scheduler', self.cfg):
            steps = len(self.train_dataloader)
            planned = self.cfg.get('schedule_length')
            total = self.max_iters if planned is None else planned * (1 if self.train_loop.counts_steps else steps)
            return super().build_param_scheduler(fit_schedule(scheduler, steps, total, self.logger))

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None) -> None:
        """Scale the lr with the actual total batch, and log both in one line."""
        loop = internals.loop_or_config(self, 'train')
        if not isinstance(loop, TrainLoop):
            return super().scale_lr(optim_wrapper, auto_scale_lr)
        plan = loop.plan._replace(wanted=self._batch_of_lr(loop.plan, auto_scale_lr or {}))
        config_lr = optim_wrapper.optimizer.defaults['lr']
        for group in optim_wrapper.param_groups:
            group['lr'] *= plan.lr_factor
        self.logger.info(
            f'{plan}; lr {config_lr * plan.lr_factor:g} (the config: {config_lr:g} at {plan.wanted}); '
            f'{counted(len(loop.dataloader), "step")} per epoch, {loop.max_iters:,} in all'
        )
        return None

    def _batch_of_lr(self, plan: BatchPlan, auto_scale_lr: dict) -> int:
        """Return the total batch for which the config's lr is meant.

        Raises:
            UserError: if the config states two.
        """
        if not auto_scale_lr.get('enable', False):
            return plan.wanted
        if 'base_batch_size' not in auto_scale_lr:
            raise UserError('auto_scale_lr.enable=True needs auto_scale_lr.base_batch_size, the batch of the lr')
        base = auto_scale_lr['base_batch_size']
        if plan.is_stated and base != plan.wanted:
            raise UserError(
                f'auto_scale_lr.base_batch_size={base} and train_cfg.total_batch_size={plan.wanted} both say for '
                'which batch the lr is: leave out auto_scale_lr'
            )
        return base

    def register_hook(self, hook: Hook | dict, priority: str | int | None = None) -> None:
        """Register a hook, or this package's hook that stands in for one of mmengine's (:mod:`.settings`)."""
        name = hook.get('type', 'hook') if isinstance(hook, dict) else type(hook).__name__
        with config_errors(f'hook {name}'):
            super().register_hook(stand_in(hook), priority)

    def register_default_hooks(self, hooks: dict[str, Hook | dict | None] | None = None) -> None:
        """Register mmengine's default hooks and the config's, except those that are None.

        So a config can remove a hook of its base, even one that mmengine does not know. The hooks ``first_step``,
        which logs the first step at once, ``run_length``, which says if the run is short for its settings, and
        ``keep_split``, which keeps the split of the data, are added.
        """
        added = {
            'first_step': dict(type='convnext_dense.FirstStep'),
            'run_length': dict(type='convnext_dense.RunLength'),
            'keep_split': dict(type='convnext_dense.KeepSplit'),
        }
        chosen: dict[str, Hook | dict | None] = {**added, **(hooks or {})}
        super().register_default_hooks(
            {name: hook for name, hook in chosen.items() if hook is not None or name in MMENGINE_HOOKS}
        )

    # -- checkpoints

    @cached_property
    def _config_text(self) -> str:
        """Text of the config, cached because formatting takes as long as writing a small checkpoint."""
        return self.cfg.pretty_text

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: Meta | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
        remembered: list[Values] | None = None,
    ) -> None:
        """Write a checkpoint; its content is a :class:`~convnext_dense.checkpoints.content.Checkpoint`.

        Args:
            out_dir: the folder.
            filename: name of the file in the folder.
            file_client_args: ignored; only for compatibility with mmengine.
            save_optimizer: save the optimizer's state.
            save_param_scheduler: save the state of the parameter schedulers.
            meta: additional entries of ``meta``.
            by_epoch: True at the end of an epoch, which then counts as completed; False at the end of a step.
            backend_args: ignored; only for compatibility with mmengine.
            remembered: what the model remembers in each process, see :mod:`.remembered`.
        """
        progress: Meta = {
            'epoch': self.epoch + 1 if by_epoch else self.epoch,
            'iter': self.iter if by_epoch else self.iter + 1,
        }
        content = state.collect(
            self, {**progress, **(meta or {})}, save_optimizer, save_param_scheduler, self._config_text, remembered
        )
        self.call_hook('before_save_checkpoint', checkpoint=content)
        checkpoints.write(content, Path(out_dir, filename))

    def load_or_resume(self) -> None:
        if internals.has_loaded(self):
            return
        state.check_heads(self)
        if internals.resume_setting(self):
            if (named := internals.checkpoint_setting(self)) is not None:
                checkpoints.check_newest(named, self.work_dir)
            else:
                internals.set_checkpoint_to_resume(self, state.find_newest_for_all(self))
        resumes, named = internals.resume_setting(self), internals.checkpoint_setting(self)
        parts = initial_checkpoints(self.cfg.get('model')) if self.trains and not resumes and named is None else ()
        initial = [origin_of(source) for source in parts]
        if self.trains and self.cfg.get('pretrained') and named is not None and not resumes:
            self.logger.warning(f'pretrained={self.cfg.pretrained} is not loaded, since load_from={named} is')
        if not resumes and named is None and self.cfg.get('pretrained'):
            classes = classes_of(self.train_dataloader.dataset)
            weights = self.cfg.get('pretrained_weights', 'raw')
            source = checkpoints.find(self.cfg.pretrained)
            shapes = (
                partial(class_shapes, self.cfg, channel_per_class=True)
                if isinstance(self.cfg.get('model'), dict)
                else dict
            )
            found = read_weights(source, weights, self._trust_pickle)
            options: Any = dict(classes=classes, find_class_shapes=shapes, used=state.used_preprocessing(self))
            self.logger.info(load_pretrained(self.bare_model, found, **options))
            self.origin = most_restrictive([found.origin, *initial])
            internals.set_loaded(self)
        else:
            self.origin = most_restrictive(initial)
            if self.origin is not None:
                self.logger.info(f'initialized from {self.origin.source}{license_note(self.origin)}')
            super().load_or_resume()
        self.remembered = self.remembered or RememberedValues(self.bare_model)
        if self.trains and not (resumes and state.is_finished(self)):
            super().dump_config()

    def dump_config(self) -> None:
        """Write the config to the work dir; in training only when it is to train, not after a refused resume."""
        if not self.trains:
            super().dump_config()

    def load_checkpoint(
        self, filename: str, map_location: object = 'cpu', strict: bool = True, revise_keys: object = None
    ) -> dict[str, Any]:
        """Load weights whose names, shapes and classes must match the model.

        Raises:
            UserError: if they don't match, or the file is damaged.
        """
        return self._load_checkpoint(filename, resumes=False)

    def _load_checkpoint(self, filename: str, resumes: bool) -> dict[str, Any]:
        """Load weights as :meth:`load_checkpoint` does; a run that resumes keeps its adapters apart."""
        manifest.check(filename)
        content = read_checkpoint(filename, self._trust_pickle)
        if resumes:
            state.check_same_adapters(self, filename, adapters_in(content))
        weights = extract_weights(content, filename, merged=not resumes)
        state.check_same_classes(self, filename, weights.classes, content)
        state.check_same_masks(self, filename, learned_masks(content))
        note = load_full_model(self.bare_model, weights)
        if line := describe_difference(state.used_preprocessing(self), weights.preprocessing, filename):
            self.logger.warning(line)
        if has_ema_weights(content):
            content['ema_state_dict'] = extract_weights(content, filename, 'ema', merged=not resumes).state
        self.call_hook('after_load_checkpoint', checkpoint=content)
        internals.set_loaded(self)
        self.origin = weights.origin
        self.logger.info(f'loaded {filename}' + (f'; {note}' if note else '') + license_note(self.origin))
        return content

    def resume(
        self,
        filename: str,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: object = 'cpu',
    ) -> None:
        """Resume a run from its checkpoint, so that it continues exactly like an uninterrupted run.

        Raises:
            UserError: if the file holds only weights, or if seed, batch, number of images, schedule or optimizer have
                changed, or the length without ``may_change_length``.
        """
        state.restore(self, filename, self._load_checkpoint(filename, resumes=True))
