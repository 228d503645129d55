"""mmengine's settings: each is honoured, or refused by name."""

import inspect
import re
from pathlib import Path

import mmengine.hooks
import mmengine.runner.runner
import pytest
import torch
from mmengine.hooks import CheckpointHook, EmptyCacheHook, Hook, IterTimerHook

from convnext_dense.engine import Runner, settings
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.helpers import toy

OPTIMIZER = dict(type='AdamW', lr=0.1)


def check(**parts) -> None:
    settings.check_settings({'default_scope': 'mmengine', **parts})


def test_the_lists_hold_every_key_of_mmengines_runner():
    source = inspect.getsource(mmengine.runner.runner)
    assert set(re.findall(r"self\.cfg\.get\(\s*'(\w+)'", source)) == settings.READ_FROM_CONFIG
    of_runner = set(re.findall(r"(?:=cfg\.get\(|cfg\[)'(\w+)'", inspect.getsource(mmengine.runner.Runner.from_cfg)))
    assert of_runner == settings.RUNNER_KEYS


HONOURED_HOOKS = {
    *('DistSamplerSeedHook', 'EmptyCacheHook', 'IterTimerHook', 'LoggerHook'),
    *('NPUProfilerHook', 'ProfilerHook', 'SyncBuffersHook'),
}
"""mmengine's hooks that work as they are."""


def test_the_lists_hold_every_hook_of_mmengine_once():
    hooks = {name for name, one in vars(mmengine.hooks).items() if isinstance(one, type) and issubclass(one, Hook)}
    lists = [settings.REPLACED_HOOKS, settings.REFUSED_HOOKS, HONOURED_HOOKS, {'Hook'}]
    assert sorted(name for one in lists for name in one) == sorted(hooks)


@pytest.mark.parametrize(
    ('part', 'said'),
    [
        (
            dict(train_cfg=dict(type='convnext_dense.TrainLoop', max_epoch=3)),
            "train_cfg has no 'max_epoch': did you mean max_epochs",
        ),
        (
            dict(train_cfg=dict(type='convnext_dense.TrainLoop', max_epochs=3, val_intervall=2)),
            'did you mean val_interval',
        ),
        (
            dict(train_cfg=dict(type='convnext_dense.TrainLoop', max_iters=3, by_epoch=True)),
            'train_cfg.by_epoch=True counts epochs: set train_cfg.max_epochs',
        ),
        (
            dict(train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3)),
            "mmengine's EpochBasedTrainLoop does not accumulate or resume",
        ),
        (dict(train_cfg=dict(by_epoch=False, max_iters=3)), 'train_cfg: a loop without a type'),
        (dict(val_cfg=dict(type='convnext_dense.ValLoop', fp61=True)), "val_cfg has no 'fp61': did you mean fp16"),
        (dict(test_cfg=dict(type='convnext_dense.TestLoop', weight='raw')), 'did you mean weights'),
        (
            dict(optim_wrapper=dict(optimizer=OPTIMIZER, accumulate_counts=4)),
            "optim_wrapper has no 'accumulate_counts': did you mean accumulative_counts",
        ),
        (
            dict(optim_wrapper=dict(optimizer=dict(OPTIMIZER, weight_deacy=0.1))),
            "optim_wrapper.optimizer has no 'weight_deacy': did you mean weight_decay",
        ),
        (
            dict(optim_wrapper=dict(optimizer=OPTIMIZER, clip_grad=dict(max_nrom=1))),
            "optim_wrapper.clip_grad has no 'max_nrom': did you mean max_norm",
        ),
        (dict(optim_wrapper=dict(optimizer=OPTIMIZER, clip_grad=dict(norm_type=2))), 'clip_grad has no max_norm'),
        (
            dict(optim_wrapper=dict(optimizer=OPTIMIZER, clip_grad=dict(type='max', max_norm=1))),
            "type 'max' does not exist: take 'norm' or 'value'",
        ),
        (
            dict(optim_wrapper=dict(type='AmpOptimWrapper', optimizer=OPTIMIZER, loss_scaler='dynamic')),
            'did you mean loss_scale',
        ),
        (
            dict(optim_wrapper=dict(optimizer=dict(type='AdamV', lr=1))),
            "there is no 'AdamV' (optimizer) for optim_wrapper.optimizer: did you mean Adam",
        ),
        (dict(optim_wrapper=dict(generator={}, discriminator={})), 'optim_wrapper has no optimizer'),
        (
            dict(param_scheduler=[dict(type='LinearLR', start_facotr=0.1, end=5)]),
            "param_scheduler[0] has no 'start_facotr': did you mean start_factor",
        ),
        (
            dict(param_scheduler=dict(type='CosineAnnealingLR', T_max=5, eta_mim=0)),
            "param_scheduler has no 'eta_mim': did you mean eta_min",
        ),
        (dict(param_scheduler=[dict(type='CosineLR', T_max=5)]), "there is no 'CosineLR' (parameter scheduler)"),
        (dict(log_processor=dict(window=5)), "log_processor has no 'window': did you mean window_size"),
        (dict(log_processor=dict(type='convnext_dense.LogProcessor', num_digit=5)), 'did you mean num_digits'),
        (dict(visualizer=dict(type='Visualizer', vis_backend=[])), 'did you mean vis_backends'),
        (
            dict(visualizer=dict(type='Visualizer', vis_backends=[dict(type='WandbVisBackend', init_kwarg={})])),
            "visualizer.vis_backends[0] has no 'init_kwarg': did you mean init_kwargs",
        ),
        (dict(env_cfg=dict(cudnn_benchmarks=True)), "env_cfg has no 'cudnn_benchmarks': did you mean cudnn_benchmark"),
        (dict(env_cfg=dict(mp_cfg=dict(start_method='fork'))), 'did you mean mp_start_method'),
        (dict(env_cfg=dict(mp_cfg=dict(opencv_num_threads=4))), 'has no effect in loader workers'),
        (dict(env_cfg=dict(mp_cfg=dict(opencv_num_threads=None))), 'opencv_num_threads is None: take 0 or 1'),
        (dict(env_cfg=dict(mp_cfg=dict(opencv_num_threads='2'))), "opencv_num_threads is '2': take 0 or 1"),
        (
            dict(env_cfg=dict(dist_cfg=dict(backend='nccl', time_out=3))),
            "env_cfg.dist_cfg has no 'time_out': did you mean timeout",
        ),
        (dict(randomness=dict(seeds=3)), "randomness has no 'seeds': did you mean seed"),
        (dict(auto_scale_lr=dict(enabled=True)), "auto_scale_lr has no 'enabled': did you mean enable"),
        (dict(train_dataloader=dict(batchsize=4)), "train_dataloader has no 'batchsize': did you mean batch_size"),
        (
            dict(val_dataloader=dict(sampler=dict(type='DefaultSampler', shufle=True))),
            "val_dataloader.sampler has no 'shufle': did you mean shuffle",
        ),
        (
            dict(train_dataloader=dict(dataset=dict(type='RepeatDataset', time=2, dataset={}))),
            "train_dataloader.dataset has no 'time': did you mean times",
        ),
        (
            dict(
                train_dataloader=dict(
                    dataset=dict(
                        type='RepeatDataset', times=2, dataset=dict(type='convnext_dense.ImageFolder', roots='x')
                    )
                )
            ),
            "train_dataloader.dataset.dataset has no 'roots': did you mean root",
        ),
        (
            dict(default_hooks=dict(timer=dict(type='IterTimerHook', interval=3))),
            "default_hooks.timer has no 'interval'",
        ),
        (
            dict(default_hooks=dict(ema=dict(type='convnext_dense.EMA', momentun=0.1))),
            "default_hooks.ema has no 'momentun': did you mean momentum",
        ),
        (
            dict(default_hooks=dict(logger=dict(type='LoggerHook', intervall=3))),
            "default_hooks.logger has no 'intervall': did you mean interval",
        ),
        (
            dict(custom_hooks=[dict(type='EarlyStoppingHook', monitor='x', patients=3)]),
            "custom_hooks[0] has no 'patients': did you mean patience",
        ),
        (
            dict(custom_hooks=[dict(type='EarlyStopingHook', monitor='x')]),
            "there is no 'EarlyStopingHook' (hook) for custom_hooks[0]: did you mean EarlyStoppingHook",
        ),
        (
            dict(custom_hooks=[dict(type='EMAHook', momentum=0.1)]),
            "custom_hooks[0]: mmengine's EMAHook does not work here: take default_hooks.ema",
        ),
        (
            dict(custom_hooks=[dict(type=CheckpointHook)]),
            'custom_hooks[0]: CheckpointHook beside default_hooks.checkpoint',
        ),
        (dict(custom_hooks=[CheckpointHook()]), 'custom_hooks[0]: CheckpointHook beside default_hooks.checkpoint'),
        (dict(custom_hooks=[dict(type='NaiveVisualizationHook')]), '--show-dir of tools/test.py'),
        (dict(custom_hooks=[dict(type='PrepareTTAHook', tta_cfg={})]), '--tta of tools/test.py'),
        (
            dict(cfg=dict(optimizer=dict(lr=3))),
            'the config sets optimizer, which has no effect: set optim_wrapper.optimizer',
        ),
        (
            dict(param_scheduler=[dict(type='FooLR', by_epoch=False, begin=0, end=1)]),
            "no 'FooLR' (parameter scheduler)",
        ),
        (dict(param_scheduler=[dict(by_epoch=False, begin=0, end=1)]), 'param_scheduler[0] has no type'),
        (dict(cfg=dict(lr_config=dict(policy='step'))), 'set param_scheduler'),
        (dict(cfg=dict(data=dict(samples_per_gpu=2, workers_per_gpu=2))), 'the config sets data, which has no effect'),
        (dict(cfg=dict(data=dict(train=dict(type='CocoDataset')))), 'the config sets data, which has no effect'),
        (dict(cfg=dict(runner=dict(type='EpochBasedRunner', max_epochs=12))), 'set train_cfg.max_epochs'),
        (dict(cfg=dict(workflow=[('train', 1), ('val', 1)])), 'set train_cfg.val_interval'),
        (dict(cfg=dict(evaluation=dict(interval=1, metric='mIoU'))), 'set val_evaluator and'),
        (dict(cfg=dict(checkpoint_config=dict(interval=1))), 'set default_hooks.checkpoint'),
        (dict(cfg=dict(log_config=dict(interval=50, hooks=[]))), 'set default_hooks.logger'),
        (dict(cfg=dict(fp16=dict(loss_scale=512.0))), 'set --amp fp16'),
        (dict(cfg=dict(resume_from='work/latest.pth')), 'or --resume FILE'),
        (dict(cfg=dict(gpu_ids=range(2))), 'CUDA_VISIBLE_DEVICES'),
        (dict(cfg=dict(total_epochs=12)), 'set train_cfg.max_epochs'),
        (dict(cfg=dict(optimizer_config=dict(grad_clip=dict(max_norm=1)))), 'set optim_wrapper.clip_grad'),
        (dict(cfg=dict(seed=3, randomness=dict(seed=0))), 'set randomness.seed'),
        (dict(cfg=dict(custom_hook=[])), 'the config sets custom_hook, which has no effect: is it custom_hooks?'),
        (dict(cfg=dict(val_evalutor={})), 'is it val_evaluator?'),
        (
            dict(cfg=dict(model_wrapper_cfg={}, find_unused_parameters=True)),
            'set model_wrapper_cfg.find_unused_parameters',
        ),
        (
            dict(model=dict(data_preprocessor=dict(size=1)), data_preprocessor=dict(size=2)),
            'set model.data_preprocessor',
        ),
    ],
)
def test_what_has_no_effect_is_refused_by_name(part, said):
    with pytest.raises(UserError, match=re.escape(said)):
        check(**part)


@pytest.mark.parametrize(
    'part',
    [
        dict(
            train_cfg=dict(
                type='convnext_dense.TrainLoop', max_epochs=3, by_epoch=True, val_begin=2, dynamic_intervals=[(2, 1)]
            )
        ),
        dict(val_cfg=dict(type='convnext_dense.ValLoop', fp16=True, weights='raw')),
        dict(
            optim_wrapper=dict(
                type='AmpOptimWrapper',
                optimizer=OPTIMIZER,
                dtype='bfloat16',
                accumulative_counts=2,
                clip_grad=dict(type='value', clip_value=1),
            )
        ),
        dict(
            optim_wrapper=dict(
                optimizer=OPTIMIZER,
                constructor='convnext_dense.LayerDecayConstructor',
                paramwise_cfg={},
                clip_grad=dict(max_norm=1, norm_type=2, foreach=True),
            )
        ),
        dict(
            param_scheduler=[
                dict(type='MultiStepLR', milestones=[3], by_epoch=True, convert_to_iter_based=True),
                dict(type='MultiStepMomentum', milestones=[2]),
            ]
        ),
        dict(
            env_cfg=dict(
                cudnn_benchmark=True,
                resource_limit=4096,
                mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
                dist_cfg=dict(backend='nccl', timeout=3, port=29500),
            )
        ),
        dict(randomness=dict(seed=None, deterministic=True, diff_rank_seed=True)),
        dict(
            default_hooks=dict(
                sampler_seed=None,
                checkpoint=dict(type='CheckpointHook', max_keep_ckpts=3, keep=2, save_best='auto'),
                timer=IterTimerHook(),
            )
        ),
        dict(
            custom_hooks=[
                dict(type=EmptyCacheHook, after_iter=True, priority='LOW'),
                dict(type='ProfilerHook', by_epoch=False, profile_times=3),
            ]
        ),
        dict(
            cfg=dict(
                optimizer=OPTIMIZER,
                optim_wrapper=dict(optimizer=OPTIMIZER),
                train_pipeline=[],
                data_root='x',
                crop_size=3,
                fp16=None,
            )
        ),
        dict(
            cfg=dict(
                data='/data/ade20k',
                runner='me',
                seed='first of three',
                workflow='label, train, look',
                evaluation='on the test server',
                optimizer='sgd',
                gpu_ids='all',
                lr_config=0.1,
            )
        ),
        dict(cfg=dict(data=dict(root='/data'), runner=dict(name='me'), evaluation=['mIoU'], workflow=['train'])),
        dict(model=dict(data_preprocessor=dict(size=1)), data_preprocessor=dict(size=1)),
        dict(
            train_dataloader=dict(
                dataset=dict(
                    type='ConcatDataset', datasets=[dict(type='convnext_dense.ImageFolder', root='x')], ignore_keys='a'
                ),
                num_batch_per_epoch=3,
            )
        ),
    ],
)
def test_what_has_an_effect_is_accepted(part):
    check(**part)


def test_a_runner_checks_its_settings_before_it_writes_anything(tmp_path):
    with pytest.raises(UserError, match='did you mean patience'):
        toy.runner(tmp_path / 'run', {}, hooks=[dict(type='EarlyStoppingHook', monitor='x', patiens=1)])
    assert not (tmp_path / 'run').exists()


# ------------------------------------------------------------------ honoured: each changes what a run does


def built(tmp_path, **changes) -> Runner:
    """The toy's run with other arguments of the runner."""
    original = toy.Runner
    toy.Runner = lambda **arguments: original(**{**arguments, **changes})
    try:
        return toy.runner(tmp_path, {}, total=changes.pop('total', None))
    finally:
        toy.Runner = original


def losses(tmp_path) -> list[float]:
    return [value for _, value in read_scalars(tmp_path)['train/loss']]


def wrapper(**changes) -> dict:
    return dict(optim_wrapper=dict(optimizer=dict(type='AdamW', lr=toy.LR), **changes))


def test_accumulative_counts_make_the_same_run_as_the_total_batch(tmp_path):
    toy.runner(tmp_path / 'total', {}, total=8).train()
    run = built(tmp_path / 'counts', **wrapper(accumulative_counts=4))
    run.train()
    assert run.iter == 2
    assert losses(tmp_path / 'counts') == losses(tmp_path / 'total')
    assert run.train_loop.plan.lr_factor == 1


def test_accumulative_counts_beside_another_total_batch_are_refused(tmp_path):
    with pytest.raises(UserError, match=r'accumulative_counts=4, but train_cfg.total_batch_size=16 makes it 8 .* '
                                        r'or set train_cfg.total_batch_size=8'):  # fmt: skip
        built(tmp_path, total=16, **wrapper(accumulative_counts=4)).train()
    with pytest.raises(UserError, match='16 images make 8 batches at most'):
        built(tmp_path, **wrapper(accumulative_counts=9)).train()
    with pytest.raises(UserError, match='accumulative_counts 0: take a whole number from 1'):
        built(tmp_path, **wrapper(accumulative_counts=0)).train()


@pytest.mark.parametrize(('enable', 'lr'), [(False, 0.1), (True, 0.05)])
def test_auto_scale_lr(tmp_path, enable, lr):
    built(tmp_path, auto_scale_lr=dict(enable=enable, base_batch_size=4)).train()
    assert read_scalars(tmp_path)['train/lr'][0] == (1, pytest.approx(lr))


def test_auto_scale_lr_beside_another_total_batch_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'base_batch_size=4 and train_cfg.total_batch_size=8 both say'):
        built(tmp_path, total=8, auto_scale_lr=dict(enable=True, base_batch_size=4)).train()
    built(tmp_path, total=8, auto_scale_lr=dict(enable=True, base_batch_size=8)).train()


def test_clip_grad_limits_the_step(tmp_path):
    optimizer = dict(type='SGD', lr=1.0)
    run = built(tmp_path, optim_wrapper=dict(optimizer=optimizer, clip_grad=dict(max_norm=1e-3)), param_scheduler=None)
    before = run.model.backbone.weight.clone()
    run.train()
    assert 0 < (run.model.backbone.weight - before).norm() <= 8 * 1e-3 * (1 + 1e-5)


def test_activation_checkpointing_and_compile_train_alike(tmp_path):
    built(tmp_path / 'plain').train()
    for name, keys in (
        ('compile', dict(compile=dict(backend='eager'))),
        ('checkpointing', dict(activation_checkpointing=['backbone'])),
    ):
        run = built(tmp_path / name, cfg=keys)
        run.train()
        assert losses(tmp_path / name) == losses(tmp_path / 'plain')


def test_a_part_that_the_model_lacks_is_named(tmp_path):
    for key in ('activation_checkpointing', 'efficient_conv_bn_eval'):
        with pytest.raises(UserError, match=f"{key}: the model has no part 'backbon'; did you mean backbone"):
            built(tmp_path / key, cfg={key: ['backbon']}).train()


def test_deterministic(tmp_path):
    try:
        built(tmp_path, randomness=dict(seed=0, deterministic=True))
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_sync_bn_in_one_process_is_said_not_to_work(tmp_path):
    run = built(tmp_path, cfg=dict(sync_bn='torch'))
    assert 'SyncBN does not work in one process' in log_of(run)


def test_load_from_is_loaded_and_pretrained_beside_it_is_named(tmp_path):
    run = built(tmp_path / 'a')
    run.train()
    other = built(tmp_path / 'b', load_from=str(tmp_path / 'a' / 'epoch_1.pth'), cfg=dict(pretrained='x.pth'))
    other.load_or_resume()
    assert torch.equal(run.model.backbone.weight, other.model.backbone.weight)
    assert 'pretrained=x.pth is not loaded, since load_from=' in log_of(other)
    other._train_loop = None  # a test of the run, whose weights are all that counts
    other._has_loaded, other.cfg.pretrained = False, 'y.pth'
    other.load_or_resume()
    assert 'pretrained=y.pth' not in log_of(other)


def log_of(run) -> str:
    return next(Path(run.log_dir).glob('*.log')).read_text()


HOOKS = [
    dict(type='EmptyCacheHook', after_iter=True),
    dict(type='IterTimerHook'),
    dict(type='LoggerHook', interval=1),
    dict(type='DistSamplerSeedHook'),
    dict(type='SyncBuffersHook'),
    dict(type='ProfilerHook', by_epoch=True, profile_times=1),
    dict(type='ParamSchedulerHook'),
    dict(type='RuntimeInfoHook'),
    dict(type='EarlyStoppingHook', monitor='score'),
]


def test_each_hook_that_works_works(tmp_path):
    tested = {hook['type'] for hook in HOOKS} | {'NPUProfilerHook', 'CheckpointHook'}  # one needs an NPU
    assert tested == HONOURED_HOOKS | settings.REPLACED_HOOKS.keys()
    for hook in HOOKS:
        toy.runner(tmp_path / hook['type'], {}, scores=(1.0,), hooks=[dict(hook)]).train()
    with pytest.raises(UserError, match="the config's hook NPUProfilerHook can't be built"):
        toy.runner(tmp_path / 'npu', {}, hooks=[dict(type='NPUProfilerHook')])
