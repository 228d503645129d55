"""mmengine's settings: those that have an effect here, and a check that a config sets no others.

mmengine ignores keys that it does not know in several places, and this project's loops and hooks replace some of its
own. A setting without effect is refused by name, with what to write instead.
"""

from __future__ import annotations

import copy
import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import mmengine.hooks
import torch
from mmengine.dist import init_dist
from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    METRICS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISBACKENDS,
    VISUALIZERS,
    DefaultScope,
    Registry,
)
from mmengine.runner import Runner as MMRunner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from ..errors import UserError
from .unknown_types import describe_unknown, find_type

RUNNER_KEYS = frozenset(inspect.signature(MMRunner.__init__).parameters) - {'self', 'cfg'}
"""Arguments of mmengine's Runner, all of which have an effect."""
READ_FROM_CONFIG = frozenset(
    {
        *('activation_checkpointing', 'compile', 'efficient_conv_bn_eval'),
        *('find_unused_parameters', 'model_wrapper_cfg', 'sync_bn'),
    }
)
"""Keys that mmengine's Runner reads from the whole config, all of which have an effect."""
OWN_KEYS = {
    *('lora', 'task', 'pretrained', 'pretrained_weights', 'trust_pickle', 'may_change_length', 'schedule_length'),
    *('compile_backbone', 'custom_imports', 'runner_type', 'sample_settings', 'tta_model', 'tta_pipeline'),
}
"""Keys of this project."""


class _OldKey(NamedTuple):
    """A key of mmcv 1's configs."""

    instead: str
    """What to set now."""
    fits: Callable[[Any], bool]
    """Whether a value has the form that mmcv 1 gave it; another one is of a variable of the user's own."""


OLD_KEYS: Mapping[str, _OldKey] = {
    'optimizer': _OldKey('optim_wrapper.optimizer', lambda value: _has(value, 'type', 'lr')),
    'optimizer_config': _OldKey(
        'optim_wrapper.clip_grad', lambda value: _has(value, 'type', 'grad_clip', 'cumulative_iters', 'loss_scale')
    ),
    'lr_config': _OldKey('param_scheduler', lambda value: _has(value, 'policy', 'warmup', 'step')),
    'momentum_config': _OldKey('param_scheduler', lambda value: _has(value, 'policy', 'warmup', 'step')),
    'runner': _OldKey(
        'train_cfg.max_epochs or train_cfg.max_iters', lambda value: _has(value, 'type', 'max_epochs', 'max_iters')
    ),
    'total_epochs': _OldKey('train_cfg.max_epochs', lambda value: _is_number(value)),
    'fp16': _OldKey('--amp fp16', lambda value: value is True or isinstance(value, Mapping)),
    'data': _OldKey(
        'train_dataloader, val_dataloader and test_dataloader',
        lambda value: _has(value, 'samples_per_gpu', 'workers_per_gpu', 'train', 'val', 'test'),
    ),
    'evaluation': _OldKey(
        'val_evaluator and train_cfg.val_interval',
        lambda value: _has(value, 'interval', 'metric', 'save_best', 'start'),
    ),
    'checkpoint_config': _OldKey(
        'default_hooks.checkpoint',
        lambda value: _has(value, 'interval', 'by_epoch', 'max_keep_ckpts', 'create_symlink'),
    ),
    'log_config': _OldKey(
        'default_hooks.logger and visualizer.vis_backends', lambda value: _has(value, 'interval', 'hooks')
    ),
    'workflow': _OldKey(
        'train_cfg.val_interval',
        lambda value: (
            isinstance(value, list | tuple) and all(isinstance(one, list | tuple) and len(one) == 2 for one in value)
        ),
    ),
    'dist_params': _OldKey('env_cfg.dist_cfg', lambda value: _has(value, 'backend')),
    'cudnn_benchmark': _OldKey('env_cfg.cudnn_benchmark', lambda value: isinstance(value, bool)),
    'opencv_num_threads': _OldKey('env_cfg.mp_cfg.opencv_num_threads', lambda value: _is_number(value)),
    'mp_start_method': _OldKey(
        'env_cfg.mp_cfg.mp_start_method', lambda value: value in ('fork', 'spawn', 'forkserver')
    ),
    'seed': _OldKey('randomness.seed', lambda value: _is_number(value)),
    'deterministic': _OldKey('randomness.deterministic', lambda value: isinstance(value, bool)),
    'resume_from': _OldKey('load_from with resume=True, or --resume FILE', lambda value: isinstance(value, str)),
    'auto_resume': _OldKey('--resume auto', lambda value: isinstance(value, bool)),
    'gpu_ids': _OldKey(
        'the environment variable CUDA_VISIBLE_DEVICES',
        lambda value: isinstance(value, list | tuple | range) and all(map(_is_number, value)),
    ),
}
"""Keys of mmcv 1's configs, which have no effect."""
REPLACED_HOOKS: Mapping[str, str] = {
    'CheckpointHook': 'Checkpoints',
    'EarlyStoppingHook': 'EarlyStopping',
    'ParamSchedulerHook': 'ParamScheduler',
    'RuntimeInfoHook': 'RuntimeInfo',
}
"""mmengine's hooks for which a hook of this package stands in, with the same arguments."""
REFUSED_HOOKS: Mapping[str, str] = {
    'EMAHook': "default_hooks.ema=dict(type='convnext_dense.EMA', momentum=...), which tests raw and averaged weights",
    'NaiveVisualizationHook': '--show-dir of tools/test.py, which draws predictions beside the ground truth',
    'PrepareTTAHook': '--tta of tools/test.py, with tta_model and tta_pipeline of the config',
}
"""mmengine's hooks that do not work with this package's loops, each with what does."""
_OF_ENVIRONMENT = ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit')
_OF_LR_SCALING = ('enable', 'base_batch_size')
_OF_CLIPPING = {'norm': torch.nn.utils.clip_grad_norm_, 'value': torch.nn.utils.clip_grad_value_}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Check that each of mmengine's settings has an effect: keys of the runner and arguments of what it builds.

    Parts that are already built are not checked. The arguments of models are checked when they are built.

    Args:
        settings: arguments of the Runner by name, with the whole config as ``cfg``, if there is one.

    Raises:
        UserError: for the first setting without effect; the message names it, and the nearest name or the replacement.
    """
    _check_top_level(settings.get('cfg') or {}, settings)
    with DefaultScope.overwrite_default_scope(settings.get('default_scope')):
        for name, hook in (settings.get('default_hooks') or {}).items():
            _check_hook(hook, f'default_hooks.{name}', name)
        for index, hook in enumerate(settings.get('custom_hooks') or []):
            _check_hook(hook, f'custom_hooks[{index}]')
        for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            _check_loader(settings.get(key), key)
        for key in ('train_cfg', 'val_cfg', 'test_cfg'):
            _check_loop(settings.get(key), key)
        for key in ('val_evaluator', 'test_evaluator'):
            _check_types(METRICS, settings.get(key), key)
        _check_optim_wrapper(settings.get('optim_wrapper'))
        schedulers = settings.get('param_scheduler') or []
        for index, one in enumerate([schedulers] if isinstance(schedulers, dict) else schedulers):
            where = 'param_scheduler' if isinstance(schedulers, dict) else f'param_scheduler[{index}]'
            if isinstance(schedulers, list | tuple) and isinstance(one, dict) and 'type' not in one:
                raise UserError(f'{where} has no type: name the scheduler, such as LinearLR, or leave the part out')
            _check_arguments(PARAM_SCHEDULERS, one, where, {'convert_to_iter_based'})
        _check_arguments(LOG_PROCESSORS, settings.get('log_processor'), 'log_processor', default='LogProcessor')
        visualizer = settings.get('visualizer')
        _check_arguments(VISUALIZERS, visualizer, 'visualizer')
        for index, one in enumerate((isinstance(visualizer, dict) and visualizer.get('vis_backends')) or []):
            _check_arguments(VISBACKENDS, one, f'visualizer.vis_backends[{index}]')
    _check_environment(settings.get('env_cfg') or {})
    _check_names(settings.get('randomness') or {}, _parameters(MMRunner.set_randomness), 'randomness')
    _check_names(settings.get('auto_scale_lr') or {}, _OF_LR_SCALING, 'auto_scale_lr')


def stand_in(hook: Any) -> Any:
    """Return a hook's config with this package's hook in place of one of mmengine's, see :data:`REPLACED_HOOKS`."""
    name = _mmengine_hook(hook) if isinstance(hook, dict) else ''
    return {**hook, 'type': f'convnext_dense.{REPLACED_HOOKS[name]}'} if name in REPLACED_HOOKS else hook


# -- parts of a config


def _check_top_level(cfg: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    known = RUNNER_KEYS | READ_FROM_CONFIG | OWN_KEYS
    for key, value in cfg.items():
        old = OLD_KEYS.get(key)
        if old is not None and value and old.fits(value) and value != _value_of(old.instead, cfg):
            raise UserError(f'the config sets {key}, which has no effect: set {old.instead}')
        near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.9) if key not in known else []
        if near:
            raise UserError(
                f'the config sets {key}, which has no effect: is it {near[0]}? (if it is a variable of your own, '
                'give it a less similar name)'
            )
    model, preprocessor = settings.get('model'), settings.get('data_preprocessor')
    own = model.get('data_preprocessor') if isinstance(model, dict) else None
    if own is not None and preprocessor is not None and own != preprocessor:
        raise UserError(
            'the config sets data_preprocessor and model.data_preprocessor to different values, and the first has no '
            'effect: set model.data_preprocessor'
        )
    if cfg.get('model_wrapper_cfg') is not None and cfg.get('find_unused_parameters') is not None:
        raise UserError(
            'the config sets model_wrapper_cfg and find_unused_parameters, and the second has no effect: set '
            'model_wrapper_cfg.find_unused_parameters'
        )


def _has(value: Any, *keys: str) -> bool:
    return isinstance(value, Mapping) and any(key in value for key in keys)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _value_of(key: str, cfg: Mapping[str, Any]) -> Any:
    """Return the value of a nested key, or None; a config may have a variable that is used there."""
    value: Any = cfg
    for part in key.split('.'):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _check_hook(hook: Any, where: str, default_name: str | None = None) -> None:
    name = _mmengine_hook(hook) if isinstance(hook, dict) else type(hook).__name__
    if name in REFUSED_HOOKS:
        raise UserError(f"{where}: mmengine's {name} does not work here: take {REFUSED_HOOKS[name]}")
    if name == 'CheckpointHook' and default_name != 'checkpoint':
        raise UserError(f'{where}: CheckpointHook beside default_hooks.checkpoint: set that, it has its arguments')
    _check_arguments(HOOKS, stand_in(hook), where, {'priority'})


def _mmengine_hook(hook: Mapping[str, Any]) -> str:
    """Return the name of the hook of mmengine that a config is of, or an empty text if it is of another."""
    kind = find_type(HOOKS, hook.get('type'))
    name = getattr(kind, '__name__', '')
    return name if name and getattr(mmengine.hooks, name, None) is kind else ''


def _check_loader(loader: Any, where: str) -> None:
    if not isinstance(loader, dict):
        return
    accepted = _parameters(DataLoader) | {'num_batch_per_epoch', 'disable_subprocess_warning'}
    _check_names(loader, accepted, where)
    _check_arguments(DATA_SAMPLERS, loader.get('sampler'), f'{where}.sampler')
    _check_arguments(DATA_SAMPLERS, loader.get('batch_sampler'), f'{where}.batch_sampler')
    _check_dataset(loader.get('dataset'), f'{where}.dataset')


def _check_dataset(dataset: Any, where: str) -> None:
    _check_arguments(DATASETS, dataset, where)
    if isinstance(dataset, dict):
        _check_types(TRANSFORMS, dataset.get('pipeline'), f'{where}.pipeline')
        _check_dataset(dataset.get('dataset'), f'{where}.dataset')
        for index, one in enumerate(dataset.get('datasets') or ()):
            _check_dataset(one, f'{where}.datasets[{index}]')


def _check_loop(loop: Any, where: str) -> None:
    if not isinstance(loop, dict):
        return
    if where == 'train_cfg':
        _check_train_loop(loop)
        loop = {key: value for key, value in loop.items() if key != 'by_epoch'}
    _check_arguments(LOOPS, loop, where)


def _check_train_loop(loop: Mapping[str, Any]) -> None:
    stock = {'EpochBasedTrainLoop': 'max_epochs', 'IterBasedTrainLoop': 'max_iters'}
    kind = loop.get('type')
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', None)
    if name is None or name in stock:
        named = f"mmengine's {name}" if name else 'a loop without a type'
        raise UserError(
            f"train_cfg: {named} does not accumulate or resume as the hooks here expect: set type='convnext_dense."
            f"TrainLoop' with {stock.get(name or '', 'max_epochs or max_iters')}"
        )
    by_epoch = loop.get('by_epoch')
    if by_epoch is not None and bool(by_epoch) != (loop.get('max_epochs') is not None):
        unit, key = ('epochs', 'max_epochs') if by_epoch else ('steps', 'max_iters')
        raise UserError(f'train_cfg.by_epoch={by_epoch} counts {unit}: set train_cfg.{key}, and no other length')


def _check_optim_wrapper(wrapper: Any) -> None:
    if not isinstance(wrapper, dict):
        return
    if 'optimizer' not in wrapper and 'constructor' not in wrapper:
        raise UserError('optim_wrapper has no optimizer: set optim_wrapper.optimizer=dict(type=..., lr=...)')
    others = {'constructor', 'paramwise_cfg'}
    _check_type(OPTIM_WRAPPER_CONSTRUCTORS, {'type': wrapper.get('constructor')}, 'optim_wrapper.constructor')
    _check_arguments(OPTIM_WRAPPERS, wrapper, 'optim_wrapper', others, default='OptimWrapper')
    _check_arguments(OPTIMIZERS, wrapper.get('optimizer'), 'optim_wrapper.optimizer')
    clipping = wrapper.get('clip_grad')
    if isinstance(clipping, dict):
        kind = clipping.get('type', 'norm')
        if kind not in _OF_CLIPPING:
            raise UserError(f"optim_wrapper.clip_grad.type {kind!r} does not exist: take 'norm' or 'value'")
        accepted = _parameters(_OF_CLIPPING[kind]) - {'parameters'}
        _check_names(clipping, accepted | {'type'}, 'optim_wrapper.clip_grad')
        required = 'max_norm' if kind == 'norm' else 'clip_value'
        if required not in clipping:
            raise UserError(f'optim_wrapper.clip_grad has no {required}, the largest {kind} of a gradient: set it')


def _check_environment(env: Mapping[str, Any]) -> None:
    _check_names(env, _OF_ENVIRONMENT, 'env_cfg')
    processes = env.get('mp_cfg') or {}
    _check_names(processes, _parameters(set_multi_processing) - {'distributed'}, 'env_cfg.mp_cfg')
    threads = processes.get('opencv_num_threads', 0)
    if isinstance(threads, bool) or not isinstance(threads, int):
        raise UserError(f'env_cfg.mp_cfg.opencv_num_threads is {threads!r}: take 0 or 1, or leave it out')
    if threads > 1:
        raise UserError(
            f'env_cfg.mp_cfg.opencv_num_threads={threads} has no effect in loader workers, '
            'each of which computes on one thread: raise train_dataloader.num_workers'
        )
    accepted = _parameters(init_dist) | _parameters(torch.distributed.init_process_group) | {'port'}
    _check_names(env.get('dist_cfg') or {}, accepted - {'launcher', 'kwargs'}, 'env_cfg.dist_cfg')


# -- arguments


def _check_arguments(
    registry: Registry, part: Any, where: str, others: Collection[str] = (), default: str | None = None
) -> None:
    """Check the keys in a part of a config against the arguments of its class.

    Args:
        registry: the registry of its ``type``.
        part: the part; anything but a dict is built already.
        where: its key in the config.
        others: further keys that are known.
        default: the type of a part without one.

    Raises:
        UserError: for an unknown key, and for an unknown type.
    """
    kind = part.get('type', default) if isinstance(part, dict) else None
    if kind is None:
        return
    _check_type(registry, part if 'type' in part else {'type': kind}, where)
    accepted = _accepted(find_type(registry, kind))
    if accepted is not None:
        _check_names(part, {'type', '_scope_', *accepted, *others}, where, others)


def _check_types(registry: Registry, parts: Any, where: str) -> None:
    """Check the type of a part of a config, or of each in a list."""
    if not isinstance(parts, list | tuple):
        _check_type(registry, parts, where)
        return
    for index, part in enumerate(parts):
        _check_type(registry, part, f'{where}[{index}]')


def _check_type(registry: Registry, part: Any, where: str) -> None:
    """Raise a UserError if a part of a config has a type that is unknown."""
    kind = part.get('type') if isinstance(part, dict) else None
    if isinstance(kind, str) and find_type(registry, kind) is None:
        raise UserError(describe_unknown(registry, kind, where))


def _check_names(part: Mapping[str, Any], accepted: Collection[str], where: str, shown: Collection[str] = ()) -> None:
    for key in part:
        if key not in accepted:
            names = sorted(set(accepted) - {'type', '_scope_', 'self', *shown})
            near = difflib.get_close_matches(str(key), names, n=1) or names
            raise UserError(f'{where} has no {key!r}: did you mean {" or ".join(near)}?')


def _accepted(kind: Any) -> set[str] | None:
    """Return the names of the arguments of a class or function, or None if it takes any.

    A class that passes further arguments on takes those of its bases, too.
    """
    if not inspect.isclass(kind):
        return None if _takes_any(kind) else _parameters(kind)
    names: set[str] = set()
    initializers = [vars(base)['__init__'] for base in kind.__mro__[:-1] if '__init__' in vars(base)]
    for function in initializers:
        names |= _parameters(function)
        if not _takes_any(function):
            return names
    return None if initializers else set()


def _takes_any(function: Any) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def _parameters(function: Any) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)} - {'self'}


def pop_from_config(arguments: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return these keys of the config, and replace the config by a copy without them."""
    cfg = arguments.get('cfg') or {}
    if not any(key in cfg for key in keys):
        return {}
    arguments['cfg'] = copy.deepcopy(cfg)
    return {key: arguments['cfg'].pop(key) for key in keys if key in cfg}
