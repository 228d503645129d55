"""Analysis: drawings of predictions and data sets, curves and reports of runs, and model complexity."""

METRICS_FILE, SHOW_FOLDER = 'metrics.json', 'show'
"""Results in the work dir of a run: written by the verb ``test``, shown by ``report``."""
