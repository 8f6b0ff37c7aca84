"""A pretended host for the scripts in deploy/: its PATH holds only what a test put there.

apt-get, sudo and the interpreter are small programs that do what the real ones do to such a host (an
installed package's command appears, an environment gets its programs) and note how they were called.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 30.0

PROJECT = Path(__file__).parents[2]

TOOLS = (
    *("bash", "cat", "chmod", "cut", "date", "dirname", "env", "flock", "grep", "mkdir"),
    *("mv", "nproc", "rm", "sed", "sh", "sha256sum", "sleep", "tail"),
)
"""The host's own programs that a set-up may count on."""

PYTHON = """\
#!{real}
import os, pathlib, sys, time
args = [arg for arg in sys.argv[1:] if arg != "-I"]
journal = pathlib.Path({journal!r})
here = pathlib.Path(sys.argv[0]).parent

def note(line):
    with journal.open("a") as file:
        file.write(line + "\\n")

if args == ["-V"]:
    print("Python {version}")
elif args[0] == "-c":
    pretend = "import sys, sysconfig; sys.version_info = {info}\\n"
    pretend += "sysconfig.get_path = lambda name: {headers!r}\\n"
    os.execv(sys.executable, [sys.executable, "-I", "-c", pretend + args[1], *args[2:]])
elif args[:2] == ["-m", "venv"]:
    note("venv")
    folder = pathlib.Path(args[2], "bin")
    folder.mkdir(parents=True)
    (folder / "python").write_text(pathlib.Path(sys.argv[0]).read_text())
    (folder / "python").chmod(0o755)
elif args[:2] == ["-m", "pip"]:
    requirements = pathlib.Path(args[args.index("--requirement") + 1]).read_text().split()
    note("pip " + " ".join(args[2:] + requirements))
    print("chatter of pip")
    deadline = time.monotonic() + 60
    while pathlib.Path({journal!r} + ".hold").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    if pathlib.Path({journal!r} + ".offline").exists():
        sys.exit("no index here")
    (here / "autoscaler").write_text('#!/bin/sh\\necho "autoscaler $*"\\n')
    (here / "autoscaler").chmod(0o755)
else:
    print("python", *args)
"""

DPKG = """\
name=$(cat "$2") && mkdir -p "$3/usr/bin"
[ "$name" != prometheus-alertmanager ] || name=amtool
echo >"$3/usr/bin/$name" && chmod +x "$3/usr/bin/$name"
"""

APT_GET = """\
#!/bin/sh
[ "$1" != indextargets ] || exec cat {lists}
echo "apt-get $* as ${{SUDO:-self}} $DEBIAN_FRONTEND" >>{journal}
echo "chatter of apt"
[ ! -e {journal}.offline ] || exit 100
case " $* " in
    *" download "*) echo "$2" >"$2_1_amd64.deb" ;;
    *" qemu-system-x86 "*) echo >{bin}/qemu-system-x86_64; chmod +x {bin}/qemu-system-x86_64 ;;
esac
"""


class PretendedHost:
    """A host with the project checked out and all that the demo over bare QEMU needs; no apt, no sudo."""

    def __init__(self, folder: Path) -> None:
        """Lay the host out in `folder`; its user is root."""
        self.bin = folder / "bin"
        self.checkout = folder / "a checkout"
        self.cache = folder / "a cache"
        self.headers = folder / "headers"
        self.package_lists = folder / "lists"
        self.journal = folder / "journal"
        self.offline = folder / "journal.offline"
        """While this file exists, neither apt nor pip reaches anything."""
        self.hold = folder / "journal.hold"
        """While this file exists, pip does not end."""
        self.env = {
            "PATH": str(self.bin),
            "PYTHON": str(self.bin / "python"),
            "VCPU_AUTOSCALER_CACHE": str(self.cache),
        }
        for part in ("deploy", ".ci"):
            shutil.copytree(PROJECT / part, self.checkout / part)
        shutil.copy(PROJECT / "pyproject.toml", self.checkout)
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
        self.program("id", "case $1 in -u) echo 0 ;; *) echo root ;; esac")
        self.program("qemu-system-x86_64")
        self.install_python("3.12.1")

    def program(self, name: str, text: str = "") -> None:
        """Put a shell program into PATH; an empty one succeeds."""
        self._executable(name, f"#!/bin/sh\n{text}\n")

    def install_python(self, version: str) -> None:
        """Put an interpreter of that version into PATH, with its venv module and a folder for headers."""
        info = tuple(map(int, version.split(".")))
        values = {
            "version": version,
            "info": info,
            "journal": str(self.journal),
            "headers": str(self.headers),
        }
        self._executable("python", PYTHON.format(real=sys.executable, **values))

    def install_apt(self) -> None:
        """Make it a Debian host, with package lists."""
        self.package_lists.write_text("MetaKey: main/binary-amd64/Packages\n")
        values = {"journal": self.journal, "bin": self.bin, "lists": self.package_lists}
        self._executable("apt-get", APT_GET.format(**values))

        self.program("dpkg", DPKG)

    def install_all(self) -> None:
        """Have all that any of the scripts needs."""
        self.headers.mkdir()
        (self.headers / "Python.h").touch()
        (self.headers / "libvirt_driver_qemu.so").touch()
        self.env |= {"LIBVIRT_DRIVER_DIR": str(self.headers), "CC": "true"}
        for name in (
            "pkg-config",
            "libvirtd",
            "virsh",
            "shellcheck",
            "zstd",
            "zsh",
            "fish",
            "man",
            "chromium",
            "chromedriver",
            "prometheus",
            "promtool",
            "amtool",
        ):
            self.program(name)
        for name in ("systemd-analyze", "debootstrap", "dpkg-deb", "mke2fs", "polkitd", "dbus-daemon"):
            self.program(name)
        for name in ("ruff", "mypy", "ansible-lint"):
            self.program(name, f'echo "{name} $*"')

    def become_user(self, *, sudo: str | None = None) -> None:
        """Not root any more; `sudo` is what sudo does before it obeys, None: there is no sudo."""
        self.program("id", "case $1 in -u) echo 1000 ;; *) echo joe ;; esac")
        if sudo is not None:
            self.program("sudo", sudo + '\ncase $1 in -n) shift ;; -v) exit ;; esac\nSUDO=root exec "$@"')

    def start(self, script: str, *args: str) -> subprocess.Popen[str]:
        """Start a script of the checkout, from another folder, with no terminal and no input."""
        shell = "bash" if script.startswith(".ci") else "sh"
        return subprocess.Popen(
            # A test run in the background ignores SIGINT, and would hand that down.
            ["env", "--default-signal=INT", str(self.bin / shell), str(self.checkout / script), *args],
            env=self.env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, script: str, *args: str) -> tuple[int, str, str]:
        """Run a script to its end: exit code, standard output, standard error."""
        with self.start(script, *args) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out, err

    def notes(self, program: str) -> list[str]:
        """How `program` was called so far, a line each."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return [line for line in lines if line.split()[0] == program]

    def await_note(self, program: str) -> None:
        """Return once `program` has been called."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.notes(program):
            assert time.monotonic() < deadline, f"{program} was not called"
            time.sleep(0.01)

    def _executable(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)
