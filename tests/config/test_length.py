"""The length of a run, and the schedule that follows it."""

import pytest

from convnext_dense.config.length import set_length
from convnext_dense.errors import UserError


def test_the_schedule_keeps_its_shares(cfg):
    set_length(cfg, 30)
    warmup, cosine = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == 30
    assert (warmup.begin, warmup.end, cosine.begin, cosine.end) == (0, 2, 2, 30)
    with pytest.raises(UserError, match='at least 1'):
        set_length(cfg, 0)
