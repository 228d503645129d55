"""Check a data set before a run for problems that would stop the run or spoil its result.

A module for each kind of data set, such as :mod:`convnext_dense.data.classification.check`, lists its images and the
problems with its ground truth; this package has the records that they fill and the checks that they share.
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
