"""A user's script is run by its test, not by collecting it."""

collect_ignore = ["main_job.py"]
