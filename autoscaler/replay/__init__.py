"""Replay: recorded demand, a simulated host to run the real controller on, and the score of what it did."""
