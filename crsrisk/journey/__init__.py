"""Journey: an experiment from its question to its report, by calling one verb after the other."""
