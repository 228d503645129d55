"""``torch.compile`` for the backbone, which takes nearly all of a model's time."""

from __future__ import annotations

import os
import shlex
import shutil

from torch import nn

from ..errors import UserError


def compile_backbone(model: nn.Module, backend: str = 'inductor') -> str:
    """Compile a model's backbone at its first call, and again when the input size changes.

    The module and its parameter names stay the same, so checkpoints do not change.

    Args:
        model: a module whose backbone is its attribute ``backbone``.
        backend: a backend of ``torch.compile``.

    Returns:
        A line on what is compiled, and what is not.

    Raises:
        UserError: if there is no C++ compiler.
    """
    if backend == 'inductor':
        check_compiler()
    model.get_submodule('backbone').compile(backend=backend)
    others = [
        name for name, part in model.named_children() if name != 'backbone' and any(True for _ in part.parameters())
    ]
    left_out = f'; as they are: {", ".join(others)}' if others else ''
    return f'compiled by torch in its first step, which takes a minute or more: the backbone{left_out}'


def check_compiler() -> None:
    """Raise a UserError if there is no C++ compiler, which ``torch.compile`` needs even on GPUs."""
    from_environment = shlex.split(os.environ.get('CXX', ''))[:1]  # without any options after the command
    if not any(map(shutil.which, [*from_environment, 'g++', 'clang++'])):
        raise UserError('--compile needs a C++ compiler, such as g++: install one, or leave out --compile')
