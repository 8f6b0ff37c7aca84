"""QEMU spoken to directly, without libvirt."""
