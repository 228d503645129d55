"""``torch.compile`` for the backbone, which takes nearly all of a model's time."""

from __future__ import annotations

import os
import shlex
import shutil

from torch import nn

from ..errors import UserError


def compile_backbone(model: nn.Module, backend: str = 'inductor') -> None:
    """Have a model's backbone compiled at its first call, and again at the first images of another size.

    It stays the same module with the same parameter names, so checkpoints do not change.

    Args:
        model: a module whose backbone is its attribute ``backbone``.
        backend: as of ``torch.compile``.

    Raises:
        UserError: if there is no C++ compiler.
    """
    if backend == 'inductor':
        check_compiler()
    model.get_submodule('backbone').compile(backend=backend)


def check_compiler() -> None:
    """Raise a UserError if there is no C++ compiler, which torch's compiler writes for, also on GPUs."""
    from_environment = shlex.split(os.environ.get('CXX', ''))[:1]  # without the options that may follow it
    if not any(map(shutil.which, [*from_environment, 'g++', 'clang++'])):
        raise UserError('--compile needs a C++ compiler, such as g++: install one, or leave out --compile')
