"""Policies at work on real guests: a schedule, a broken edit, priorities on a full host, and why."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autoscaler.lab.guest import Guest
from autoscaler.lab.image import Image
from autoscaler.lab.spec import GuestSpec
from tests.fakes.guest_homes import GuestHome, guest_home
from tests.fakes.running_service import UNHURRIED, RunningService, running_service

CAPACITY = 4
"""VCPUs that all guests together may have, whatever this host has."""
HOST = f"overcommit: 8, reserve: {8 * (os.cpu_count() or 1) - CAPACITY}, {UNHURRIED}"
LOAD = 0.26
"""Needs three vCPUs at 20 %, and so little of the host that it hardly ever withholds any."""
QUICK = """\
    vcpus: {min: 1, max: 4}
    strategy: {target: {utilization: 10%, tolerance: 10%, hold: 3s}}
    limits: {up: {cooldown: 0s}, down: {step: 1, cooldown: 1s}}
"""
POLICIES = f"""\
version: 1
policies:
  - name: shop
    match: {{name: ["shop*"]}}
    host: {{priority: 200}}
{QUICK}
  - name: batch
    match: {{name: ["batch*"]}}
    host: {{priority: 10}}
{QUICK}
"""


class Scene:
    """A service whose host is small, and the guests that it watches."""

    def __init__(self, service: RunningService, home: GuestHome) -> None:
        self.service = service
        self._home = home

    def boot(self, name: str) -> Guest:
        guest = self._home.boot(GuestSpec(name=name))
        self.service.wait_for(name, lambda domain: domain["load"] is not None)
        return guest

    def edit(self, text: str) -> None:
        """Save the policies as an editor does: a new file that takes the old one's name."""
        edited = self.service.folder / "policy.yaml.new"
        edited.write_text(text)
        edited.rename(self.service.policy)

    def wait_online(self, name: str, vcpus: int) -> None:
        self.service.wait_for(name, lambda domain: domain["vcpus"]["online"] == vcpus)

    def decided(self, name: str, reason: str) -> float:
        """When a decision was last recorded in which this reason had its part, once there is one."""
        end_s = time.monotonic() + 40
        while True:
            for event in reversed(self.service.get(f"/api/v1/decisions?domain={name}&limit=1000")):
                if reason in {event["reason"], *(clamp[0] for clamp in event["inputs"]["clamps"])}:
                    return float(event["at_wall_s"])
            assert time.monotonic() < end_s, self.service.log.read_text()
            time.sleep(0.5)

    def explains(self, name: str, reason: str, *words: str) -> None:
        """`explain` tells with these words of the last decision in which this reason had its part."""
        at = datetime.fromtimestamp(self.decided(name, reason) + 0.001, UTC).isoformat()
        said = self.service.ask("explain", name, "--at", at).stdout
        assert all(word in said for word in words), said


@pytest.fixture(scope="module")
def scene(lab_image: Image) -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="vcpu-e2e-"))
    try:
        with (
            guest_home("qmp", lab_image) as home,
            running_service(folder, home.connection, policy=POLICIES, host=HOST) as service,
        ):
            service.wait_for_tick()
            yield Scene(service, home)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _policies(scene: Scene) -> None:
    """Every test begins with the same policies in force."""
    scene.edit(POLICIES)
    assert scene.service.ask("reload", "--config.file", str(scene.service.config)).returncode == 0


def with_schedule(begins: datetime, ends: datetime, floor: int) -> str:
    schedule = (
        "    schedules:\n"
        f'      - {{name: office hours, from: "{begins:%H:%M}", to: "{ends:%H:%M}", timezone: UTC, '
        f"days: [mon, tue, wed, thu, fri, sat, sun], vcpus: {{min: {floor}}}}}\n"
    )
    return POLICIES.replace("    host: {priority: 200}\n", schedule)


def test_a_schedule_in_force_raises_the_floor_and_one_that_is_not_does_not(scene: Scene) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    with scene.boot("shop-1"):
        scene.wait_online("shop-1", 1)
        scene.edit(with_schedule(now - hour, now + 3 * hour, 3))
        scene.wait_online("shop-1", 3)
        scene.explains(
            "shop-1", "schedule", "'office hours'", "may have 3 to 4 vCPUs", "allows no fewer than 3"
        )
        scene.edit(with_schedule(now + 3 * hour, now + 4 * hour, 3))
        scene.wait_online("shop-1", 1)


def test_a_broken_edit_keeps_the_last_good_policies_and_says_where_it_is_broken(scene: Scene) -> None:
    service = scene.service
    with scene.boot("shop-2") as guest:
        scene.edit(POLICIES.replace("priority: 200", "prioritty: 200"))
        service.wait_for_metric("policy_reload_successful", 0)
        assert f"{service.policy}:5:12: " in service.log.read_text()
        told = service.ask("reload", "--config.file", str(service.config))
        assert told.returncode == 1
        assert "did you mean 'priority'" in told.stderr
        guest.load(LOAD)
        scene.wait_online("shop-2", 3)
        scene.explains("shop-2", "demand-high", "policy shop", "are to be 10% busy", "It is grown from")
        assert "policies" in json.loads(service.ask("status", "--output", "json").stdout)["troubles"]


def test_a_plan_tells_what_an_edit_would_change_and_changes_nothing(scene: Scene) -> None:
    service = scene.service
    edited = service.folder / "edited.yaml"
    edited.write_text(POLICIES.replace("min: 1, max: 4", "min: 2, max: 4"))
    arguments = ("--config.file", str(service.config), "--output", "json")
    with scene.boot("shop-3"):
        same = service.ask("plan", str(service.policy), *arguments)
        assert (same.returncode, json.loads(same.stdout)["changes"]) == (0, False)
        found = service.ask("plan", str(edited), *arguments)
        assert found.returncode == 2
        (entry,) = (entry for entry in json.loads(found.stdout)["domains"] if entry["domain"] == "shop-3")
        assert (entry["now"]["target"], entry["after"]["target"]) == (1, 2)
        time.sleep(2)
        scene.wait_online("shop-3", 1)


def test_a_priority_takes_back_from_a_lower_one_on_a_full_host(scene: Scene) -> None:
    with scene.boot("batch-4") as batch, scene.boot("shop-4") as shop:
        batch.load(LOAD)
        scene.wait_online("batch-4", 3)
        shop.load(LOAD)
        scene.wait_online("shop-4", 3)
        scene.wait_online("batch-4", 1)
        scene.explains("shop-4", "host-full", "the host has no vCPU left to give", "of 4 vCPUs left")
        scene.explains("batch-4", "taken-back", "a domain of higher priority needs it", "shop-4")
        shop.load(0)
        scene.wait_online("batch-4", 3)


def test_a_vcpu_taken_offline_by_hand_is_left_alone_and_explained(scene: Scene) -> None:
    with scene.boot("shop-5") as guest:
        guest.load(LOAD)
        scene.wait_online("shop-5", 3)
        guest.command("vcpu 2 0")
        scene.service.wait_for("shop-5", lambda domain: "externally_modified" in domain["conditions"])
        guest.load(0)
        scene.explains("shop-5", "changed-by-hand", "It stays at 2 vCPUs", "somebody else changed the vCPUs")
