"""The command `schema`: what an editor needs to complete and check a policy file as it is written."""

from __future__ import annotations

from autoscaler.cli.output import print_json
from autoscaler.policyfile.json_schema import policy_schema


def schema() -> None:
    """Print the JSON Schema of a policy file.

    An editor that speaks to yaml-language-server takes it from the first line of the file:
    `# yaml-language-server: $schema=schema.json`.
    """
    print_json(policy_schema())
