"""What holds for all contenders alike."""

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
    """Where and how the contenders run.

    Args:
        dtypes: names of :data:`~.defaults.DTYPES`.
        compiled: run them through ``torch.compile``, for inference with frozen weights.
        seconds: rounds go on for so long, but there are at least 7.
        say: called with what is going on.

    Raises:
        UserError: if the device is not there, or can't compute in one of the types; if there is no compiler to compile
            with.
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
        """The model as it runs: compiled, if that is wanted, with its first call."""
        return torch.compile(model) if self.compiled else model  # type: ignore[return-value]

    def autocast(self, dtype: str) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=dtype == 'bf16')

    def precisely(self, training: bool = False) -> AbstractContextManager:
        """fp32 is fp32, without TensorFloat-32; weights are frozen into what is compiled for inference."""
        stack = ExitStack()
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False))
        stack.enter_context(inductor.patch(freezing=self.compiled and not training))
        if self.compiled:
            torch._dynamo.reset()
        return stack
