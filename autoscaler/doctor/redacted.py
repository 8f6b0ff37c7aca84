"""Takes secrets out of what is shown or handed on.

Invariant: what is not known to be harmless in these places is taken for a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from autoscaler.backends.uri import has_secret, is_harmless

HIDDEN = "REDACTED"

# A name is looked for from its first letter only: from each, a long word would take minutes.
_USER = re.compile(
    r"(?P<scheme>(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://)(?:[^/\s'\"]*|(?!/)[^/@\s'\"]*:[^\s'\"]*)@"
)
"""A slash in front of the ``@`` may be one of a password."""
_WEB = re.compile(r"(?i)(?P<origin>https?://[^/?#\s'\"<>,;)`]*[/?#])[^\s\"<>]+")
"""Whose path or query may be all that keeps others from using it, as that of a webhook."""
_PARAMETERS = re.compile(
    r"(?P<address>(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]+://[^?\s'\"<>]*\?)(?P<query>[^\s'\"<>,)`]+)"
)
_SECRET_KEY = re.compile(r"(?i)passw|passphrase|secret|token|api[_-]?key|credential|authorization|cookie")
_QUERY = re.compile(
    r"(?i)(?P<name>[?&;][\w.-]*(?:token|key|secret|passw\w*|auth|credential|signature|sig|code)[\w.-]*=)[^&\s'\"#]+"
)
_NAMED = re.compile(
    r"(?i)(?P<name>(?<![\w.-])[\w.-]*(?:passw\w*|passphrase|secret|token|api[_-]?key|credentials?)[\w.-]*[\"']?\s*[:=]\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;}\]]+)"
)
_HEADER = re.compile(
    r"(?i)(?P<name>\b(?:authorization|proxy-authorization|cookie|x-api-key)[\"']?\s*[:=]\s*).*"
)
_BEARER = re.compile(r"(?i)\b(?P<name>bearer|basic)\s+[A-Za-z0-9+/._~=-]{6,}")
_HASH = re.compile(r"\$(?:2[abxy]?|[1567y]|gy|argon2\w*)\$[./A-Za-z0-9$=,+-]{8,}")
"""Of a password, as htpasswd and crypt write it: whoever has it may try passwords."""
_PRIVATE_KEY = re.compile(
    r"(?s)(?P<begin>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?P<end>-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_XML_ATTRIBUTE = re.compile(
    r"(?i)(?P<name>\b(?:passw\w*|secret|token|key)\s*=\s*)(?P<quote>[\"']).*?(?P=quote)"
)
_XML_ELEMENT = re.compile(
    r"(?is)(?P<open><(?P<tag>(?:\w+:)?(?:launchSecurity|secret|password|passwd|qemu:commandline|commandline|sysinfo))"
    r"\b[^>]*(?<!/)>).*?(?P<close></(?P=tag)>)"
)


def redacted(text: str) -> str:
    """The text without passwords, tokens and credentials in URLs."""
    for pattern, kept in (
        (_USER, rf"\g<scheme>{HIDDEN}@"),
        (_WEB, rf"\g<origin>{HIDDEN}"),
        (_PARAMETERS, _known_parameters),
        (_QUERY, rf"\g<name>{HIDDEN}"),
        (_HEADER, rf"\g<name>{HIDDEN}"),
        (_BEARER, rf"\g<name> {HIDDEN}"),
        (_NAMED, rf"\g<name>{HIDDEN}"),
        (_HASH, HIDDEN),
        (_PRIVATE_KEY, rf"\g<begin>{HIDDEN}\g<end>"),
    ):
        text = pattern.sub(kept, text)
    return text


def _known_parameters(uri: re.Match[str]) -> str:
    """A URI without what is in parameters that libvirt does not know."""
    return uri["address"] + re.sub(r"[^&;]+", _known_parameter, uri["query"])


def _known_parameter(parameter: re.Match[str]) -> str:
    name, equals, _ = parameter[0].partition("=")
    if is_harmless(name) and not has_secret(f"?{parameter[0]}"):
        return parameter[0]
    return f"{name}={HIDDEN}" if equals else HIDDEN


def is_secret(key: str) -> bool:
    """Whether all of what has this name is taken for a secret."""
    return _SECRET_KEY.search(key) is not None


def redacted_value(value: object) -> object:
    """The same of a JSON value: all of what has a secret's name, and the secrets in each text."""
    if isinstance(value, Mapping):
        return {
            redacted(str(key)): HIDDEN if is_secret(str(key)) else redacted_value(one)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted_value(one) for one in value]
    return redacted_xml(redacted(value)) if isinstance(value, str) else value


def redacted_xml(text: str) -> str:
    """A domain's XML, or lines of it, without passwords and what else is handed to a guest in secret."""
    text = _XML_ELEMENT.sub(rf"\g<open>{HIDDEN}\g<close>", text)
    return _XML_ATTRIBUTE.sub(rf"\g<name>\g<quote>{HIDDEN}\g<quote>", text)
