"""The command line."""

from .main import run_verb

__all__ = ['run_verb']
