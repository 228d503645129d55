"""Analysis: drawings of predictions and data sets, curves and reports of runs, and model complexity."""
