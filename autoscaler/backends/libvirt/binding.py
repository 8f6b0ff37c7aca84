"""The one place that imports libvirt-python, so that its absence is told once and well.

It is an optional part: a host that only runs bare QEMU needs no libvirt. Whoever composes the service imports
the libvirt backend only for a host that is configured to use it.

Raises:
    BackendUnavailable: at import, when libvirt-python is not installed.
"""

from autoscaler.errors import BackendUnavailable

try:
    import libvirt
    import libvirt_qemu
except ImportError as error:
    raise BackendUnavailable(
        f"libvirt-python cannot be used by this Python ({error}): "
        "`apt install python3-dev libvirt-dev gcc pkg-config && pip install 'vcpu-autoscaler[libvirt]'`, "
        "or `apt install python3-libvirt` and a virtual environment made with --system-site-packages"
    ) from error

__all__ = ["libvirt", "libvirt_qemu"]
