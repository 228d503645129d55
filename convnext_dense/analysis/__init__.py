"""Analysis: drawings of predictions and data sets, curves and reports of runs, complexity of models."""
