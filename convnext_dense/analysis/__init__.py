"""Analysis: drawings of predictions and data sets, curves and reports of runs, and model complexity."""

from ..diagnosis import DIAGNOSIS_FILE, DIAGNOSIS_FOLDER

METRICS_FILE, SHOW_FOLDER = 'metrics.json', 'show'
"""Results in the work dir of a run: written by the verb ``test``, shown by ``report``."""

__all__ = ['DIAGNOSIS_FILE', 'DIAGNOSIS_FOLDER', 'METRICS_FILE', 'SHOW_FOLDER']
