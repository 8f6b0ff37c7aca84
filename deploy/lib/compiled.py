"""A build hook that compiles what a step of a domain goes through, which pyproject.toml lists.

It is off unless it is asked for, and wants a C compiler and Python's headers:

    HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 pip install '.[replay]'

What comes out decides as the same source does interpreted, and a replay takes about a third of the time.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds extension modules to a wheel, beside the source that they were made from."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and leave nothing in the checkout, which would run it in place of its source."""
        if version == "editable":
            raise ValueError("An editable installation runs the source itself: install without --editable.")
        self._made = TemporaryDirectory()
        made = Path(self._made.name)
        _compile(_modules(self.config), made)
        libraries = made / "libraries"
        build_data["force_include"].update(
            {str(one): str(one.relative_to(libraries)) for one in libraries.rglob("*.so")}
        )
        build_data.update(pure_python=False, infer_tag=True)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what the wheel has by now."""
        self._made.cleanup()


def _modules(config: dict[str, Any]) -> list[str]:
    compiled, interpreted = (
        {str(path) for pattern in config[which] for path in Path("autoscaler").glob(f"{pattern}.py")}
        for which in ("compiled", "interpreted")
    )
    return sorted(compiled - interpreted)


def _compile(modules: list[str], made: Path) -> None:
    # Only a build that is asked for this has them.
    from mypyc.build import mypycify  # noqa: PLC0415
    from setuptools import Distribution  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    extensions = mypycify(
        [
            # What is checked of types is checked elsewhere; here the packages that we need are not installed,
            # so that what these modules import, and is not compiled, looks wrong where it uses them.
            "--config-file=",
            "--ignore-missing-imports",
            "--follow-imports=silent",
            "--explicit-package-bases",
            f"--cache-dir={made / 'cache'}",
            *modules,
        ],
        opt_level="2",
        debug_level="0",
        target_dir=str(made / "c"),
    )
    command = build_ext(Distribution({"ext_modules": extensions}))
    command.build_lib, command.build_temp = str(made / "libraries"), str(made / "objects")
    command.ensure_finalized()
    command.run()
