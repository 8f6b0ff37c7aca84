"""Known rules to compare with, each as its source has it, over many domains at once.

A rule sees what a guest would report and nothing else, save for those that say that they have hindsight.
"""
