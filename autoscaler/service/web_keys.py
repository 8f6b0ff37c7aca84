"""The key `web` of the configuration."""

from typing import Annotated

from pydantic import BeforeValidator

from autoscaler.backends.address import LAST_PORT, read_host_with_port
from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import matching, no_longer_than, read_text, wrong
from autoscaler.service.connection_keys import Located
from autoscaler.service.settings import Config, Listen

_MOST_HOSTS = 100
_DEFAULT = Config(connections=())


def _read_listen(value: object) -> Listen:
    host, port = read_host_with_port(read_text(value))
    if host is None or port is None:
        raise wrong(f"write HOST:PORT with a port of 1 to {LAST_PORT}, an IPv6 host in brackets")
    return Listen(host, port)


class WebKeys(Section):
    """The status page, metrics, health and the API."""

    listen: Annotated[Listen, BeforeValidator(_read_listen)] = _DEFAULT.listen
    """``HOST:PORT`` to listen on."""
    config_file: Located | None = None
    """TLS, client certificates and passwords: a file as Prometheus' exporters take by --web.config.file."""
    hosts: Annotated[
        tuple[
            Annotated[
                str,
                matching(
                    r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?", "write a host's name, without a port"
                ),
            ],
            ...,
        ],
        no_longer_than(_MOST_HOSTS),
    ] = ()
    """Names by which browsers may ask for it, beside localhost, this host's own and IP addresses."""
