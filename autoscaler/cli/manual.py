"""The manual pages, made from the commands' own help and the keys' descriptions, so that they say the same.

`python -m autoscaler.cli.manual FOLDER` writes them there; an installation does so.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from autoscaler import __version__
from autoscaler.cli.main import app
from autoscaler.cli.readable import taken
from autoscaler.cli.roff import Page
from autoscaler.policyfile.json_schema import section_schema
from autoscaler.policyfile.schema import PolicyFileKeys
from autoscaler.service.config import ConfigKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    Command = Any
    """Of click, which newer versions of typer carry within."""

_TITLE = "vcpu-autoscaler"
_ALSO = {"autoscaler": 8, "vcpu-autoscaler": 8, "vcpu-autoscaler.yaml": 5}
_FILES = {
    "/etc/vcpu-autoscaler/config.yaml": "The configuration, read once at start.",
    "/etc/vcpu-autoscaler/policies": "The policies, read again when one changes.",
    "/var/lib/vcpu-autoscaler/journal.sqlite": "What was decided, done, ordered and learned.",
    "/var/lib/vcpu-autoscaler/audit": "Who changed what, and why; see `autoscaler audit`.",
    "/var/lib/vcpu-autoscaler/control.sock": "Takes orders from root, the service's user and its group.",
}
_SIGNALS = {
    "SIGHUP": "Read the policies again; broken ones leave the last good set in force.",
    "SIGTERM, SIGINT": "End; every guest stays as it is.",
}


def pages() -> dict[str, str]:
    """Each page by the name of its file."""
    return {
        "autoscaler.8": commands_page(),
        "vcpu-autoscaler.8": service_page(),
        "vcpu-autoscaler.yaml.5": files_page(),
    }


def commands_page() -> str:
    """All commands with their options and examples."""
    page = _begun("autoscaler", 8, "look at the vCPU autoscaler, and give it orders")
    root = typer.main.get_command(app)
    page.section("Synopsis")
    page.paragraph("`autoscaler` COMMAND [OPTION]... [ARGUMENT]...")
    page.section("Description")
    page.paragraph(_flat(root.help))
    page.section("Commands")
    for path, command in _commands(root):
        context = command.make_context(path, [], resilient_parsing=True)
        page.subsection(" ".join((path, *command.collect_usage_pieces(context))))
        for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
            page.paragraph(paragraph)
        for tag, text in taken(command, context, "argument", "option"):
            page.tagged(tag, text)
        if command.epilog:
            page.example(command.epilog.replace("\b", "").strip().splitlines())
    page.section("Exit status")
    page.tagged("0", "All is well.")
    page.tagged("1", "Something was found, or did not go; a command that says more of it does so above.")
    page.tagged("2", "The command was not called as it is to be, or a file that it needs is not there.")
    return _ended(page, "autoscaler")


def service_page() -> str:
    """The service itself."""
    page = _begun("vcpu-autoscaler", 8, "hold the service levels of KVM guests with the fewest vCPUs")
    page.section("Synopsis")
    page.paragraph("`systemctl` start|reload|stop `vcpu-autoscaler`")
    page.paragraph("`autoscaler run` [`--config.file` FILE]")
    page.section("Description")
    for paragraph in inspect.cleandoc(_command("run").help or "").split("\n\n"):
        page.paragraph(paragraph)
    page.section("Signals")
    for name, text in _SIGNALS.items():
        page.tagged(name, text)
    page.section("Files")
    for name, text in _FILES.items():
        page.tagged(name, text)
    return _ended(page, "vcpu-autoscaler")


def files_page() -> str:
    """Every key of the configuration and of policy files."""
    page = _begun("vcpu-autoscaler.yaml", 5, "configuration and policies of the vCPU autoscaler")
    page.section("Description")
    page.paragraph(
        "Both are YAML, read strictly: a key that is not known, a value without its unit, an anchor or a tag "
        "is an error, told with file, line and column by `autoscaler check`. In the names below a dot leads "
        "to the key of a group, and `[]` to the entries of a list."
    )
    for title, model in (("Configuration", ConfigKeys), ("Policies", PolicyFileKeys)):
        page.section(title)
        schema = section_schema(model)
        page.paragraph(schema["description"])
        for path, key, is_required in _keys(schema):
            page.tagged(path, key["description"], _takes(key, is_required=is_required))
    return _ended(page, "vcpu-autoscaler.yaml")


def _begun(name: str, section: int, what: str) -> Page:
    page = Page(name, section, title=_TITLE, version=f"{_TITLE} {__version__}")
    page.section("Name")
    page.paragraph(f"{name} - {what}")
    return page


def _ended(page: Page, name: str) -> str:
    page.section("See also")
    page.paragraph(", ".join(f"`{other}`({number})" for other, number in _ALSO.items() if other != name))
    return page.text()


def _commands(root: Command) -> Iterator[tuple[str, Command]]:
    """Every command that does something, by what one types."""
    for name, command in sorted(getattr(root, "commands", {}).items()):
        inner = list(_commands(command))
        yield from ((f"{name} {path}", found) for path, found in inner)
        if not inner:
            yield name, command


def _command(name: str) -> Command:
    return next(command for path, command in _commands(typer.main.get_command(app)) if path == name)


def _keys(schema: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every key below a group of them, with whether it must be written."""
    for name, key in schema.get("properties", {}).items():
        path = f"{at}.{name}".removeprefix(".")
        yield path, key, name in schema.get("required", ())
        yield from _below(key, path)


def _below(key: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    yield from _keys(key, path)
    if isinstance(key.get("items"), dict):
        yield from _below(key["items"], f"{path}[]")
    for branch in key.get("oneOf", ()):
        yield from _below(branch, path)


def _takes(key: dict[str, Any], *, is_required: bool) -> str:
    """What may be written for a key, and what holds where it is not."""
    said = []
    if "enum" in key:
        said.append(f"One of {', '.join(key['enum'])}.")
    if "minimum" in key:
        said.append(f"From {key['minimum']:.10g} to {key['maximum']:.10g}.")
    if "examples" in key:
        said.append(f"Such as {', '.join(map(str, key['examples']))}.")
    if is_required:
        said.append("Required.")
    elif "default" in key:
        default = key["default"]
        shown = ", ".join(map(str, default)) if isinstance(default, list) else str(default)
        said.append(f"Default: {shown or 'none'}.")
    return " ".join(said)


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())


def main() -> None:
    """Write the pages into the folder that is named."""
    folder = Path(sys.argv[1])
    for name, text in pages().items():
        target = folder / f"man{name[-1]}"
        target.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
