"""Writes a support archive: what whoever helps needs to see, without secrets.

Invariant: nothing goes into it but through `redacted`; nothing is written over; it is for its owner alone.
"""

from __future__ import annotations

import io
import json
import os
import platform
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

import yaml

from autoscaler import __version__
from autoscaler.doctor.redacted import HIDDEN, is_secret, redacted, redacted_value
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.load import policy_files
from autoscaler.policyfile.strict_yaml import Scalar, read_document
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.service.journal_reader import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autoscaler.policyfile.strict_yaml import Data
    from autoscaler.service.settings import Config

_TIMEOUT_S = 5.0
_LONGEST = 8 << 20
_DECISIONS = 500
_LOG_LINES = "2000"
_ABOUT = """\
What is in this archive of vcpu-autoscaler's doctor:

doctor.json      what the doctor found
versions.json    of the program, Python, the system and its kernel
config.yaml      the configuration
policies/        the policy files
decisions.json   the newest decisions and changes in the journal
metrics.txt      the metrics of the service, where it runs
log.txt          the end of the log, of the service, its actuator and its bounds, where journalctl may show it

Comments are left out of YAML. REDACTED stands for what was taken for a password, a token or credentials, for
what is behind the host of a web address, and for what libvirt does not know in a URI. Names of hosts, guests,
policies and users stay: look it over before handing it on.
"""


def write_bundle(path: Path, answer: object, config: Config, config_file: Path | None) -> None:
    """Write the archive.

    Raises:
        FileExistsError: the file is there.
        OSError: it cannot be written.
    """
    members = _members(answer, config, config_file)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in members.items():
                data = text.encode()
                member = tarfile.TarInfo(f"vcpu-autoscaler-doctor/{name}")
                member.size, member.mode, member.mtime = len(data), 0o600, int(time.time())
                archive.addfile(member, io.BytesIO(data))
    except OSError:
        path.unlink()
        raise


def _members(answer: object, config: Config, config_file: Path | None) -> dict[str, str]:
    """By name; what cannot be had says why in its place."""
    versions = {
        "autoscaler": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    found = {
        "README.txt": _ABOUT,
        "doctor.json": _json(answer),
        "versions.json": _json(versions),
        "config.yaml": _had(lambda: _yaml(config_file)),
        "decisions.json": _had(
            lambda: _json(events(config.state / "journal.sqlite", limit=_DECISIONS)) if config_file else None
        ),
        "metrics.txt": _had(lambda: redacted(_metrics(config)) if config_file else None),
        "log.txt": _had(lambda: redacted(_log())),
    }
    files, _ = policy_files(config.policies)
    for number, file in enumerate(files):
        found[f"policies/{number:03}-{file.name}"] = _had(lambda file=file: _yaml(file))  # type: ignore[misc]
    return found


def _had(get: Callable[[], str | None]) -> str:
    try:
        return get() or "not at hand: no configuration was looked at\n"
    except (AutoscalerError, OSError, ValueError, yaml.YAMLError, subprocess.SubprocessError) as error:
        return f"not at hand: {type(error).__name__}: {redacted(str(error))}\n"


def _json(value: object) -> str:
    return json.dumps(redacted_value(value), indent=2) + "\n"


def _yaml(file: Path | None) -> str | None:
    """The document and not the text, which could have a secret anywhere, in a comment too.

    Read as the service does, so that `on` and `22:30` stay what they are, and no alias grows beyond bounds.
    """
    if file is None:
        return None
    data = read_document(read_text_file(file)).data
    if data is None:
        return "not at hand: the file cannot be read as YAML, see `autoscaler check`\n"
    events = (
        *(yaml.StreamStartEvent(), yaml.DocumentStartEvent()),
        *_events(data),
        *(yaml.DocumentEndEvent(), yaml.StreamEndEvent()),
    )
    return str(yaml.emit(events, allow_unicode=True, width=_LONGEST))


def _events(data: Data) -> Iterator[yaml.Event]:
    """The same as it was written, without secrets."""
    plain = (True, True)
    if isinstance(data, Scalar):
        style = None if data.plain else '"'
        yield yaml.ScalarEvent(None, None, plain, str(redacted_value(data.text)), style=style)
    elif isinstance(data, dict):
        yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=False)
        for key, value in data.items():
            yield yaml.ScalarEvent(None, None, plain, redacted(key))
            yield from _events(Scalar(HIDDEN, plain=True) if is_secret(key) else value)
        yield yaml.MappingEndEvent()
    else:
        yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False)
        for value in data:
            yield from _events(value)
        yield yaml.SequenceEndEvent()


def _metrics(config: Config) -> str:
    # The service is on this host: a proxy for the web has no part in it.
    with build_opener(ProxyHandler({})).open(f"http://{config.listen}/metrics", timeout=_TIMEOUT_S) as answer:
        return str(answer.read(_LONGEST).decode(errors="replace"))


def _log() -> str:
    units = [f"--unit=vcpu-autoscaler{of}" for of in ("", "-actuator", "-bounds")]
    command = ("journalctl", *units, f"--lines={_LOG_LINES}", "--no-pager", "--quiet")
    ran = subprocess.run(command, capture_output=True, timeout=30, check=True)  # noqa: S603 - fixed words
    return ran.stdout.decode(errors="replace") or "nothing\n"
