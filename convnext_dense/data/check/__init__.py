"""Checking a data set before a run: what would stop the run or spoil its result.

Each kind of data set lists its images and what is wrong with its ground truth in a module of its own, such as
:mod:`convnext_dense.data.classification.check`; here are the records that it fills and the checks that all share.
"""

from .dataset import CheckResult, check_dataset
from .records import NOTE, PROBLEM, WARNING, ClassCounts, DatasetRecords, Finding, ImageRecord, SplitRecords

__all__ = [
    'NOTE',
    'PROBLEM',
    'WARNING',
    'CheckResult',
    'ClassCounts',
    'DatasetRecords',
    'Finding',
    'ImageRecord',
    'SplitRecords',
    'check_dataset',
]
