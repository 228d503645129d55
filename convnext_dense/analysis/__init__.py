"""Analysis: drawings of predictions and data sets, curves and reports of runs, complexity of models."""

METRICS_FILE, SHOW_FOLDER = 'metrics.json', 'show'
"""Results in the work dir of a run: the verb ``test`` writes them, ``report`` shows them."""
