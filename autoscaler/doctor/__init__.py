"""Whether domains are fit to be resized: facts gathered once a domain, pure checks over them, findings."""
