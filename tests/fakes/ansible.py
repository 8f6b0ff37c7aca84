"""The project's Ansible playbook, run on hosts that are all one machine, by a pretended ssh.

Ansible and its ssh connection are real; the program `ssh` that it calls enters the machine's namespaces
instead, and notes which host was asked for.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fakes.debian_machine import DebianMachine

PROJECT = Path(__file__).parents[2]
PLAYBOOK = PROJECT / "deploy" / "ansible" / "roll-out.yaml"
PATIENCE_S = 200.0

_SSH = """\
#!/bin/sh
while getopts Co:tqv option; do :; done
shift $((OPTIND - 1))
echo "$1" >>{asked}
[ "$1" != away ] || exit 255
shift
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 {enter} sh -c "$*"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollOut:
    """What came of one run of the playbook."""

    code: int
    said: str
    changed: dict[str, int]
    """By host that was begun with: how many tasks changed something."""
    asked: list[str]
    """The hosts that were connected to, in that order."""


class Administrator:
    """A folder of an administrator, with an inventory and policies, from which the playbook is run."""

    def __init__(self, folder: Path, machine: DebianMachine) -> None:
        """Every host but `away` is that machine.

        Args:
            folder: takes all files; empty.
            machine: is entered as root.
        """
        self.policies = folder / "policies"
        self.policies.mkdir()
        self._folder = folder
        self._asked = folder / "asked"
        ssh = folder / "ssh"
        ssh.write_text(_SSH.format(asked=self._asked, enter=" ".join(machine.enter)))
        ssh.chmod(0o755)
        self._variables = {
            "ansible_user": "root",
            "ansible_ssh_executable": str(ssh),
            "ansible_ssh_transfer_method": "piped",
            "ansible_python_interpreter": "/usr/bin/python3",
            "vcpu_autoscaler_policies": str(self.policies),
        }

    def roll_out(self, hosts: dict[str, dict[str, object]], *options: str) -> RollOut:
        """Run the playbook over hosts, by name, each with variables of its own."""
        inventory = self._folder / "inventory.json"
        group = {"vars": self._variables, "hosts": hosts}
        inventory.write_text(json.dumps({"vcpu_autoscaler": group}))
        self._asked.write_text("")
        program = shutil.which("ansible-playbook")
        assert program, "ansible-playbook, of the development packages, is not in PATH"
        done = subprocess.run(
            (program, "--inventory", inventory, *options, PLAYBOOK),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._folder),
                "LANG": "C.UTF-8",
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_NOCOLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        said = done.stdout + done.stderr
        recap = re.findall(r"(?m)^(\S+) +: ok=\d+ +changed=(\d+) ", said)
        return RollOut(
            code=done.returncode,
            said=said,
            changed={host: int(count) for host, count in recap},
            asked=list(dict.fromkeys(self._asked.read_text().split())),
        )
