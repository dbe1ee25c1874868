"""Progress of a run: display, event log, Ctrl-C."""
