"""The installed command over the kinds of libvirt URI that no other test takes: a user's session, and TCP.

What goes by ssh or TLS differs from TCP in how libvirt makes the connection, and in nothing after that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec
from tests.fakes.libvirt_daemon import libvirt_daemon
from tests.fakes.libvirt_session import LibvirtSession, libvirt_session
from tests.fakes.quick_policy import QUICK_POLICY
from tests.fakes.running_service import COMMAND, RunningService, free_port, running_service

POLICY = QUICK_POLICY.replace("{min: 1,", "{min: 2,")
"""Wants more than a guest boots with, so that it is grown without a load."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="uri-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def is_grown(domain: dict[str, Any]) -> bool:
    return domain["load"] is not None and domain["vcpus"]["online"] == 2


def check_grown(service: RunningService, uri: str) -> None:
    found = service.wait_for("far", is_grown)
    assert (found["host"], found["cpu_source"]) == (uri, "proc-stat")
    assert (found["vcpus"]["plugged"], found["conditions"]) == (2, {})


def test_an_ordinary_users_session_is_served_by_a_service_of_the_same_user(
    lab_image: Image,  # noqa: ARG001 - built before: the user may not write to the cache
    folder: Path,
) -> None:
    home = folder / "home"
    with libvirt_session(home) as session:
        lab(session, "up", "far", "--connect", session.uri)
        with running_service(
            session.new_folder("service"),
            f'libvirt: "{session.uri}"',
            policy=POLICY,
            prefix=session.as_user,
        ) as service:
            check_grown(service, session.uri)
            lab(session, "down", "far", "--connect", session.uri)
            service.wait_gone("far")


def lab(session: LibvirtSession, *words: str) -> None:
    done = subprocess.run(
        (*session.as_user, COMMAND, "lab", *words), capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a private libvirtd needs root")
def test_another_host_is_served_over_tcp(lab_image: Image, folder: Path) -> None:
    from autoscaler.lab.libvirt_guest import LibvirtGuest, connect  # noqa: PLC0415 - libvirt is optional

    (folder / "libvirtd").mkdir()
    (folder / "service").mkdir()
    with (
        libvirt_daemon(folder / "libvirtd", tcp_port=free_port()) as daemon,
        contextlib.closing(connect(daemon.uri)) as administrator,
        LibvirtGuest.start(GuestSpec(name="far"), lab_image, administrator),
        running_service(folder / "service", f'libvirt: "{daemon.tcp_uri}"', policy=POLICY) as service,
    ):
        check_grown(service, daemon.tcp_uri)
