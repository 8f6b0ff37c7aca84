"""The scripts in deploy/: what they install, what they leave alone, and what they say when stuck."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes.pretended_host import PATIENCE_S, PretendedHost

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def host(tmp_path: Path) -> PretendedHost:
    """Has all that the demo over bare QEMU needs, and neither apt nor sudo; the user is root."""
    return PretendedHost(tmp_path)


@pytest.fixture
def full_host(host: PretendedHost) -> PretendedHost:
    """Has all that any of the scripts needs."""
    host.install_all()
    return host


def test_prometheus_is_unpacked_and_its_service_is_never_installed(full_host: PretendedHost) -> None:
    for name in ("prometheus", "promtool", "amtool"):
        (full_host.bin / name).unlink()
    full_host.install_apt()
    full_host.become_user()

    code, _, err = full_host.run("deploy/bench.sh", "tick")

    assert code == 0, err
    assert full_host.notes("apt-get") == [
        f"apt-get download {package} as self "
        for package in ("prometheus", "promtool", "prometheus-alertmanager")
    ]
    unpacked = full_host.cache / "prometheus" / "usr" / "bin"
    assert {program.name for program in unpacked.iterdir()} == {"prometheus", "promtool", "amtool"}
    full_host.run("deploy/bench.sh", "tick")
    assert len(full_host.notes("apt-get")) == 3


def test_what_an_earlier_version_unpacked_is_unpacked_anew(full_host: PretendedHost) -> None:
    (full_host.bin / "amtool").unlink()
    unpacked = full_host.cache / "prometheus" / "usr" / "bin"
    unpacked.mkdir(parents=True)
    (unpacked / "promtool").touch(mode=0o755)
    full_host.install_apt()

    code, _, err = full_host.run("deploy/bench.sh", "tick")

    assert code == 0, err
    assert (unpacked / "amtool").exists()
    assert not (unpacked.parents[1] / "prometheus.new").exists()


def test_without_apt_it_is_said_where_prometheus_is_to_be_had(full_host: PretendedHost) -> None:
    (full_host.bin / "promtool").unlink()

    code, _, err = full_host.run("deploy/test.sh")

    assert code == 2
    assert "missing: prometheus, promtool and amtool" in err


@pytest.mark.parametrize("script", ["demo.sh", "test.sh", "bench.sh", "build-deb.sh", "install.sh"])
def test_help_is_printed_and_nothing_is_set_up(host: PretendedHost, script: str) -> None:
    code, out, err = host.run(f"deploy/{script}", "--help")

    assert (code, err) == (0, "")
    assert f"Usage: sh deploy/{script}" in out
    assert not host.cache.exists()


def test_a_host_that_has_everything_needs_neither_apt_nor_sudo_and_stdout_is_the_commands_own(
    host: PretendedHost,
) -> None:
    code, out, err = host.run("deploy/demo.sh", "--backend", "qmp", "--output", "json")

    assert (code, out) == (0, "autoscaler demo --backend qmp --output json\n"), err
    assert "installing Python packages ... " in err
    assert "chatter" not in err
    assert "chatter of pip" in (host.cache / "setup.log").read_text()


def test_a_second_run_installs_nothing_and_says_nothing(host: PretendedHost) -> None:
    host.run("deploy/demo.sh", "--backend=qmp")
    host.journal.unlink()

    code, out, err = host.run("deploy/demo.sh", "--backend=qmp", "--keep")

    assert (code, out, err) == (0, "autoscaler demo --backend=qmp --keep\n", "")
    assert not host.journal.exists()


def test_libvirt_is_added_to_an_environment_that_was_made_without_it(full_host: PretendedHost) -> None:
    full_host.run("deploy/demo.sh", "--backend", "qmp")
    assert "[libvirt]" not in full_host.notes("pip")[0]

    code, _, err = full_host.run("deploy/demo.sh")

    assert code == 0, err
    assert len(full_host.notes("venv")) == 1
    assert "a checkout[libvirt]" in full_host.notes("pip")[1]
    assert full_host.run("deploy/demo.sh", "--backend", "qmp")[2] == ""


def test_another_pyproject_means_another_environment_and_the_old_one_goes(host: PretendedHost) -> None:
    host.run("deploy/demo.sh", "--backend", "qmp")
    (old,) = (host.cache / "venv").iterdir()
    with (host.checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")

    host.run("deploy/demo.sh", "--backend", "qmp")

    (new,) = (host.cache / "venv").iterdir()
    assert new != old


def test_an_environment_that_a_program_runs_from_stays(host: PretendedHost) -> None:
    host.run("deploy/demo.sh", "--backend", "qmp")
    (old,) = (host.cache / "venv").iterdir()
    (host.checkout / "pyproject.toml").write_text("")

    with (old / "in-use").open() as in_use:
        fcntl.flock(in_use, fcntl.LOCK_SH)
        host.run("deploy/demo.sh", "--backend", "qmp")

    assert old.is_dir()


def test_root_installs_what_is_missing_and_only_that(host: PretendedHost) -> None:
    (host.bin / "qemu-system-x86_64").unlink()
    host.install_apt()

    code, out, err = host.run("deploy/demo.sh", "--backend", "qmp")

    assert (code, out) == (0, "autoscaler demo --backend qmp\n"), err
    assert "packages to install: qemu-system-x86\n" in err
    assert host.notes("apt-get") == [
        "apt-get update as self noninteractive",
        (
            "apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 qemu-system-x86"
            " as self noninteractive"
        ),
    ]


def test_a_user_installs_through_sudo(host: PretendedHost) -> None:
    (host.bin / "qemu-system-x86_64").unlink()
    host.install_apt()
    host.become_user(sudo="")

    assert host.run("deploy/demo.sh", "--backend", "qmp")[0] == 0
    assert "qemu-system-x86 as root noninteractive" in host.notes("apt-get")[-1]


def without_apt(host: PretendedHost) -> None:
    (host.bin / "qemu-system-x86_64").unlink()


def without_sudo(host: PretendedHost) -> None:
    without_apt(host)
    host.install_apt()
    host.become_user()


def sudo_refuses(host: PretendedHost) -> None:
    without_apt(host)
    host.install_apt()
    host.become_user(sudo="exit 1")


def offline_apt(host: PretendedHost) -> None:
    without_apt(host)
    host.install_apt()
    host.offline.touch()


def offline_pip(host: PretendedHost) -> None:
    host.offline.touch()


def without_package_lists(host: PretendedHost) -> None:
    host.install_apt()
    host.package_lists.write_text("")


def old_python(host: PretendedHost) -> None:
    host.install_python("3.10.12")


def no_python(host: PretendedHost) -> None:
    host.env["PYTHON"] = "/bin/false"


def no_home(host: PretendedHost) -> None:
    del host.env["VCPU_AUTOSCALER_CACHE"]


def blocked_cache(host: PretendedHost) -> None:
    host.cache.touch()


REMEDY = "apt-get install -y --no-install-recommends qemu-system-x86\n"


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        pytest.param(
            without_apt, ["qemu-system-x86_64", "no apt-get here", REMEDY, "dnf install"], id="no-apt"
        ),
        pytest.param(without_sudo, ["no sudo here", REMEDY], id="no-sudo"),
        pytest.param(sudo_refuses, ["sudo refuses joe", REMEDY], id="sudo-refuses"),
        pytest.param(offline_apt, ["| chatter of apt", "setup.log", REMEDY], id="apt-offline"),
        pytest.param(offline_pip, ["| no index here", "setup.log", "HTTPS_PROXY"], id="pip-offline"),
        pytest.param(
            without_package_lists, ["apt's package lists", "apt-get update\n"], id="no-package-lists"
        ),
        pytest.param(old_python, ["is not Python 3.11 or newer but Python 3.10.12"], id="old-python"),
        pytest.param(no_python, ["PYTHON=/bin/false is not Python"], id="no-python"),
        pytest.param(no_home, ["no HOME", "VCPU_AUTOSCALER_CACHE="], id="no-home"),
        pytest.param(blocked_cache, ["cannot write in the cache folder", "as root"], id="unwritable-cache"),
    ],
)
def test_what_cannot_be_had_is_named_with_its_remedy_and_exit_code_2(
    host: PretendedHost, arrange: Callable[[PretendedHost], None], said: list[str]
) -> None:
    arrange(host)

    code, out, err = host.run("deploy/demo.sh", "--backend", "qmp")

    assert (code, out) == (2, ""), err
    assert [words for words in said if words not in err] == [], err


def test_an_unknown_backend_is_refused_before_anything_is_installed(host: PretendedHost) -> None:
    code, out, err = host.run("deploy/demo.sh", "--backend", "xen")

    assert (code, out, err) == (2, "", "demo.sh: --backend is libvirt or qmp, not xen\n")
    assert not host.cache.exists()


def test_an_interrupted_set_up_exits_130_and_what_it_left_is_not_believed(host: PretendedHost) -> None:
    host.hold.touch()
    with host.start("deploy/demo.sh", "--backend", "qmp") as process:
        host.await_note("pip")
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    host.hold.unlink()

    assert process.returncode == 130
    assert "stopped during set-up" in err
    assert host.run("deploy/demo.sh", "--backend", "qmp")[0] == 0
    assert len(host.notes("venv")) == 2


def test_a_second_set_up_waits_for_the_first_and_finds_its_work_done(host: PretendedHost) -> None:
    host.hold.touch()
    with host.start("deploy/demo.sh", "--backend", "qmp") as first:
        host.await_note("pip")
        with host.start("deploy/demo.sh", "--backend", "qmp") as second:
            assert second.stderr is not None
            assert "another set-up is at work" in second.stderr.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(0.8)
            host.hold.unlink()
            assert second.communicate(timeout=PATIENCE_S)[0] == "autoscaler demo --backend qmp\n"
        first.communicate(timeout=PATIENCE_S)

    assert (first.returncode, second.returncode) == (0, 0)
    assert len(host.notes("pip")) == 1


def test_ci_runs_every_check_with_the_development_packages(full_host: PretendedHost) -> None:
    code, out, err = full_host.run(".ci/run")

    assert code == 0, err
    both = "pytest without guests ok, pytest with guests ok"
    assert out.endswith(
        f"\ntest.sh: shellcheck ok, ruff check ok, ruff format ok, mypy ok, ansible-lint ok, {both}\n"
    )
    assert "pytest>=8" in full_host.notes("pip")[0].split()


def test_a_failed_check_fails_the_run_and_the_others_still_run(full_host: PretendedHost) -> None:
    full_host.program("mypy", "exit 1")

    code, out, _ = full_host.run("deploy/test.sh", "tests/unit", "-k", "two words")

    assert code == 1
    assert "mypy FAILED, ansible-lint ok, pytest ok" in out
    assert "tests/unit -k two words\n" in out


def as_a_user(host: PretendedHost) -> None:
    host.become_user()


@pytest.mark.parametrize(
    ("arrange", "release", "said"),
    [
        pytest.param(as_a_user, ["trixie"], ["--root needs root", "sudo sh"], id="no-root"),
        pytest.param(offline_pip, ["jessie"], ["bookworm trixie sid; not jessie"], id="unknown-release"),
        pytest.param(offline_pip, [], ["--root needs a release"], id="no-release"),
    ],
)
def test_another_release_that_cannot_be_had_is_told_with_its_remedy(
    host: PretendedHost, arrange: Callable[[PretendedHost], None], release: list[str], said: list[str]
) -> None:
    arrange(host)

    code, out, err = host.run("deploy/test.sh", "--root", *release)

    assert (code, out) == (2, ""), err
    assert [words for words in said if words not in err] == [], err


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        pytest.param("build-deb.sh", ["--root"], "--root needs a value", id="no-release"),
        pytest.param("build-deb.sh", ["--revision", "a b"], "--revision is like 2", id="no-revision"),
        pytest.param("build-deb.sh", ["--outptu", "."], "there is no --outptu", id="unknown-option"),
        pytest.param("install.sh", ["--destdir"], "--destdir needs a folder", id="no-folder"),
        pytest.param("install.sh", [], "this needs root", id="no-root"),
    ],
)
def test_what_cannot_be_built_or_installed_is_refused_before_anything_is_made(
    host: PretendedHost, script: str, arguments: list[str], said: str
) -> None:
    host.become_user()

    code, out, err = host.run(f"deploy/{script}", *arguments)

    assert (code, out) == (2, "")
    assert said in err
    assert not host.cache.exists()


@pytest.mark.parametrize("options", [[], ["--uninstall", "--purge"]])
def test_beside_the_debian_package_nothing_is_installed_or_purged(
    host: PretendedHost, tmp_path: Path, options: list[str]
) -> None:
    system = tmp_path / "system"
    (system / "usr/lib/vcpu-autoscaler").mkdir(parents=True)
    (system / "etc/vcpu-autoscaler").mkdir(parents=True)

    code, out, err = host.run("deploy/install.sh", "--destdir", str(system), *options)

    assert (code, out) == (2, "")
    assert "installed here as a Debian package" in err
    assert "apt-get remove vcpu-autoscaler" in err
    assert (system / "etc/vcpu-autoscaler").exists()
    assert not host.cache.exists()


@pytest.mark.parametrize(
    "left", ["opt/vcpu-autoscaler", "usr/local/lib/systemd/system/vcpu-autoscaler.service"]
)
def test_beside_an_installation_without_a_package_the_package_is_refused(tmp_path: Path, left: str) -> None:
    script = Path(__file__).parents[2] / "deploy/deb/preinst"

    def install() -> subprocess.CompletedProcess[str]:
        environment = {"DPKG_ROOT": str(tmp_path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["sh", script, "install"], env=environment, capture_output=True, text=True, check=False
        )

    assert install().returncode == 0
    (tmp_path / left).mkdir(parents=True)
    refused = install()
    assert refused.returncode == 1
    assert "sh deploy/install.sh --uninstall" in refused.stderr


def test_benchmark_names_go_to_the_runner(full_host: PretendedHost) -> None:
    code, out, err = full_host.run("deploy/bench.sh", "reaction", "--output", "json")

    assert (code, out) == (0, "python -m tests.bench reaction --output json\n"), err
