"""Imports all that training a classifier imports sooner or later, for processes that are forked from one."""

import timm.data
import torch.utils.tensorboard
import yapf

import convnext_dense.cli.commands.train
import tests.helpers.small_run

__all__ = ['convnext_dense', 'tests', 'timm', 'torch', 'yapf']
torch.set_num_threads(1)
