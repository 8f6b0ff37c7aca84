"""Replay: recorded demand, a simulated host to run the service's own controller on, and the score of what it did."""
