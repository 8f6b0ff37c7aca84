"""What every dashboard has around its panels: variables, links to the others, and all their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table, timeseries

    AnyPanel = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel | bargauge.Panel

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "vcpu-autoscaler"
MARKED = "1m"
"""How far marks are apart at least; the variables for that are not filled in where marks are asked for."""
KEPT = "${datasource:queryparam}&${job:queryparam}&${instance:queryparam}&${__url_time_range}"
"""What a link to another dashboard takes along."""
UIDS = {
    "fleet": "vcpu-autoscaler-fleet",
    "domain": "vcpu-autoscaler-domain",
    "host": "vcpu-autoscaler-host",
    "autoscaler": "vcpu-autoscaler-health",
}


def board(name: str, title: str, text: str, *, one_domain: bool = False, since: str = "now-3h") -> Dashboard:
    """A dashboard without panels. `one_domain`: whether it is about a single domain at a time."""
    return (
        Dashboard(title)
        .uid(UIDS[name])
        .description(text)
        .tags([TAG])
        .timezone("browser")
        .time(since, "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .variables([*_variables(one_domain=one_domain)])
        .links([_others()])
    )


def filled(dashboard: Dashboard, rows: Mapping[str, Sequence[AnyPanel]]) -> Dashboard:
    """The dashboard with these panels, under the titles of their rows."""
    number = 0
    for title, panels in rows.items():
        number += 1
        dashboard = dashboard.with_row(Row(title).id(number))
        for panel in panels:
            number += 1
            dashboard = dashboard.with_panel(panel.id(number))
    return dashboard


def link(title: str, name: str) -> DashboardLink:
    """A link to another dashboard, at the same hosts and time."""
    return link_to(title, name, KEPT)


def link_to(title: str, name: str, query: str) -> DashboardLink:
    """A link to another dashboard, with this query."""
    return DashboardLink(title).type(DashboardLinkType.LINK).url(f"/d/{UIDS[name]}?{query}")


def annotation(name: str, expr: str, title: str, text: str, color: str) -> AnnotationQuery:
    """Marks at the times at which an expression has a value, which is asked for once in each `MARKED`."""
    return (
        AnnotationQuery()
        .name(name)
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color(color)
        .target(Dataquery().ref_id("A").expr(expr).interval(MARKED))
        .title_format(title)
        .text_format(text)
    )


def _others() -> DashboardLink:
    return (
        DashboardLink("vCPU autoscaler")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )


def _variables(*, one_domain: bool) -> Sequence[DatasourceVariable | QueryVariable]:
    domain = _variable(
        "domain",
        "Domain",
        'label_values(vcpu_autoscaler_domain_info{job=~"$job", instance=~"$instance"}, domain)',
    )
    return [
        DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _of_all(_variable("job", "Job", "label_values(vcpu_autoscaler_build_info, job)")),
        _of_all(
            _variable("instance", "Host", 'label_values(vcpu_autoscaler_build_info{job=~"$job"}, instance)')
        ),
        domain if one_domain else _of_all(domain).all_value(".*"),
    ]


def _variable(name: str, label: str, query: str) -> QueryVariable:
    return (
        QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def _of_all(variable: QueryVariable) -> QueryVariable:
    """All of them at first. Of jobs these are those of the service: every target has a series `up`."""
    everything = VariableOption(selected=True, text="All", value="$__all")
    return variable.multi(True).include_all(True).current(everything)
