"""Where the guest's parts come from, with programs in PATH that behave as apt's and dpkg's do."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscaler.lab import programs, sources
from autoscaler.lab.errors import LabError
from autoscaler.lab.image import build_image

if TYPE_CHECKING:
    from collections.abc import Callable

APT_CACHE = """\
#!/bin/sh
case "$3" in
    linux-image-virtual) printf '%s\\n' "$3" '  Depends: linux-image-6.8.0-31-generic' '  Depends: base' ;;
    linux-image-6.8.0-31-generic) printf '%s\\n' "$3" '  Depends: linux-modules-6.8.0-31-generic' ;;
    qemu-guest-agent)
        printf '%s\\n' "$3" '  PreDepends: init' '  Depends: liburing2' ' |Depends: libnuma1' ;;
    *) echo 'E: No packages found' >&2; exit 100 ;;
esac
"""
APT_GET = """\
#!/bin/sh
[ "$1" = download ] || exit 1
shift
for package; do echo "$package" >"${package}_1_amd64.deb"; done
"""
DPKG = """\
#!/bin/sh
case "$2" in
    *linux-image*) mkdir -p "$3/boot" && echo kernel >"$3/boot/vmlinuz-6.8.0-31-generic" ;;
    *linux-modules*)
        mkdir -p "$3/usr/lib/modules/6.8.0-31-generic/kernel"
        cd "$3/usr/lib/modules/6.8.0-31-generic" || exit 1
        printf 'x\\0depends=\\0' >kernel/virtio_console.ko
        echo kernel/drivers/virtio/virtio_pci.ko >modules.builtin ;;
    *busybox*) mkdir -p "$3/usr/bin" && echo busybox >"$3/usr/bin/busybox" ;;
    *agent*) mkdir -p "$3/usr/sbin" && echo agent >"$3/usr/sbin/qemu-ga" ;;
esac
"""
APT_CACHE_AFTER_13 = """\
#!/bin/sh
case "$3" in
    linux-image-cloud-amd64)
        printf '%s\\n' '  Depends: linux-base-cloud-amd64' '  Depends: linux-image-7.2+deb14-cloud-amd64' ;;
    linux-image-7.2+deb14-cloud-amd64)
        printf '%s\\n' '  PreDepends: linux-base' '  Depends: linux-base-7.2+deb14-cloud-amd64' \
            '  Depends: linux-binary-7.2+deb14-cloud-amd64' ;;
esac
"""
DPKG_AFTER_13 = """\
#!/bin/sh
modules="$3/usr/lib/modules/7.2+deb14-cloud-amd64"
mkdir -p "$modules"
case "$2" in
    *linux-binary*) echo kernel >"$modules/vmlinuz" ;;
    *linux-base*) printf '%s\\n' kernel/drivers/virtio/virtio_pci.ko kernel/drivers/char/virtio_console.ko \
        >"$modules/modules.builtin" ;;
    *busybox*) mkdir -p "$3/usr/bin" && echo busybox >"$3/usr/bin/busybox" ;;
    *agent*) mkdir -p "$3/usr/bin" && echo agent >"$3/usr/bin/qemu-ga" ;;
esac
"""
LDD_MISSING = """\
#!/bin/sh
printf '\\tliburing.so.2 => not found\\n\\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\\n'
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes this host one that has the given programs first in its PATH."""
    monkeypatch.setenv("VCPU_AUTOSCALER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "ubuntu", "VERSION_ID": "24.04"})
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")

    def having(**programs: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, script in programs.items():
            (folder / name.replace("_", "-")).write_text(script)
            (folder / name.replace("_", "-")).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return tmp_path

    return having


def test_packages_become_parts_also_where_modules_are_packaged_apart(host: Callable[..., Path]) -> None:
    folder = host(apt_cache=APT_CACHE, apt_get=APT_GET, dpkg=DPKG)
    said: list[str] = []
    parts = sources.from_packages(folder / "cache", said.append)
    assert parts.kernel.read_text() == "kernel\n"
    assert (parts.busybox.read_text(), parts.agent.read_text()) == ("busybox\n", "agent\n")
    assert parts.modules == (("virtio_console", b"x\0depends=\0"),)
    assert said[0] == (
        "downloading linux-image-6.8.0-31-generic, linux-modules-6.8.0-31-generic, "
        "busybox-static, qemu-guest-agent"
    )
    assert sorted(path.name for path in parts.kernel.parent.iterdir()) == [
        "busybox",
        "modules",
        "qemu-ga",
        "vmlinuz",
    ]


def test_a_kernel_that_is_packaged_among_its_modules_and_has_them_built_in_is_found_too(
    host: Callable[..., Path],
) -> None:
    folder = host(apt_cache=APT_CACHE_AFTER_13, apt_get=APT_GET, dpkg=DPKG_AFTER_13)

    parts = sources.from_packages(folder / "cache", lambda _: None)

    assert parts.kernel.read_text() == "kernel\n"
    assert parts.agent.read_text() == "agent\n"
    assert parts.modules == ()


def test_a_second_time_nothing_is_downloaded(host: Callable[..., Path]) -> None:
    folder = host(apt_cache=APT_CACHE, apt_get=APT_GET, dpkg=DPKG)
    first = sources.from_packages(folder / "cache", lambda _: None)
    said: list[str] = []
    assert sources.from_packages(folder / "cache", said.append) == first
    assert said == []


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        pytest.param(
            {"apt_cache": "#!/bin/sh\nexit 100\n", "apt_get": APT_GET, "dpkg": DPKG},
            "run apt-get update",
            id="apt has no lists",
        ),
        pytest.param(
            {
                "apt_cache": APT_CACHE,
                "apt_get": "#!/bin/sh\necho 'W: old' >&2; echo 'E: Could not resolve host' >&2; exit 100\n",
                "dpkg": DPKG,
            },
            r"apt-get could not download .* \(E: Could not resolve host\)",
            id="no network",
        ),
        pytest.param(
            {"apt_cache": APT_CACHE, "apt_get": APT_GET, "dpkg": "#!/bin/sh\nexit 2\n"},
            "dpkg could not unpack",
            id="a damaged package",
        ),
        pytest.param(
            {"apt_cache": APT_CACHE, "apt_get": APT_GET, "dpkg": "#!/bin/sh\nmkdir -p $3\n"},
            "hold no boot/vmlinuz",
            id="packages of another shape",
        ),
    ],
)
def test_parts_that_cannot_be_had_leave_the_cache_empty_and_say_what_to_do(
    host: Callable[..., Path], programs: dict[str, str], message: str
) -> None:
    folder = host(**programs)
    with pytest.raises(LabError, match=message):
        sources.from_packages(folder / "cache", lambda _: None)
    assert list((folder / "cache").glob("*")) == []


def test_a_host_without_apt_is_told_to_name_a_kernel(
    host: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    host()
    monkeypatch.setattr(programs, "find", lambda *_: None)
    with pytest.raises(LabError, match="--kernel VMLINUZ"):
        build_image()


def test_a_missing_library_names_the_packages_that_bring_it(host: Callable[..., Path]) -> None:
    folder = host(apt_cache=APT_CACHE, ldd=LDD_MISSING)
    with pytest.raises(LabError, match=r"qemu-ga needs liburing\.so\.2.*apt-get install liburing2 libnuma1"):
        sources.libraries(folder / "qemu-ga")


def test_a_programs_libraries_are_the_hosts() -> None:
    assert any(path.name == "libc.so.6" for path in sources.libraries(Path("/bin/sh")))


@pytest.mark.parametrize(
    ("kernel", "modules", "message"),
    [
        pytest.param("vmlinuz", None, "go together", id="a kernel without modules"),
        pytest.param(None, "modules", "go together", id="modules without a kernel"),
        pytest.param("absent", "modules", "no readable kernel", id="no such kernel"),
        pytest.param("vmlinuz", "absent", "no folder", id="no such folder"),
        pytest.param("vmlinuz", "modules", "virtio_pci is not in", id="modules of something else"),
    ],
)
def test_a_kernel_of_the_callers_must_be_there_with_its_modules(
    host: Callable[..., Path], kernel: str | None, modules: str | None, message: str
) -> None:
    folder = host()
    (folder / "vmlinuz").touch()
    (folder / "modules").mkdir()
    with pytest.raises(LabError, match=message):
        build_image(kernel=kernel and folder / kernel, modules=modules and folder / modules)  # type: ignore[arg-type]
