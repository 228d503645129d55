"""Settings shared by all contenders of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import torch
import torch._inductor.config as inductor
from torch import nn

from ..errors import UserError
from ..models.compiling import check_compiler


@dataclass(frozen=True)
class Setting:
    """Device, dtypes and duration of a benchmark.

    Args:
        device: the device.
        dtypes: names in :data:`~.defaults.DTYPES`.
        compiled: use ``torch.compile``, with frozen weights for inference.
        seconds: duration of the rounds of a series, of which there are at least 7.
        say: function called with progress messages.

    Raises:
        UserError: if the device is missing or does not support a dtype, or if there is no C++ compiler.
    """

    device: torch.device
    dtypes: Sequence[str] = ('fp32',)
    compiled: bool = False
    seconds: float = 30
    say: Callable[[str], None] = lambda text: None

    def __post_init__(self) -> None:
        if self.compiled:
            check_compiler()
        if self.device.type != 'cuda':
            return
        if not torch.cuda.is_available():
            raise UserError('--device cuda: torch finds no GPU on this machine, take --device cpu')
        if 'bf16' in self.dtypes and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise UserError(f'--dtype bf16 does not work on {torch.cuda.get_device_name()}: take --dtype fp32')

    def ready(self, model: nn.Module) -> nn.Module:
        """Return the model, or its compiled version (compiled at the first call) if ``compiled``."""
        return torch.compile(model) if self.compiled else model  # type: ignore[return-value]

    def autocast(self, dtype: str) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == 'bf16')

    def precisely(self, training: bool = False) -> AbstractContextManager:
        """Context without TensorFloat-32, in which models compiled for inference have frozen weights."""
        stack = ExitStack()
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False))
        stack.enter_context(inductor.patch(freezing=self.compiled and not training))
        if self.compiled:
            torch._dynamo.reset()
        return stack
