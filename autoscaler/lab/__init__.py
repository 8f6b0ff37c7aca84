"""Real guests to try the autoscaler on: a tiny image made of the distribution's packages, run by QEMU.

Invariant: whatever the lab starts or writes is found again and removed by the lab; nothing is installed on
the host.
"""
