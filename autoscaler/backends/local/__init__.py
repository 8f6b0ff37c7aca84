"""What is said over a unix socket of this host: the line, who is at the other end, and who listens."""
