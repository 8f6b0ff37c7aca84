"""Makes an emulated guest take vCPUs that are added later.

Linux (late updates of 6.12, and newer) believes that vCPUs can be added only where it finds a hypervisor that
it knows: acpi_is_processor_usable in arch/x86/kernel/acpi/boot.c. It knows KVM; it does not know QEMU's
emulation. But it takes a machine for VMware's by its serial number and the VMware port that QEMU offers,
where the processor itself names no hypervisor. So that is what emulated lab guests are shown.
"""

SERIAL = "VMware-lab"
"""What Linux looks for in the machine's serial number is the word in front."""
MODEL = "qemu64"
"""QEMU's default; the feature ``hypervisor`` is taken from it."""
