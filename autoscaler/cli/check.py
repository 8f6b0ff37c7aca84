"""The command `check`: says what is wrong with policy files and configurations before the service has to."""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from autoscaler.backends.systemd_journal import graded
from autoscaler.cli.configured import told
from autoscaler.cli.coverage import Coverage, Covered, coverage
from autoscaler.cli.output import Output, OutputOption, print_json, print_table
from autoscaler.cli.uris import checked_uri
from autoscaler.core.counted import counted
from autoscaler.core.owner import Owner
from autoscaler.core.policy import PolicySet
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile import Problem, load_policies
from autoscaler.policyfile.load import policy_files, unread_folders
from autoscaler.policyfile.problem import printable, shown
from autoscaler.policyfile.strict_yaml import read_document
from autoscaler.policyfile.text_file import read_text_file
from autoscaler.service.config import LibvirtConnection, load_config
from autoscaler.service.web_config import load_web_config
from autoscaler.service.web_config_keys import WebConfigKeys

_DEFAULT_PATH = Path("/etc/vcpu-autoscaler/policies")


def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help=f"Policy files, folders of them, configurations, web files; without any, {_DEFAULT_PATH}.",
            show_default=False,
        ),
    ] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    connect: Annotated[
        str | None,
        typer.Option(
            "-c",
            "--connect",
            metavar="URI",
            callback=checked_uri,
            help="Say which policy governs each domain of this libvirt connection, too.",
        ),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config.file",
            metavar="FILE",
            readable=False,  # reading it says more than typer does
            help="Check this configuration, and the policies that it names, too.",
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check policy files, configurations and files of the web server, and print every problem in them.

    Exit code 0: nothing found; 1: problems, or no connection; 2: a path does not exist.
    """
    configured, web_file = _configured(config_file) if config_file else ([], None)
    wanted = [*(paths or ()), *configured] or [_DEFAULT_PATH]
    absent = [path for path in wanted if not _exists(path)]
    for path in absent:
        sentence = f"autoscaler check: there is no {printable(str(path))}; name a file or a folder"
        typer.echo(graded(sentence, logging.ERROR, sys.stderr), err=True)
    present = [path for path in wanted if path not in absent]
    if not present:
        raise typer.Exit(2)
    findings = _findings(present, web_file)
    covered, trouble = _coverage(findings, connect)
    findings = findings.with_facts(covered.domains if covered else ()).judged(strict=strict)
    if output is Output.TEXT:
        _print(findings)
    if output is Output.JSON:
        found: dict[str, object] = {"errors": _plain(findings.errors), "warnings": _plain(findings.warnings)}
        if connect:
            found["domains"] = None if covered is None else [asdict(domain) for domain in covered.domains]
            found["left_alone"] = None if covered is None else covered.left_alone
        print_json(found)
    elif connect and trouble is None:
        _print_covered(covered)
    if trouble is not None:
        raise trouble
    raise typer.Exit(2 if absent else 1 if findings.errors else 0)


def _configured(config_file: Path) -> tuple[list[Path], Path | None]:
    """A configuration and what it names: all that a service would read at its start; its web file again."""
    config = load_config(config_file).config if _exists(config_file) else None
    if config is None:
        return [config_file], None
    web_file = config.web_config_file
    return [config_file, *config.policies, *([web_file] if web_file else ())], web_file


def _coverage(findings: "_Findings", uri: str | None) -> tuple[Coverage | None, AutoscalerError | None]:
    """Who governs whom, or why that cannot be told; what the files say is told all the same."""
    if uri is None or findings.policies is None:
        return None, None
    try:
        return coverage(findings.policies, uri, adopt=findings.adopted.get(uri, frozenset())), None
    except AutoscalerError as error:
        return None, error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    """What came of some files."""

    files: int
    errors: list[Problem]
    warnings: list[Problem]
    policies: PolicySet | None
    """None: there are errors in policy files."""
    adopted: Mapping[str, frozenset[Owner]]
    """By URI: whose domains the configurations adopt."""

    def with_facts(self, covered: Sequence[Covered]) -> "_Findings":
        """Warn of later policies that fit a domain which is there, as far as the patterns did not show it."""
        sources = {policy.name: policy.source for policy in self.policies.policies} if self.policies else {}
        said = {f"{problem.file}:{problem.line}" for problem in self.warnings}
        warnings = [*self.warnings]
        for domain in covered:
            for name in domain.also:
                if sources[name] not in said:
                    said.add(sources[name])
                    file, _, line = sources[name].rpartition(":")
                    message = (
                        f"the policy {shown(name)} fits the domain {shown(domain.name)}, which goes to "
                        f"{shown(str(domain.policy))} at {sources[str(domain.policy)]}"
                    )
                    warnings.append(Problem(file, int(line), 1, message))
        return replace(self, warnings=warnings)

    def judged(self, *, strict: bool) -> "_Findings":
        """Where it is to be strict, warnings are errors."""
        return replace(self, errors=self.errors + self.warnings, warnings=[]) if strict else self


def _findings(paths: Sequence[Path], web_file: Path | None) -> _Findings:
    # The web server's is one file: a folder in its place is none, whatever is in it.
    files, errors = policy_files([path for path in paths if path != web_file])
    if web_file is not None and web_file in paths and web_file not in files:
        files = [*files, web_file]
    configurations = [file for file in files if _has_key(file, "connections")]
    web_files = [
        file
        for file in files
        # In the one that is configured, there may be nothing.
        if file == web_file or any(_has_key(file, key) for key in WebConfigKeys.model_fields)
    ]
    loaded = load_policies([file for file in files if file not in (*configurations, *web_files)])
    errors += loaded.errors
    errors += (problem for file in web_files for problem in load_web_config(file).problems)
    warnings = [*unread_folders(paths), *loaded.warnings]
    adopted: dict[str, frozenset[Owner]] = {}
    for file in configurations:
        configuration = load_config(file)
        errors += configuration.errors
        warnings += configuration.warnings
        connections = () if configuration.config is None else configuration.config.connections
        adopted |= {it.uri: it.adopt for it in connections if isinstance(it, LibvirtConnection)}
    return _Findings(
        files=len(files), errors=errors, warnings=warnings, policies=loaded.policy_set, adopted=adopted
    )


def _has_key(path: Path, key: str) -> bool:
    """Whether a file has a key by which it is no file of policies."""
    file = read_text_file(path)
    # Composing every policy file twice would double the time of a check.
    if key not in (file.text or ""):
        return False
    data = read_document(file).data
    return isinstance(data, dict) and key in data


def _print(findings: _Findings) -> None:
    for level, problems in ((logging.ERROR, findings.errors), (logging.WARNING, findings.warnings)):
        for problem in problems:
            typer.echo(told(problem, level, sys.stdout))
    errors, warnings = len(findings.errors), len(findings.warnings)
    parts = (counted(findings.files, "file"), counted(errors, "error"), counted(warnings, "warning"))
    typer.echo(", ".join(parts))


def _print_covered(covered: Coverage | None) -> None:
    if covered is None:
        typer.echo("Which policy governs which domain is told once the errors are gone.")
        return
    domains = covered.domains
    if domains:
        rows = [(it.name, it.uuid, "opted out" if it.opted_out else it.policy) for it in domains]
        print_table(("Domain", "UUID", "Policy"), rows)
    for sentence in covered.left_alone.values():
        typer.echo(printable(sentence))
    alone = sum(domain.policy is None for domain in domains)
    typer.echo(f"{counted(len(domains), 'domain')}, {alone} without a policy")


def _plain(problems: Sequence[Problem]) -> list[dict[str, object]]:
    return [asdict(problem) for problem in problems]


def _exists(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It may exist; reading it will say why it cannot be read.
        return True
    return True
