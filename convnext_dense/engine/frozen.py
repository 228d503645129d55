"""What a run does not train: said in one line, and refused where it would learn nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checkpoints import files as checkpoints
from ..compat import mmengine_private_names as internals
from ..errors import UserError
from ..models.freezing import describe_frozen, has_frozen_backbone
from ..models.lora import adapters_of


def check_and_log(runner: Any) -> None:
    """Log what of a run's model is frozen, if anything is.

    Raises:
        UserError: if everything is frozen, or the whole backbone and it starts from random weights.
    """
    model = runner.bare_model.train()  # in which some backbones of mmdet and mmseg freeze their parts
    line = describe_frozen(model)
    if line is None or adapters_of(model) is not None:  # what LoRA freezes is said where it is inserted
        return
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(
            'nothing trains, since all parameters of the model are frozen: give model.backbone a smaller '
            'frozen_stages, or let a head train'
        )
    if not starts_from_weights(runner):
        fix = (
            'give weights with --pretrained, or train the backbone (without --freeze, model.backbone.frozen_stages=-1)'
        )
        if has_frozen_backbone(model):
            raise UserError(f'the backbone is frozen and starts from random weights, which never learn: {fix}')
        runner.logger.warning(f'what is frozen starts from random weights, which never learn: {fix}')
    runner.logger.info(line)


def starts_from_weights(runner: Any) -> bool:
    """Whether a run starts from weights of a file, or goes on with those of a checkpoint."""
    resumes = internals.resume_setting(runner)
    if resumes == 'auto' and not checkpoints.list_checkpoints(runner.work_dir):
        resumes = False
    named = internals.checkpoint_setting(runner) or runner.cfg.get('pretrained')
    return bool(resumes or named or internals.has_loaded(runner) or _names_weights(runner.cfg.get('model')))


def _names_weights(part: Any) -> bool:
    """Whether a nested part of a config names weights, as ``init_cfg`` and ``pretrained`` of mmengine's models do."""
    if isinstance(part, Mapping):
        if part.get('type') == 'Pretrained' or part.get('pretrained'):
            return True
        part = list(part.values())
    return isinstance(part, list | tuple) and any(map(_names_weights, part))
