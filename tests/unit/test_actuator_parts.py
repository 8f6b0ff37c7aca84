"""What the process that may change guests is made of: neither a parser of YAML nor a web server."""

from __future__ import annotations

import subprocess
import sys

LEFT_OUT = ("yaml", "pydantic", "starlette", "uvicorn", "jinja2", "apscheduler", "prometheus_client", "typer")
"""Packages that the service has and this process must not."""
MAY_HAVE = ("actuator", "backends", "core", "errors")


def loaded() -> list[str]:
    """Every module of a fresh process that has imported the actuator, and what it holds libvirt by.

    The backend of bare QEMU has its replies checked by pydantic.
    """
    script = (
        "import sys; import autoscaler.actuator.main; import autoscaler.backends.libvirt.hypervisor; "
        "import autoscaler.backends.libvirt.agent; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_actuator_loads_neither_the_web_nor_yaml_nor_the_service() -> None:
    modules = loaded()

    assert [name for name in modules if name.partition(".")[0] in LEFT_OUT] == []
    own = {name.split(".")[1] for name in modules if name.startswith("autoscaler.")}
    assert own == set(MAY_HAVE)
