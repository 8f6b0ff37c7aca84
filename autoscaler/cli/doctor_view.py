"""How findings are printed: wrapped to the terminal, but for what is to be copied."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from autoscaler.core.counted import counted
from autoscaler.doctor.finding import Severity
from autoscaler.policyfile.problem import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autoscaler.doctor.finding import Finding
    from autoscaler.doctor.report import HostReport

_STYLES = {
    Severity.OK: "green",
    Severity.NOTE: "cyan",
    Severity.WARNING: "yellow",
    Severity.ERROR: "bold red",
}
_INDENT = 11
_BLANK = " " * _INDENT
_WIDEST = 100


def print_reports(reports: Sequence[HostReport]) -> None:
    """Print all findings, and a last line that counts them."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, _WIDEST)
    for report in reports:
        _heading(console, f"Host {report.label}")
        _print(console, report.findings)
        for domain in report.domains:
            _heading(console, f"Domain {domain.name}{domain.uuid and f' ({domain.uuid})'}")
            _print(console, domain.findings)
    by_severity = Counter(finding.severity for report in reports for finding in report.everything)
    domains = sum(len(report.domains) for report in reports)
    console.print(f"{counted(domains, 'domain')}: {_summary(by_severity)}")


def _heading(console: Console, text: str) -> None:
    console.print(Text(printable(text), style="bold"))


def _print(console: Console, findings: Iterable[Finding]) -> None:
    for finding in findings:
        _block(console, finding)
    console.print()


def _block(console: Console, finding: Finding) -> None:
    severity, fix = finding.severity, finding.fix
    mark = Text(f"  {severity:<{_INDENT - 2}}", style=_STYLES[severity])
    _paragraph(console, f"{finding.check}: {finding.seen}", mark)
    if finding.means:
        _paragraph(console, f"So: {finding.means}")
    if fix.advice:
        _paragraph(console, f"Do: {fix.advice}")
    for line in (*fix.xml.splitlines(), *fix.commands):
        # Not wrapped: it is there to be copied.
        console.print(Text(f"{_BLANK}  {printable(line)}"), soft_wrap=True)


def _paragraph(console: Console, text: str, mark: Text | None = None) -> None:
    """Print it wrapped beside its mark."""
    lead = mark or Text(_BLANK)
    for line in Text(printable(text)).wrap(console, console.width - _INDENT):
        line.rstrip()
        console.print(lead + line)
        lead = Text(_BLANK)


def _summary(by_severity: Counter[Severity]) -> str:
    parts = [
        counted(by_severity[severity], severity.value)
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    ]
    return ", ".join(parts)
