"""Pure decisions: no clock, file, socket, log, YAML or thread. Time enters as ``now_s`` arguments."""
