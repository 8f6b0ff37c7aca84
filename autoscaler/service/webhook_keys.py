"""The key `webhook` of the configuration."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, model_validator

from autoscaler.policyfile.effective import Shown
from autoscaler.policyfile.strict_yaml import Scalar
from autoscaler.policyfile.typed import Section
from autoscaler.policyfile.values import NotEmpty, duration, one_of, read_text, said, wrong
from autoscaler.service.settings import Occasion, WebhookSettings

_RULE = "write an address such as https://example.net/hook, without a user and a password"
_REFUSED = f"'url' is no address that can be told; {_RULE}"
"""What stands there may be a secret, and is not shown."""
_DEFAULT = WebhookSettings(url="")


def _read_url(value: object) -> str:
    if isinstance(value, Scalar) and not value.text.isprintable():
        raise said(_REFUSED)  # before anything shows it
    text = read_text(value)
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not text.isascii() or not text.isprintable() or " " in text or "@" in parts.netloc:
        raise said(_REFUSED)
    return text


def _without_secret(url: str, _home: Path) -> str:
    """The address without what may be a token: all behind the receiver."""
    parts = urlsplit(url)
    bare = f"{parts.scheme}://{parts.netloc}"
    return url if url in {bare, f"{bare}/"} else f"{bare}/[hidden]"


def _once(occasions: tuple[Occasion, ...]) -> tuple[Occasion, ...]:
    if len(set(occasions)) < len(occasions):
        raise wrong("write each occasion once")
    return occasions


class WebhookKeys(Section):
    """Whom the service tells of its decisions; each is sent as JSON, by POST."""

    url: Annotated[str, BeforeValidator(_read_url), Shown(_without_secret)]
    """Where to."""
    on: Annotated[tuple[Annotated[Occasion, one_of(Occasion)], ...], NotEmpty, AfterValidator(_once)] = tuple(
        sorted(_DEFAULT.occasions)
    )
    """Of what."""
    timeout: Annotated[float, duration("1s", "1m")] = _DEFAULT.timeout_s
    """Longest that it may take until the receiver has answered."""
    give_up: Annotated[float, duration("1m", "7d")] = _DEFAULT.give_up_s
    """How old something may become before it is told no more."""

    @model_validator(mode="before")
    @classmethod
    def _no_bare_address(cls, value: object) -> object:
        """Do not let an address that stands in the place of the keys be shown."""
        if isinstance(value, Scalar) and value.text:
            raise said("'webhook' takes keys, such as {url: ADDRESS}")
        return value

    def settings(self) -> WebhookSettings:
        """The same as settings."""
        return WebhookSettings(
            url=self.url, occasions=frozenset(self.on), timeout_s=self.timeout, give_up_s=self.give_up
        )
