"""Analysis: drawings of predictions and data sets, curves and reports of runs, and model complexity."""

METRICS_FILE, SHOW_FOLDER = 'metrics.json', 'show'
"""Results in the work dir of a run: written by the verb ``test``, shown by ``report``."""
DIAGNOSIS_FOLDER, DIAGNOSIS_FILE = 'diagnosis', 'diagnosis.json'
"""The folder of a run's diagnosis in its work dir, and the file with all that was found."""
