"""What a libvirt URI may hold beside a secret, for it is the host's name in every log, metric and page.

Invariant: libvirt is given no URI that has a password in it, and no refusal repeats it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

HARMLESS = frozenset(
    {
        *("name", "command", "socket", "auth", "netcat", "keyfile", "pkipath", "known_hosts"),
        *("known_hosts_verify", "sshauth", "mode", "proxy", "no_verify", "no_sanity", "no_tty"),
        *("tls_priority", "root", "transport", "vcenter", "auto_answer", "compression"),
    }
)
"""The parameters that libvirt's drivers take, in lower case, by libvirt.org/uri.html and drvesx.html."""
WHY_REFUSED = (
    "has a password or a token in it, which libvirt takes from no URI; leave it out: "
    "ssh has keys for that, TLS has certificates, and SASL libvirt's auth.conf"
)
"""What to say of a URI that has one, behind what it was given by."""
_PASSWORD = re.compile(r"://(?!/)[^@]*:.*@", re.DOTALL)
"""Behind the user's name, with whatever is in it; the path of a URI without a host may have these as well."""
_SECRET_NAME = re.compile(r"pass|pw|secret|token|key|auth|cred|sig|cookie|bearer|code")


def is_harmless(parameter: str) -> bool:
    """Whether the value of a URI's parameter, by its name as it is written, is known to be no secret."""
    return _name(parameter) in HARMLESS


def has_secret(uri: str) -> bool:
    """Whether there is a password behind the user's name, or a parameter by the name of one."""
    address, _, query = uri.partition("?")
    parameters = re.split("[&;]", query)
    # A parameter may hold a URI of its own.
    return any(_PASSWORD.search(unquote(part)) for part in (address, *parameters)) or any(
        _SECRET_NAME.search(_name(name)) and not is_harmless(name)
        for name in (parameter.partition("=")[0] for parameter in parameters)
    )


def _name(parameter: str) -> str:
    return unquote(parameter).strip().lower()
