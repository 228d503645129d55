"""What the segmentors need beyond mmseg's parts."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence

with contextlib.redirect_stdout(io.StringIO()):  # it says, twice, that a package which it can do without is absent
    import mmseg.datasets  # noqa: F401

import torch
from mmengine.logging import MMLogger
from mmseg.models.decode_heads import uper_head
from mmseg.models.segmentors import SegTTAModel
from mmseg.structures import SegDataSample
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS

# The recipe's own choice: ignored pixels count in the mean of the loss.
warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')


@MODELS.register_module()
class UPerHead(uper_head.UPerHead):
    """mmseg's, in the memory format of the features that it is given.

    The pooled maps of a single position have no format, so what mmseg computes from them, and all that follows, would
    not lie in ``channels_last``.
    """

    def psp_forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return super().psp_forward(inputs).contiguous(memory_format=torch.channels_last)


@MODELS.register_module()
class SegmentorTTA(SegTTAModel):
    """Averages the class probabilities over several views of each picture.

    Args:
        module: the segmentor.
        mode: ``'whole'`` shows it each view at once, as the official multi-scale results were made; ``'slide'`` in
            windows, as in single-scale testing.
    """

    def __init__(self, module: dict, mode: str = 'whole') -> None:
        super().__init__(module)
        if mode not in ('whole', 'slide'):
            raise UserError(f"tta_model.mode {mode!r} does not exist: take 'whole' or 'slide'")
        self.module.test_cfg.mode = mode
        MMLogger.get_current_instance().info(f'multi-scale testing with flips, {mode} inference of each view')

    def test_step(self, data: dict) -> list[SegDataSample]:
        views = zip(data['inputs'], data['data_samples'], strict=True)
        predictions = [self.module.test_step(dict(inputs=i, data_samples=d)) for i, d in views]
        return self.merge_preds(list(zip(*predictions, strict=True)))
