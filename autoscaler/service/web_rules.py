"""The web server's file as it stands: read at the start, and again when it or a certificate changes.

Invariant: what is broken leaves the last good rules in force, and is a trouble until it is mended. So does a
file that became blank: one that could not be written to its end must not let everybody in.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from typing import TYPE_CHECKING

from autoscaler.backends.file_stamp import stamp_at
from autoscaler.errors import AutoscalerError
from autoscaler.policyfile.problem import shown
from autoscaler.service.web_config import WebConfig, load_web_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from autoscaler.backends.file_stamp import Stamp

_log = logging.getLogger("autoscaler")

LOOK_EVERY_S = 1.0


class WebRules:
    """Used on the web server's thread once it runs; `config` and `troubles` may be read on any."""

    def __init__(self, path: Path | None, *, exposed: bool = False) -> None:
        """Read the file for the first time; None: there is none, and everybody may ask.

        Args:
            path: the file.
            exposed: whether other hosts can connect, so that it matters who may ask.

        Raises:
            AutoscalerError: it has errors, which are in the log.
        """
        self._path = path
        self._exposed = exposed
        self._files: tuple[Path, ...] = () if path is None else (path,)
        self._seen: list[Stamp | None] | None = None
        self.config = WebConfig()
        self.troubles: Mapping[str, str] = {}
        if path is not None:
            self.look()
            if self.troubles:
                raise AutoscalerError(f"the web server's file has errors: mend what {self._check()} tells")

    async def follow(self) -> None:
        """Look from time to time; never returns."""
        told = ""
        while self._path is not None:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await asyncio.to_thread(self.look)
                told = ""
            except Exception as error:  # noqa: BLE001 - nothing here may end the looking for good
                if repr(error) != told:
                    _log.exception("the web server's file could not be looked at, please report it")
                told = repr(error)
                # No files have these stamps, so that the next look reads all of them again.
                self._seen = []
                self._keep("the log tells why")

    def look(self) -> None:
        """Read the file anew if it, or what it names, is not as it was."""
        assert self._path is not None
        if _stamps(self._files) == self._seen:
            return
        first, loaded = self._seen is None, None
        while loaded is None or loaded.files != self._files:
            self._files = self._files if loaded is None else loaded.files
            # Before they are read: what changes meanwhile is seen the next time.
            self._seen = _stamps(self._files)
            loaded = load_web_config(self._path)
        for problem in loaded.problems:
            _log.error("%s", problem)
        if loaded.config is None:
            self._keep(f"{self._check()} tells what to mend")
            return
        if loaded.is_blank and self.config != WebConfig():
            _log.error("%s is blank", self._path)
            self._keep(f"{shown(str(self._path))} is blank; write {{}} into it where nothing is to be asked")
            return
        self.config, self.troubles = loaded.config, {}
        self._warn()
        if not first:
            _log.info("the web server's file and its certificates are reloaded")

    def _keep(self, what_to_do: str) -> None:
        kept = "the web server's file was not reloaded and what it said before holds"
        self.troubles = {"web": f"{kept}: {what_to_do}"}

    def _check(self) -> str:
        return f"`autoscaler check {shlex.quote(str(self._path))}`"

    def _warn(self) -> None:
        config = self.config
        if self._exposed and not config.users and not config.asks_certificate:
            _log.warning(
                "%s lets everybody in from other hosts: state basic_auth_users, or client_auth_type",
                self._path,
            )
        if self._exposed and config.users and config.tls is None:
            _log.warning(
                "%s has passwords go over the network as they are: state tls_server_config", self._path
            )


def _stamps(files: tuple[Path, ...]) -> list[Stamp | None]:
    return [stamp_at(file) for file in files]
