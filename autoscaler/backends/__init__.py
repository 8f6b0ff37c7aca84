"""The only code that talks to the outside: hypervisors, guest agents."""
