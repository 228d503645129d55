"""Numbers that tell why a model is as good as it is: functions on plain records of predictions and ground truth."""
