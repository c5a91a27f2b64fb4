"""The command line: one command a verb, no logic. Imports stay inside the commands, so that --help is instant."""
