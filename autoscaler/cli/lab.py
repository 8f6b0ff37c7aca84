"""``autoscaler lab``: boots real guests to try things on, loads them, and takes them down again."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from autoscaler.cli.output import Output, OutputOption, print_json, print_table
from autoscaler.cli.readable import ReadableCommand
from autoscaler.cli.uris import checked_uri
from autoscaler.lab.accel import usable_accel
from autoscaler.lab.errors import BadSpec, LabError
from autoscaler.lab.image import build_image
from autoscaler.lab.place import BareQemu, LibvirtConnection, Place
from autoscaler.lab.spec import GuestSpec, Onlining, check_name
from autoscaler.lab.stopping import exit_when_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

lab_app = typer.Typer(
    name="lab",
    help="Boot tiny real guests to try the autoscaler on. Nothing is installed on the host.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m)?")


def _checked(name: str | None) -> str | None:
    try:
        return None if name is None else check_name(name)
    except BadSpec as error:
        raise typer.BadParameter(str(error)) from error


_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", callback=_checked, help="The guest's name: letters, digits, dots, dashes."
    ),
]
_Connect = Annotated[
    str | None,
    typer.Option(
        "--connect",
        "-c",
        metavar="URI",
        callback=checked_uri,
        help="A libvirt connection, such as qemu:///system; without it the guests run under bare QEMU.",
    ),
]
_Folder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where bare QEMU guests live; the default is yours alone.")
]


@lab_app.command(
    cls=ReadableCommand,
    epilog="""\b
    Examples:
      autoscaler lab up web-1 --vcpus 1 --maximum 4
      autoscaler lab up rhel-1 --block 'guest-file-*,guest-exec,guest-exec-status' --self-onlining
      autoscaler lab up web-2 --connect qemu:///system
    """,
)
def up(  # noqa: PLR0913 - each one is an option of the command
    name: _Name,
    *,
    vcpus: Annotated[int, typer.Option(help="vCPUs at boot.")] = 1,
    maximum: Annotated[int, typer.Option(help="vCPUs that it can ever have.")] = 4,
    memory: Annotated[int, typer.Option(help="Memory in MiB.")] = 256,
    connect: _Connect = None,
    folder: _Folder = None,
    no_agent: Annotated[bool, typer.Option("--no-agent", help="Do not run the guest agent.")] = False,
    block: Annotated[
        str, typer.Option(metavar="CMD,...", help="Agent commands to refuse; * stands for anything.")
    ] = "",
    self_onlining: Annotated[
        bool, typer.Option("--self-onlining", help="The guest onlines new vCPUs itself, as by udev.")
    ] = False,
    slow_onlining: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The guest onlines new vCPUs itself, TIME (such as 5s) later."),
    ] = None,
    never_onlining: Annotated[
        bool, typer.Option("--never-onlining", help="Nobody can online a new vCPU.")
    ] = False,
    kernel: Annotated[
        Path | None, typer.Option(metavar="VMLINUZ", help="A kernel to boot; needs --modules.")
    ] = None,
    modules: Annotated[Path | None, typer.Option(metavar="DIR", help="That kernel's module folder.")] = None,
) -> None:
    """Boot a guest and wait until it is ready; one that runs already is left as it is."""
    onlining, delay_s = _onlining(
        self_onlining=self_onlining, slow_onlining=slow_onlining, never_onlining=never_onlining
    )
    with _usage():
        spec = GuestSpec(
            name=name,
            vcpus=vcpus,
            maximum=maximum,
            memory_mib=memory,
            agent=not no_agent,
            block=tuple(pattern for pattern in block.split(",") if pattern),
            onlining=onlining,
            onlining_delay_s=delay_s,
        )
    place = _place(connect, folder)
    if place.find(name) is not None:
        typer.echo(f"{name} runs already")
        return
    with exit_when_told(), _progress() as progress:
        image = build_image(progress, kernel=kernel, modules=modules)
        progress(f"booting {name} ({usable_accel()})")
        guest = place.start(spec, image)
        try:
            guest.wait_up()
            if spec.agent:
                progress(f"waiting for the guest agent of {name}")
                guest.wait_agent()
        except BaseException:
            guest.destroy()
            raise
    typer.echo(f"{name} is up with {vcpus} of {maximum} vCPUs")
    for what, where in place.describe(guest).items():
        typer.echo(f"  {what}: {where}")


@lab_app.command(cls=ReadableCommand, epilog="Example: autoscaler lab load web-1 1.8")
def load(
    name: _Name,
    vcpus: Annotated[float, typer.Argument(metavar="VCPUS", help="vCPUs to keep busy; 0 stops.")],
    *,
    connect: _Connect = None,
    folder: _Folder = None,
) -> None:
    """Keep some of a guest's vCPUs busy, fractions too, until told otherwise."""
    guest = _place(connect, folder).find(name)
    if guest is None:
        raise LabError(
            f"No guest {name} runs here: see autoscaler lab list, or boot it by autoscaler lab up {name}."
        )
    with _usage():
        guest.load(vcpus)
    typer.echo(f"{name} wants {vcpus:g} vCPUs")


@lab_app.command(
    cls=ReadableCommand, epilog="Examples: autoscaler lab down web-1, or autoscaler lab down --all"
)
def down(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", callback=_checked, help="The guest to end.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="End every guest of the lab.")] = False,
    connect: _Connect = None,
    folder: _Folder = None,
) -> None:
    """End a guest and remove its files; to end one that does not run is no error."""
    if (name is None) != every:
        raise typer.BadParameter("name one guest, or give --all")
    place = _place(connect, folder)
    found = place.find_all() if name is None else [guest for guest in (place.find(name),) if guest]
    for guest in found:
        guest.destroy()
        typer.echo(f"{guest.name} is down")
    place.tidy()
    if not found:
        typer.echo("no guest runs here" if name is None else f"{name} does not run")


@lab_app.command("list", cls=ReadableCommand, epilog="Example: autoscaler lab list --output json")
def list_guests(
    *, connect: _Connect = None, folder: _Folder = None, output: OutputOption = Output.TEXT
) -> None:
    """List the lab's running guests."""
    place = _place(connect, folder)
    guests = [(guest, *guest.vcpus()) for guest in place.find_all()]
    if output is Output.JSON:
        print_json(
            [
                {"name": guest.name, "uuid": guest.uuid, "vcpus": plugged, "maximum": maximum}
                | place.describe(guest)
                for guest, plugged, maximum in guests
            ]
        )
        return
    rows = [(guest.name, plugged, maximum, guest.uuid) for guest, plugged, maximum in guests]
    print_table(("NAME", "VCPUS", "MAXIMUM", "UUID"), rows)


def _place(connect: str | None, folder: Path | None) -> Place:
    if connect is None:
        return BareQemu(folder)
    if folder is not None:
        raise typer.BadParameter("--folder is for bare QEMU, --connect for libvirt: give one of them")
    if "///embed" in connect:
        raise typer.BadParameter("guests of an embedded driver end with this command: use qemu:///session")
    return LibvirtConnection(connect)


def _onlining(
    *, self_onlining: bool, slow_onlining: str | None, never_onlining: bool
) -> tuple[Onlining, float]:
    if self_onlining + (slow_onlining is not None) + never_onlining > 1:
        raise typer.BadParameter("give one of --self-onlining, --slow-onlining and --never-onlining")
    if slow_onlining is not None:
        parsed = _DURATION.fullmatch(slow_onlining)
        if parsed is None:
            raise typer.BadParameter("give a time such as 5s or 1m", param_hint="--slow-onlining")
        return Onlining.SLOW, float(parsed[1]) * (60 if parsed[2] == "m" else 1)
    if never_onlining:
        return Onlining.NEVER, 0.0
    return (Onlining.BY_GUEST if self_onlining else Onlining.BY_AGENT), 0.0


@contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except BadSpec as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Yield what tells the user what is going on: one changing line on a terminal, else lines; on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield partial(typer.echo, err=True)
        return
    with console.status("") as status:
        yield status.update
