"""The container's recipe and its compose file, as far as can be told without an engine."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.promtool import promtool

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "deploy" / "container"
SERVICES: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]


def binds(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By its place in the container: what is bound there from the host."""
    return {volume["target"]: volume for volume in service["volumes"] if volume["type"] == "bind"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_capability_and_writes_to_its_volumes_only(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    writable = {target for target, bound in binds(service).items() if not bound.get("read_only")}
    assert writable == ({"/var/lib/vcpu-autoscaler"} if name == "autoscaler" else set())


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_bound_from_the_checkout_is_there(name: str) -> None:
    sources = [bound["source"] for bound in binds(SERVICES[name]).values()]
    assert all((FOLDER / source).exists() for source in sources if source.startswith("."))


def test_nobody_is_asked_but_on_the_loopback() -> None:
    assert "--web.listen-address=127.0.0.1:9090" in SERVICES["prometheus"]["command"]
    assert SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert "listen" not in (PROJECT / "deploy" / "etc" / "config.yaml").read_text()
    assert not any("ports" in service for service in SERVICES.values())


def test_prometheus_takes_its_configuration_with_the_rules_beside_it(tmp_path: Path) -> None:
    for target, bound in binds(SERVICES["prometheus"]).items():
        shutil.copy(FOLDER / bound["source"], tmp_path / Path(target).name)
    checked = promtool("check", "config", str(tmp_path / "prometheus.yaml"))
    assert checked.returncode == 0, checked.stderr


def test_the_recipe_copies_what_is_there_and_ends_as_a_user_by_number() -> None:
    recipe = (FOLDER / "Containerfile").read_text()
    copied = [words.split()[:-1] for words in re.findall(r"(?m)^COPY (?!--from)(.+)$", recipe)]
    assert copied
    assert all((PROJECT / source).exists() for sources in copied for source in sources)
    assert re.findall(r"(?m)^USER (.+)$", recipe) == ["990:990"]
