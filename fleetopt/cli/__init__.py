"""The command line: parses, calls a study, prints. One module for each command."""
