"""libvirt: one connection, whatever its URI, and the agents behind it."""
