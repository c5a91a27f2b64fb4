"""Fuzzing: malformed files of every kind, each of which has to be read or refused in a sentence."""
