"""The commands that look: `status`, `list`, `show` and `events`; each asks the running service."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, cast

import typer

from autoscaler.cli.arguments import DomainArgument, MaybeDomainArgument  # noqa: TC001 - typer reads it
from autoscaler.cli.changes import outcome_of, verdict_of
from autoscaler.cli.client import DEFAULT_SERVER, ServerOption, ServiceUnreachable, ask
from autoscaler.cli.event_lines import EventLines
from autoscaler.cli.following import MOST_AT_ONCE, Following
from autoscaler.cli.output import (
    Output,
    OutputOption,
    conditions_of,
    folded,
    hanging,
    print_json,
    print_table,
    say_where,
    state_of,
)
from autoscaler.core.condition import urgency
from autoscaler.policyfile.problem import printable

_POLL_S = 1.0
_BENEATH = 2
"""Indent of what does not fit on a line of `status`."""
_INDENT = 14
"""Of what `show` says, behind what it is about."""
Json = dict[str, Any]


def status(*, server: ServerOption = DEFAULT_SERVER, output: OutputOption = Output.TEXT) -> None:
    """Say whether the service is well: its hosts, its policies and what troubles it.

    Exit code 1 where something is wrong with them. What is wrong with single domains is told by `list` and
    `show`, and only pointed at here.
    """
    found = cast("Json", ask(server, "status"))
    wrong = [host["trouble"] for host in found["hosts"] if host["trouble"]]
    wrong += [f"{name}: {sentence}" for host in found["hosts"] for name, sentence in host["unseen"].items()]
    wrong += found["troubles"].values()
    if output is Output.JSON:
        print_json(found)
    else:
        typer.echo(
            f"domains governed: {found['domains']}, policies: {found['policies']}, ticks: {found['ticks']}"
        )
        rows = [(host["label"], _host_state(host)) for host in found["hosts"]]
        print_table(("Host", "State"), rows)
        for title, key in _NAMED:
            if found[key]:
                typer.echo(hanging(f"{title}: {', '.join(found[key])}", indent=_BENEATH))
        _print_at_rest(found)
        for sentence in wrong:
            typer.echo(hanging(f"! {sentence}", indent=_BENEATH))
    raise typer.Exit(1 if wrong else 0)


_NAMED = (
    ("Without a policy", "ungoverned"),
    ("Switched off", "switched_off"),
    ("With a problem, see `autoscaler show DOMAIN`", "in_trouble"),
    ("With a promise at risk", "at_risk"),
)
"""What `status` says of single domains: their names, and under which key they are."""


def _print_at_rest(found: Json) -> None:
    """What is as somebody wants it, though a policy might want it otherwise."""
    for order in found["orders"]:
        typer.echo(hanging(f"Ordered: {order['sentence']}", indent=_BENEATH))
    for sentence in found["left_alone"].values():
        typer.echo(hanging(f"Left alone: {sentence}", indent=_BENEATH))


def _host_state(host: Json) -> str:
    if host["trouble"]:
        return "lost"
    return "connected" if host["connected"] else "connecting"


def list_domains(*, server: ServerOption = DEFAULT_SERVER, output: OutputOption = Output.TEXT) -> None:
    """List the governed domains with their vCPUs, load and last decision.

    Online: vCPUs that the guest runs; Plugged: that QEMU has; Target: that it is to run; Max: the most that
    its policy allows. A narrow terminal leaves out Plugged, Mode and Policy, then Max, Target and Why.
    """
    found = cast("list[Json]", ask(server, "domains"))
    if output is Output.JSON:
        print_json(found)
        return
    rows = [
        (
            domain["name"],
            domain["policy"],
            domain["mode"],
            _count(domain["vcpus"]["online"]),
            domain["vcpus"]["plugged"],
            _count(domain["vcpus"].get("target")),
            domain["vcpus"]["max"],
            "-" if domain["load"] is None else f"{domain['load']['utilization_ratio']:.0%}",
            "-" if domain["decision"] is None else domain["decision"]["reason"],
            state_of(domain),
        )
        for domain in found
    ]
    headings = ("Domain", "Policy", "Mode", "Online", "Plugged", "Target", "Max", "Used", "Why", "State")
    print_table(headings, rows, spare=("Plugged", "Mode", "Policy", "Max", "Target", "Why"))
    wrong = sum(urgency(domain["conditions"]).troubled for domain in found)
    if wrong:
        say_where(f"{wrong} in trouble: `autoscaler top`")
    _print_at_rest(cast("Json", ask(server, "status")))


def show(
    domain: DomainArgument,
    *,
    server: ServerOption = DEFAULT_SERVER,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show everything that is known of one domain, and why it has the size it has."""
    found = cast("Json", ask(server, "domains", domain))
    if output is Output.JSON:
        print_json(found)
        return
    vcpus, load, decision = found["vcpus"], found["load"], found["decision"]
    online = _count(vcpus["online"])
    lines = [
        ("Domain", f"{found['name']} ({found['uuid']})"),
        ("Host", f"{found['host']}, {found['state']}"),
        ("Policy", f"{found['policy']} ({found['mode']}), {found['policy_source']}"),
        (
            "vCPUs",
            f"{online} online, {vcpus['plugged']} plugged, maximum {vcpus['maximum']}",
        ),
        ("Bounds", f"{vcpus['min']} to {vcpus['max']}"),
        ("Source", found["cpu_source"] or "no sample yet"),
    ]
    if load is not None:
        used = f"busy {load['busy_vcpus']:.2f} of {vcpus['online']} vCPUs ({load['utilization_ratio']:.0%})"
        lines.append(("Load", f"{used}, demand {load['demand_vcpus']:.2f}, steal {load['steal_ratio']:.0%}"))
    if decision is not None:
        wants = f" (strategy wants {decision['proposed']}, target {decision['target']})"
        known = decision["target"] is not None
        lines.append(("Decision", f"{verdict_of(decision)}: {decision['sentence']}{wants if known else ''}"))
    for title, key in _CHANGES:
        if found[key] is not None:
            lines.append((title, _change(found[key])))
    lines += [(title.capitalize(), text) for title, text in conditions_of(found["conditions"])]
    for title, text in lines:
        typer.echo(f"{title + ':':<{_INDENT}}{folded(text, indent=_INDENT)}")
    print_table(("Slot", "Plugged", "Online", "Last report of the guest's firmware"), _slots(found["slots"]))


_CHANGES = (
    ("Change", "operation"),
    ("Last change", "last_operation"),
    ("Removal", "removal"),
    ("Last removal", "last_removal"),
)
_NOT_KNOWN = "?"
_WORDS = {None: _NOT_KNOWN, True: "yes", False: "no"}


def _count(vcpus: int | None) -> object:
    return _NOT_KNOWN if vcpus is None else vcpus


def _slots(slots: list[Json]) -> list[tuple[object, ...]]:
    """A row for each slot for a vCPU."""
    return [
        (slot["slot"], _WORDS[slot["plugged"]], _WORDS[slot["online"]], _report(slot["report"]))
        for slot in slots
    ]


def _report(report: Json | None) -> str:
    if report is None:
        return "-"
    return f"{report['meaning']} ({report['source']:#x}, {report['status']:#x}; {report['ago_s']:.0f} s ago)"


def events(
    domain: MaybeDomainArgument = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as new ones come.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=1000, help="How many to begin with.")
    ] = 20,
    server: ServerOption = DEFAULT_SERVER,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the newest decisions: when, which domain, what, its vCPUs, why, and what came of it.

    vCPUs are those that the guest runs; of unplug those that QEMU has. A decision that repeats is one line
    with the time it went on for. With --follow a change is printed when it begins, and when it ended with
    the time of that. With --output json as well, each line is one JSON object, like one item of the list
    that `autoscaler schema events` describes. Where the service goes away meanwhile it is waited for, and
    what it decided since is printed. Conditions, such as breaking-sla, are no decisions: `top`, `list` and
    `show` have those that are in force, the service's log when each began and ended.
    """
    about = {} if domain is None else {"domain": domain}

    def asked(after: int, at_most: int = MOST_AT_ONCE) -> list[Json]:
        return cast("list[Json]", ask(server, "decisions", after=after, limit=at_most, **about))

    found = asked(0, limit)
    if output is Output.JSON and not follow:
        print_json(found)
        return
    following, is_told = Following(asked), False
    fresh = following.taken(found)
    lines = EventLines(found, goes_on=follow)
    if output is Output.TEXT:
        typer.echo(lines.heading())
    while True:
        for told in fresh:
            typer.echo(
                json.dumps(told.event) if output is Output.JSON else lines.line(told.event, told.at_wall_s)
            )
        if not follow:
            return
        time.sleep(_POLL_S)
        try:
            fresh, is_told = following.next(), False
        except ServiceUnreachable as error:
            if not is_told:
                typer.echo(f"autoscaler events: {printable(str(error))}; it is tried again", err=True)
            fresh, is_told = [], True


def _change(operation: Json) -> str:
    return f"{operation['from_vcpus']} -> {operation['to_vcpus']}: {outcome_of(operation)}"
