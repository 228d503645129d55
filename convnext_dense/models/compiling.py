"""``torch.compile`` for the backbone, which takes nearly all of a model's time."""

from __future__ import annotations

import os
import shlex
import shutil

from torch import nn

from ..errors import UserError


def compile_backbone(model: nn.Module, backend: str = 'inductor') -> None:
    """Compile a model's backbone at its first call, and again when the input size changes.

    The module and its parameter names stay the same, so checkpoints do not change.

    Args:
        model: a module whose backbone is its attribute ``backbone``.
        backend: a backend of ``torch.compile``.

    Raises:
        UserError: if there is no C++ compiler.
    """
    if backend == 'inductor':
        check_compiler()
    model.get_submodule('backbone').compile(backend=backend)


def check_compiler() -> None:
    """Raise a UserError if there is no C++ compiler, which ``torch.compile`` needs even on GPUs."""
    from_environment = shlex.split(os.environ.get('CXX', ''))[:1]  # without any options after the command
    if not any(map(shutil.which, [*from_environment, 'g++', 'clang++'])):
        raise UserError('--compile needs a C++ compiler, such as g++: install one, or leave out --compile')
