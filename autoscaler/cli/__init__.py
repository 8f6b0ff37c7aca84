"""The command line: thin; every command parses its arguments, calls, and prints."""
