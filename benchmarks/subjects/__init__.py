"""One file for each subject; each has a SUBJECT."""
