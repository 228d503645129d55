"""A run that takes a second: a linear model on vectors, through the real runner and train loop."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch.utils.data import Dataset

from convnext_dense.engine import Runner

LR, MOMENTUM = 0.1, 0.25
HALVED = 3  # steps before the lr is halved
SHAPE = (16, 4)


class Vectors(Dataset):
    """Vectors, some of which do harm: ``faults[index]`` is where there is then a NaN, ``'loss'`` or ``'gradient'``,
    or is called."""

    metainfo: dict = {}

    def __init__(self, faults: Mapping[int, str | Callable[[], object]]) -> None:
        self.inputs = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
        self.faults = faults

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, key: tuple[int, int]) -> dict:
        index, _ = key
        fault = self.faults.get(index)
        return {'inputs': self.inputs[index], 'fault': fault() if callable(fault) else fault, 'path': f'{index}.jpg'}


def collate(samples: Sequence[dict]) -> dict:
    names = {'inputs': 'inputs', 'faults': 'fault', 'paths': 'path'}
    batch = {new: [sample[old] for sample in samples] for new, old in names.items()}
    return {**batch, 'inputs': torch.stack(batch['inputs'])}


class Toy(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(4, 1)
        self.norm = nn.BatchNorm1d(4, affine=False)  # has statistics, and no part in the loss
        with torch.no_grad():
            self.backbone.weight.fill_(0.3)
            self.backbone.bias.fill_(0.1)

    def forward(self, inputs: Tensor, faults: Sequence[str | None], mode: str, **_: object) -> dict | list:
        if mode == 'predict':
            return list(self.backbone(inputs))
        if 'loss' in faults:
            inputs = inputs * float('nan')
        self.norm(inputs)
        loss = (self.backbone(inputs).squeeze(1) - 2 * inputs.sum(1)).pow(2).mean()
        if 'gradient' in faults:
            loss = loss + (0 * self.backbone.weight.sum()).sqrt()  # 0, and its derivative 0 * infinity
        return {'loss': loss}


class Scores(BaseMetric):
    """A metric ``score`` with given values, one for each validation of raw and averaged weights."""

    def __init__(self, scores: Sequence[float]) -> None:
        super().__init__(collect_device='cpu')
        self.scores = iter([score for score in scores for _ in ('raw', 'ema')])

    def process(self, data_batch: object, data_samples: Sequence) -> None:
        self.results += data_samples

    def compute_metrics(self, results: list) -> dict[str, float]:
        return {'score': next(self.scores)}


def runner(
    work_dir: Path,
    faults: Mapping[int, str | Callable[[], object]],
    batch: int = 2,
    total: int = 2,
    skip: int = 0,
    launcher: str = 'none',
    epochs: int = 1,
    workers: int = 0,
    timeout: int = 60,
    resume: bool = False,
    halved: int = HALVED,
    steps: int | None = None,
    scores: Sequence[float] = (),
    val_interval: int = 1,
    save_interval: int = 1,
    hooks: Sequence[Hook | dict] = (),
) -> Runner:
    """Build a run over vectors in their order.

    Args:
        work_dir: where it writes.
        faults: by index of a vector, what happens to it.
        batch: vectors of a batch.
        total: vectors of an optimizer step.
        skip: steps that may be skipped for a NaN.
        launcher: how the processes were started.
        epochs: length of the run.
        workers: loader workers.
        timeout: seconds that a process waits for another.
        resume: whether to resume the newest checkpoint.
        halved: steps before the lr is halved.
        steps: length of the run in steps instead of epochs.
        scores: results of the validations; none for a run without validation.
        val_interval: epochs, or steps, between them.
        save_interval: epochs, or steps, between checkpoints.
        hooks: further hooks.
    """

    def loader(faults: Mapping[int, str | Callable[[], object]]) -> dict:
        return dict(
            batch_size=batch,
            num_workers=workers,
            sampler=dict(type='convnext_dense.SeededSampler', shuffle=False),
            dataset=Vectors(faults),
            collate_fn=partial(collate),
        )

    length = dict(max_epochs=epochs) if steps is None else dict(max_iters=steps)
    loop = dict(type='convnext_dense.TrainLoop', total_batch_size=total, skip_nan=skip, val_interval=val_interval)
    validation = dict(
        val_dataloader=loader({}), val_cfg=dict(type='convnext_dense.ValLoop'), val_evaluator=Evaluator(Scores(scores))
    )
    return Runner(
        model=Toy(),
        work_dir=str(work_dir),
        train_dataloader=loader(faults),
        train_cfg={**loop, **length},
        **(validation if scores else {}),
        custom_hooks=list(hooks),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=LR)),
        param_scheduler=[dict(type='MultiStepLR', milestones=[halved], gamma=0.5, by_epoch=False)],
        default_hooks=dict(
            runtime_info=dict(type='convnext_dense.RuntimeInfo'),
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='convnext_dense.Checkpoints', interval=save_interval),
            ema=dict(type='convnext_dense.EMA', momentum=MOMENTUM),
        ),
        log_processor=dict(type='convnext_dense.LogProcessor', window_size=1, log_with_hierarchy=True),
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='convnext_dense.CSVBackend')]),
        env_cfg=dict(dist_cfg=dict(timeout=timeout)),
        randomness=dict(seed=0),
        launcher=launcher,
        resume=resume,
        default_scope='mmengine',
    )
