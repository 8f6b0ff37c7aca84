"""The installation without a package: into a folder that stands for a system, over itself, and away again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CONFIG = "etc/vcpu-autoscaler/config.yaml"
OBSERVE = "etc/vcpu-autoscaler/policies/zz-observe.yaml"
STATE = "var/lib/vcpu-autoscaler"
NOTE = "# an administrator's line\n"


def install(system: Path, *options: str) -> None:
    done = subprocess.run(
        ("sh", PROJECT / "deploy" / "install.sh", "--destdir", system, *options),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def asked(system: Path, *arguments: str) -> str:
    """What the installed command says, run where it lies for now."""
    programs = system / "opt/vcpu-autoscaler/bin"
    done = subprocess.run(
        (programs / "python", "-I", programs / "autoscaler", *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(system: Path) -> set[str]:
    """Every file and link, by its path from the system's root."""
    return {
        str(path.relative_to(system)) for path in system.rglob("*") if path.is_symlink() or path.is_file()
    }


def dead_links(folder: Path) -> set[tuple[str, str]]:
    """Of the documents in it: which, and what it points to."""
    links = {
        (page, link)
        for page in folder.rglob("*.md")
        for link in re.findall(r"\]\(([^)#:\s]+)[)#]", page.read_text())
    }
    return {(page.name, link) for page, link in links if not (page.parent / link).exists()}


def test_configuration_and_state_outlive_another_version_and_removal_and_only_purge_ends_them(
    tmp_path: Path,
) -> None:
    system = tmp_path / "system"
    install(system, "--without-libvirt")
    assert asked(system, "--version").startswith("autoscaler ")
    said = asked(system, "check", "--strict", "--config.file", str(system / CONFIG))
    assert said == "2 files, 0 errors, 0 warnings\n"
    assert (system / "usr/local/bin/autoscaler").readlink() == Path("/opt/vcpu-autoscaler/bin/autoscaler")
    unit = (system / "usr/local/lib/systemd/system/vcpu-autoscaler.service").read_text()
    assert "ExecStart=/usr/local/bin/autoscaler run " in unit
    assert "/usr/bin" not in unit
    assert "journal.keep" in (system / "usr/local/share/man/man5/vcpu-autoscaler.yaml.5").read_text()
    documents = system / "usr/local/share/doc/vcpu-autoscaler"
    assert dead_links(documents) == set()
    rules = (documents / "deploy/prometheus/vcpu-autoscaler.rules.yaml").read_text()
    (runbook,) = set(re.findall(r"section \w+ of\s+/(\S+)", rules))
    assert "### VcpuAutoscalerDown" in (system / runbook).read_text()
    compiled = (system / "opt/vcpu-autoscaler/lib").rglob("*.pyc")
    assert not [path for path in compiled if str(tmp_path).encode() in path.read_bytes()]

    with (system / CONFIG).open("a") as config:
        config.write(NOTE)
    (system / OBSERVE).unlink()
    (system / STATE).mkdir(parents=True)
    (system / STATE / "journal.sqlite").touch()
    stale = [
        system / folder / "of-another-version"
        for folder in ("opt/vcpu-autoscaler/lib", "usr/local/share/doc/vcpu-autoscaler/policies")
    ]
    for file in stale:
        file.touch()
    install(system, "--without-libvirt")
    assert asked(system, "--version").startswith("autoscaler ")
    assert not [file for file in stale if file.exists()]
    assert (system / CONFIG).read_text().endswith(NOTE)
    assert NOTE not in (system / f"{CONFIG}.new").read_text()
    assert not (system / OBSERVE).exists()

    install(system, "--uninstall")
    assert files(system) == {CONFIG, f"{CONFIG}.new", f"{STATE}/journal.sqlite"}
    install(system, "--uninstall", "--purge")
    assert files(system) == set()


@pytest.mark.parametrize("folder", ["", "/"])
def test_a_folder_that_would_be_the_system_itself_is_refused(folder: str) -> None:
    done = subprocess.run(
        ("sh", PROJECT / "deploy" / "install.sh", "--destdir", folder, "--help"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--destdir needs a folder" in done.stderr


def test_purge_without_uninstall_is_refused_and_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / CONFIG).parent.mkdir(parents=True)
    (tmp_path / CONFIG).touch()
    done = subprocess.run(
        ("sh", PROJECT / "deploy" / "install.sh", "--destdir", tmp_path, "--purge"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--purge goes with --uninstall" in done.stderr
    assert (tmp_path / CONFIG).exists()
