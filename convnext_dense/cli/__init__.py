"""The command line."""

from .main import build_parser, run_command, run_verb

__all__ = ['build_parser', 'run_command', 'run_verb']
