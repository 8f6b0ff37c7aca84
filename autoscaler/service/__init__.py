"""The running service: one tick, its clock and signals, the journal, metrics and the web."""
