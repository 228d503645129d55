"""A run that takes a second: a linear model on vectors, through the real runner and train loop."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
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

    def forward(self, inputs: Tensor, faults: Sequence[str | None], mode: str, **_: object) -> dict[str, Tensor]:
        if 'loss' in faults:
            inputs = inputs * float('nan')
        self.norm(inputs)
        loss = (self.backbone(inputs).squeeze(1) - 2 * inputs.sum(1)).pow(2).mean()
        if 'gradient' in faults:
            loss = loss + (0 * self.backbone.weight.sum()).sqrt()  # 0, and its derivative 0 * infinity
        return {'loss': loss}


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
) -> Runner:
    """A run over vectors in their order."""
    return Runner(
        model=Toy(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=batch,
            num_workers=workers,
            sampler=dict(type='convnext_dense.SeededSampler', shuffle=False),
            dataset=Vectors(faults),
            collate_fn=partial(collate),
        ),
        train_cfg=dict(type='convnext_dense.TrainLoop', max_epochs=epochs, total_batch_size=total, skip_nan=skip),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=LR)),
        param_scheduler=[dict(type='MultiStepLR', milestones=[HALVED], gamma=0.5, by_epoch=False)],
        default_hooks=dict(
            runtime_info=dict(type='convnext_dense.RuntimeInfo'),
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='convnext_dense.Checkpoints'),
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
