"""Numbers that tell why a model is as good as it is: functions on plain records of predictions and ground truth."""

DIAGNOSIS_FOLDER, DIAGNOSIS_FILE = 'diagnosis', 'diagnosis.json'
"""The folder of a run's diagnosis in its work dir, and the file with all that was found."""
