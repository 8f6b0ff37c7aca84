"""The commands `pause`, `resume` and `set`: an administrator's orders to the running service."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer

from autoscaler.cli.arguments import DomainArgument, complete_domain
from autoscaler.cli.configured import DEFAULT_CONFIG, ConfigOption, SocketOption, control_socket
from autoscaler.cli.output import Output, OutputOption, print_json
from autoscaler.policyfile.problem import printable
from autoscaler.policyfile.values import duration_s
from autoscaler.service.control_client import ask_control

_LONGEST_S = 366 * 86400
"""As the service has it."""


def span_s(text: str) -> float:
    """Seconds of a time as it is written in policies: ``90s``, ``30m``, ``2h``, ``1.5d``.

    Raises:
        typer.BadParameter: it is none, or none of more than 0 s and at most 366 days.
    """
    seconds = duration_s(text)
    if seconds is None or not 0 < seconds <= _LONGEST_S:
        raise typer.BadParameter(f"{text!r} is no time of at most 366d: write one as 30m, 2h or 1.5d")
    return seconds


_DomainArgument = Annotated[
    str | None,
    typer.Argument(
        help="A domain's name or UUID, or as `autoscaler list` has it.", autocompletion=complete_domain
    ),
]
_AllOption = Annotated[bool, typer.Option("--all", help="Every domain of every host.")]


def pause(
    domain: _DomainArgument = None,
    *,
    every: _AllOption = False,
    how_long: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="TIME", help="End it by itself: 30m, 2h, 1.5d; without, `resume` does."
        ),
    ] = None,
    config_file: ConfigOption = DEFAULT_CONFIG,
    socket: SocketOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have the service begin no change of a domain any more, or with --all of any domain.

    What is under way ends as it is verified. Decisions go on, as recommendations that `list`, `show` and
    `explain` tell. A pause outlives restarts of the service and reloads of its policies. Exit code 0: it
    stands; 1: it was refused, no service answers, or it stands but could not be recorded for the next start;
    2: a wrong call.
    """
    named = _named(domain, every=every)
    _ask("pause", config_file, socket, output, **named, for_s=None if how_long is None else span_s(how_long))


def resume(
    domain: _DomainArgument = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="End the pause of every domain.")] = False,
    config_file: ConfigOption = DEFAULT_CONFIG,
    socket: SocketOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """End what `pause` or `set` ordered of a domain, or with --all what `pause --all` did.

    Orders that were given for single domains outlive --all: each is ended by its domain's name. Exit code 0:
    it is ended; 1: it was refused, no service answers, or it could not be recorded for the next start; 2: a
    wrong call.
    """
    _ask("resume", config_file, socket, output, **_named(domain, every=every))


def set_vcpus(
    domain: DomainArgument,
    vcpus: Annotated[int, typer.Argument(metavar="N", min=1, help="vCPUs that the guest is to run.")],
    *,
    hold: Annotated[str, typer.Option("--hold", metavar="TIME", help="How long: 30m, 2h, 1.5d.")] = "1h",
    config_file: ConfigOption = DEFAULT_CONFIG,
    socket: SocketOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Bring a domain to N vCPUs and hold it there for a time; then its policy decides again.

    It goes there as its policy lets it move, by the same steps and at the same pace, whatever its load. N may
    lie outside the policy's bounds, not beyond the domain's maximum; it counts in mode recommend as well.
    Exit codes as of `pause`.
    """
    _ask("set", config_file, socket, output, domain=domain, vcpus=vcpus, for_s=span_s(hold))


def _named(domain: str | None, *, every: bool) -> dict[str, object]:
    if (domain is None) is not every:
        raise typer.BadParameter("name one domain, or say --all", param_hint="DOMAIN")
    return {"all": True} if domain is None else {"domain": domain}


def _ask(verb: str, config_file: Any, socket: Any, output: Output, **request: object) -> None:  # noqa: ANN401 - as typer has them
    path = control_socket(config_file, socket, command=verb)
    answer = cast("dict[str, Any]", ask_control(path, verb, **request))
    if output is Output.JSON:
        print_json(answer)
    else:
        typer.echo(printable(answer["sentence"]))
        for note in answer["notes"]:
            typer.echo(printable(note), err=not answer["recorded"])
    raise typer.Exit(0 if answer["recorded"] else 1)
