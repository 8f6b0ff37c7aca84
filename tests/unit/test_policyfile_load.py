"""From policy files to the policy set, and what each mistake is answered with."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from autoscaler.core.policy import (
    AdaptiveStrategy,
    DownLimits,
    Fallback,
    HostShare,
    Indicator,
    ManualChange,
    Match,
    MissingRule,
    Mode,
    Policy,
    Prices,
    Schedule,
    Sla,
    TargetStrategy,
    UpLimits,
)
from autoscaler.policyfile import load_policies
from tests.fakes.policy_files import GOOD, load, one

EVERY_KEY = """\
version: 1
policies:
  - name: web
    match: {name: ["web-*"], not_name: ["web-canary"], uuid: [], metadata: {tier: gold}}
    mode: auto                     # auto | recommend | up-only | off
    vcpus: {min: 2, max: 8}
    sla:
      indicator: {utilization_below: 80%}   # or {pressure_below: 10%}, {run_queue_below: 1.0}
      slice: 1m
      objective: 99%
      window: 30d
    strategy: {adaptive: {prices: {vcpu_minute: 1, add: 1, remove: 4}}}
    # strategy: {target: {utilization: 65%, tolerance: 10%, hold: 5m}}
    limits:
      up: {step: 100%, cooldown: 0s}
      down: {step: 1, cooldown: 1m, per_day: 200, reclaim: offline}   # offline | unplug | offline-then-unplug
    schedules:
      - {name: office hours, days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:00", timezone: Europe/Berlin, vcpus: {min: 4}}
    host: {priority: 100, weight: 2}
    missing: {stale_after: 30s, then: hold}         # or {raise_to: 4}
    manual_change: {respect_for: 1h}
"""  # noqa: E501 - as the language was laid down


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_whole_language_arrives_in_the_policy_tree() -> None:
    loaded = load(EVERY_KEY)
    assert (loaded.errors, loaded.warnings) == ((), ())
    assert loaded.policy_set is not None
    assert loaded.policy_set.policies == (
        Policy(
            name="web",
            match=Match(name=("web-*",), not_name=("web-canary",), metadata=(("tier", "gold"),)),
            mode=Mode.AUTO,
            min_vcpus=2,
            max_vcpus=8,
            sla=Sla(indicator=Indicator.UTILIZATION, below=0.8, slice_s=60, objective_ratio=0.99),
            strategy=AdaptiveStrategy(prices=Prices(vcpu_minute=1, add=1, remove=4)),
            down=DownLimits(step_vcpus=1, step_ratio=0.0, cooldown_s=60, per_day=200),
            schedules=(
                Schedule(
                    name="office hours",
                    days=frozenset(range(5)),
                    from_minute=480,
                    to_minute=1080,
                    timezone=ZoneInfo("Europe/Berlin"),
                    min_vcpus=4,
                ),
            ),
            host=HostShare(priority=100, weight=2),
            source="0.yaml:3",
        ),
    )


def test_every_key_arrives_in_the_unit_of_the_policy_tree() -> None:
    text = """\
version: 1
policies:
  - name: web
    match:
      name: ["web-*"]
      not_name: [web-canary]
      uuid: [4DEA22B31D52D8F32516782E98AB3FA0]
      metadata: {tier: "g*", app.kind: shop}
    mode: up-only
    vcpus: {min: 2, max: 8}
    sla: {indicator: {pressure_below: 12.5%}, slice: 30s, objective: 99.9%, window: 7d}
    strategy: {target: {utilization: 62.5%, tolerance: 5%, hold: 1.5h}}
    limits:
      up: {step: 50%, cooldown: 500ms}
      down: {step: 2, cooldown: 3m, per_day: 7, reclaim: offline}
    schedules:
      - name: night
        from: 22:00
        to: 06:30
        timezone: UTC
        vcpus: {min: 3, max: 6}
        mode: recommend
      - {name: sunday, days: [sun], from: "07:00", to: 24:00, timezone: UTC, mode: recommend}
    host: {priority: 0, weight: 0.5}
    missing: {stale_after: 45s, then: {raise_to: 4}}
    manual_change: {respect_for: 2d}
"""
    loaded = load(text)
    assert loaded.errors == ()
    assert loaded.policy_set is not None
    assert loaded.policy_set.policies == (
        Policy(
            name="web",
            match=Match(
                name=("web-*",),
                not_name=("web-canary",),
                uuid=("4dea22b3-1d52-d8f3-2516-782e98ab3fa0",),
                metadata=(("app.kind", "shop"), ("tier", "g*")),
            ),
            mode=Mode.UP_ONLY,
            min_vcpus=2,
            max_vcpus=8,
            sla=Sla(
                indicator=Indicator.PRESSURE,
                below=0.125,
                slice_s=30.0,
                objective_ratio=0.999,
                window_s=604_800.0,
            ),
            strategy=TargetStrategy(utilization_ratio=0.625, tolerance_ratio=0.05, hold_s=5400.0),
            up=UpLimits(step_ratio=0.5, cooldown_s=0.5),
            down=DownLimits(step_vcpus=2, step_ratio=0.0, cooldown_s=180.0, per_day=7),
            schedules=(
                Schedule(
                    name="night",
                    days=frozenset(range(7)),
                    from_minute=1320,
                    to_minute=390,
                    timezone=ZoneInfo("UTC"),
                    min_vcpus=3,
                    max_vcpus=6,
                    mode=Mode.RECOMMEND,
                ),
                Schedule(
                    name="sunday",
                    days=frozenset({6}),
                    from_minute=420,
                    to_minute=1440,
                    timezone=ZoneInfo("UTC"),
                    mode=Mode.RECOMMEND,
                ),
            ),
            host=HostShare(priority=0, weight=0.5),
            missing=MissingRule(stale_after_s=45.0, then=Fallback.RAISE_TO, raise_to_vcpus=4),
            manual_change=ManualChange(respect_for_s=172_800.0),
            source="0.yaml:3",
        ),
    )


def test_a_run_queue_is_measured_in_tasks_for_each_vcpu() -> None:
    loaded = load(one("sla: {indicator: {run_queue_below: 1.5}}"))
    assert loaded.policy_set is not None
    sla = loaded.policy_set.policies[0].sla
    assert (sla.indicator, sla.below) == (Indicator.RUN_QUEUE, 1.5)


def test_what_is_not_written_is_at_the_default_of_the_policy_tree() -> None:
    loaded = load(GOOD)
    assert loaded.policy_set is not None
    assert loaded.policy_set.policies == (Policy(name="a", match=Match(name=("a",)), source="0.yaml:3"),)


@pytest.mark.parametrize("word", ["auto", "recommend", "up-only", "off"])
def test_a_mode_is_the_word_that_is_written(word: str) -> None:
    loaded = load(one(f"mode: {word}"))
    assert loaded.policy_set is not None
    assert loaded.policy_set.policies[0].mode == word


_SHARE = "write a share from 10% to 95%"
_PAUSE = "write a duration from 0s to 24h"
_COUNT = "write a whole number from 1 to 4096"
_STEP_SHARE = "a share from 1% to 100%"


@pytest.mark.parametrize(
    ("policy", "column", "message"),
    [
        pytest.param(
            "vcpu: {min: 1}", 5, "the key 'vcpu' is not known here; did you mean 'vcpus'?", id="unknown"
        ),
        pytest.param(
            "priority: 7", 5, "the key 'priority' is not known here; it belongs under 'host'", id="elsewhere"
        ),
        pytest.param(
            "zebra: {}",
            5,
            "the key 'zebra' is not known here; known here: name, match, mode, vcpus,"
            " sla, strategy, limits, schedules, host, missing, manual_change",
            id="unlike any",
        ),
        pytest.param(
            "missing: {stale-after: 1m}",
            15,
            "the key 'stale-after' is not known here; did you mean 'stale_after'?",
            id="hyphen",
        ),
        pytest.param(
            "vcpus: {min:2}",
            13,
            "the key 'min:2' is not known here; write a space after the colon",
            id="no space",
        ),
        pytest.param("vcpus: {min: 0}", 18, f"'min' cannot be '0'; {_COUNT}", id="zero"),
        pytest.param("vcpus: {min: -1}", 18, f"'min' cannot be '-1'; {_COUNT}", id="negative"),
        pytest.param("vcpus: {min: 017}", 18, f"'min' cannot be '017'; {_COUNT} in plain digits", id="octal"),
        pytest.param(
            "vcpus: {min: 0x4}", 18, f"'min' cannot be '0x4'; {_COUNT} in plain digits", id="hexadecimal"
        ),
        pytest.param(
            "vcpus: {min: 1_000}", 18, f"'min' cannot be '1_000'; {_COUNT} in plain digits", id="underscore"
        ),
        pytest.param(
            "vcpus: {min: 2.0}", 18, f"'min' cannot be '2.0'; {_COUNT} in plain digits", id="fraction"
        ),
        pytest.param(
            "vcpus: {min: 22:30}", 18, f"'min' cannot be '22:30'; {_COUNT} in plain digits", id="sexagesimal"
        ),
        pytest.param("vcpus: {max: .inf}", 18, f"'max' cannot be '.inf'; {_COUNT}", id="infinity"),
        pytest.param("vcpus: {max: ~}", 18, f"'max' cannot be '~'; {_COUNT}", id="null"),
        pytest.param("vcpus: {max: yes}", 18, f"'max' cannot be 'yes'; {_COUNT}", id="yes"),
        pytest.param(
            'vcpus: {min: "2"}', 18, f"'min' cannot be '2'; {_COUNT} without quotes", id="quoted number"
        ),
        pytest.param("vcpus: {min: 4097}", 18, f"'min' cannot be '4097'; {_COUNT}", id="too many"),
        pytest.param(
            "vcpus: {min: " + "9" * 99 + "}",
            18,
            f"'min' cannot be '{'9' * 57}...'; {_COUNT} in plain digits",
            id="endless",
        ),
        pytest.param(
            "vcpus: {min: 5, max: 4}",
            26,
            "'max' cannot be 4; it must not be below 'min', which is 5",
            id="min over max",
        ),
        pytest.param("vcpus: 4", 12, "'vcpus' cannot be '4'; it takes keys: min, max", id="not keys"),
        pytest.param("vcpus: ", 12, "'vcpus' has no value; it takes keys: min, max", id="no value"),
        pytest.param("vcpus: []", 12, "'vcpus' cannot be empty; it takes keys: min, max", id="empty list"),
        pytest.param(
            "mode: on", 11, "'mode' cannot be 'on'; write one of auto, recommend, up-only, off", id="on"
        ),
        pytest.param(
            "mode: true", 11, "'mode' cannot be 'true'; write one of auto, recommend, up-only, off", id="true"
        ),
        pytest.param(
            "mode: up_only",
            11,
            "'mode' cannot be 'up_only'; write one of auto, recommend, up-only, off; did you mean 'up-only'?",
            id="mode misspelt",
        ),
        pytest.param(
            "strategy: {}", 15, "write exactly one of these keys here: adaptive, target", id="no strategy"
        ),
        pytest.param(
            "strategy: {target: {utilization: 80}}",
            38,
            f"'utilization' cannot be '80'; {_SHARE} with its percent sign, such as 80%",
            id="bare percent",
        ),
        pytest.param(
            "strategy: {target: {utilization: 0.8}}",
            38,
            f"'utilization' cannot be '0.8'; {_SHARE} with its percent sign, such as 80%",
            id="bare ratio",
        ),
        pytest.param(
            "strategy: {target: {utilization: 96%}}",
            38,
            f"'utilization' cannot be '96%'; {_SHARE}",
            id="too tight",
        ),
        pytest.param(
            "strategy: {target: {utilization: 9.9%}}",
            38,
            f"'utilization' cannot be '9.9%'; {_SHARE}",
            id="too loose",
        ),
        pytest.param(
            "strategy: {target: {tolerance: 50%}}",
            36,
            "'tolerance' cannot be '50%'; write a share from 0% to 49%",
            id="tolerance",
        ),
        pytest.param(
            "strategy: {target: {hold: 25h}}", 31, f"'hold' cannot be '25h'; {_PAUSE}", id="long hold"
        ),
        pytest.param(
            "strategy: {target: {hold: 5}}",
            31,
            f"'hold' cannot be '5'; {_PAUSE} with its unit (ms, s, m, h or d), such as 5s",
            id="bare duration",
        ),
        pytest.param(
            "strategy: {target: {hold: 5min}}",
            31,
            f"'hold' cannot be '5min'; {_PAUSE}, one number and its unit (ms, s, m, h or d)",
            id="unknown unit",
        ),
        pytest.param(
            "limits: {up: {cooldown: 22:30}}",
            29,
            f"'cooldown' cannot be '22:30'; {_PAUSE}, one number and its unit (ms, s, m, h or d)",
            id="clock time",
        ),
        pytest.param(
            "limits: {up: {step: 0%}}",
            25,
            "'step' cannot be '0%'; write a share from 1% to 1000%",
            id="no step up",
        ),
        pytest.param(
            "limits: {down: {step: 0}}",
            27,
            f"'step' cannot be '0'; {_COUNT} or {_STEP_SHARE}; mode: up-only never takes a vCPU away",
            id="no step down",
        ),
        pytest.param(
            "limits: {down: {step: 0%}}",
            27,
            f"'step' cannot be '0%'; write {_STEP_SHARE}: mode: up-only never takes a vCPU away",
            id="no share of them down",
        ),
        pytest.param(
            "limits: {down: {step: 101%}}",
            27,
            f"'step' cannot be '101%'; write {_STEP_SHARE}",
            id="more down than there are",
        ),
        pytest.param(
            "limits: {down: {step: some}}",
            27,
            f"'step' cannot be 'some'; {_COUNT} or {_STEP_SHARE}",
            id="neither a count nor a share",
        ),
        pytest.param(
            "missing: {stale_after: 0s}",
            28,
            "'stale_after' cannot be '0s'; write a duration from 1s to 24h",
            id="stale at once",
        ),
        pytest.param(
            "missing: {then: raise}",
            21,
            "'then' cannot be 'raise'; write hold or {raise_to: N}",
            id="fallback",
        ),
        pytest.param(
            "missing: {then: [hold]}",
            21,
            "'then' cannot be a list; write hold or {raise_to: N}",
            id="fallback list",
        ),
        pytest.param("missing: {then: {}}", 21, "the key 'raise_to' is missing here", id="fallback keys"),
        pytest.param(
            "missing: {then: {raise_to: 4k}}",
            32,
            f"'raise_to' cannot be '4k'; {_COUNT} in plain digits",
            id="fallback count",
        ),
        pytest.param(
            "vcpus: {max: 4}, missing: {then: {raise_to: 5}}",
            49,
            "'raise_to' cannot be 5; it must not be above 'max', which is 4",
            id="fallback over max",
        ),
        pytest.param(
            "vcpus: {min: 4}, missing: {then: {raise_to: 3}}",
            49,
            "'raise_to' cannot be 3; it must not be below 'min', which is 4",
            id="fallback under min",
        ),
    ],
)
def test_a_mistake_in_a_policy_is_named_at_its_place(policy: str, column: int, message: str) -> None:
    loaded = load(one(policy))
    assert [str(problem) for problem in loaded.errors] == [f"0.yaml:4:{column}: {message}"]
    assert loaded.policy_set is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("policies: []\n", "0.yaml:1:1: the key 'version' is missing here", id="no version"),
        pytest.param(
            "version: 2\npolicies: []\n", "0.yaml:1:10: 'version' cannot be '2'; write 1", id="version 2"
        ),
        pytest.param("version: 1\n", "0.yaml:1:1: the key 'policies' is missing here", id="no policies"),
        pytest.param(
            "version: 1\npolicies: {}\n",
            "0.yaml:2:11: 'policies' cannot be empty; write a list, such as [a, b]",
            id="keys",
        ),
        pytest.param(
            "version: 1\npolicies: []\n<<: {}\n",
            "0.yaml:3:1: the key '<<' is not known here; known here: version, policies",
            id="merge key",
        ),
        pytest.param(
            "- 1\n", "0.yaml:1:1: the file cannot be a list; it takes keys: version, policies", id="list"
        ),
        pytest.param(
            "text\n", "0.yaml:1:1: the file cannot be 'text'; it takes keys: version, policies", id="text"
        ),
        pytest.param(
            "version: 1\npolicies:\n  - a\n",
            "0.yaml:3:5: 'policies[0]' cannot be 'a'; it takes keys: name, match, mode, vcpus,"
            " sla, strategy, limits, schedules, host, missing, manual_change",
            id="entry",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - match: {name: [a]}\n",
            "0.yaml:3:5: the key 'name' is missing here",
            id="no name",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: 'a b', match: {name: [a]}}\n",
            "0.yaml:3:12: 'name' cannot be 'a b'; write up to 63 letters, digits, '.', '_' and '-',"
            " a letter or digit first",
            id="name",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: a}\n",
            "0.yaml:3:5: the key 'match' is missing here",
            id="no match",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: a, match: {not_name: [b]}}\n",
            "0.yaml:3:22: 'match' fits no domain; give it a 'name', a 'uuid' or 'metadata'",
            id="empty match",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: a, match: {name: [b, c], not_name: [c, b]}}\n",
            "0.yaml:3:22: 'match' fits no domain; 'not_name' takes out all that it lets in",
            id="undone match",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: a, match: {name: web-*}}\n",
            "0.yaml:3:29: 'name' cannot be 'web-*'; write a list, such as [a, b]",
            id="one pattern",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: a, match: {name: [b, '']}}\n",
            "0.yaml:3:33: 'name[1]' cannot be ''; it must not be empty",
            id="empty pattern",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: a, match: {uuid: [4dea22b3-1d52]}}\n",
            "0.yaml:3:30: 'uuid[0]' cannot be '4dea22b3-1d52'; write the UUID that"
            " `virsh -c URI domuuid DOMAIN` prints",
            id="uuid",
        ),
        pytest.param(
            "version: 1\npolicies:\n  - {name: a, match: {name: [a]}}\n  - {name: a, match: {name: [b]}}\n",
            "0.yaml:4:12: the policy name 'a' is taken by 0.yaml:3; a name stands once in all files",
            id="name taken",
        ),
        pytest.param(
            'version: 1\npolicies:\n  - {name: "\\e[31m", match: {name: [a]}}\n',
            r"0.yaml:3:12: 'name' cannot be '\x1b[31m'; it must be one line of printable text",
            id="control characters",
        ),
    ],
)
def test_a_mistake_in_a_file_is_named_at_its_place(text: str, expected: str) -> None:
    assert [str(problem) for problem in load(text).errors] == [expected]


def test_all_errors_of_all_files_come_at_once_in_order() -> None:
    loaded = load(
        one("vcpus: {min: x, max: 0},\n    mode: of"),
        "version: 1\npolicies: [",
        one("vcpus: {min: 3, max: 2}, polices: [],\n    missing: {then: {raise_to: 1}}"),
    )
    places = [problem.place for problem in loaded.errors]
    assert places == [
        "0.yaml:4:18",
        "0.yaml:4:26",
        "0.yaml:5:11",
        "1.yaml:2:12",
        "2.yaml:3:12",
        "2.yaml:4:26",
        "2.yaml:4:30",
        "2.yaml:5:32",
    ]


def test_a_misspelt_key_that_is_needed_is_both_unknown_and_missing() -> None:
    loaded = load(one("missing: {then: {raise-to: 4}}"))
    assert [problem.message for problem in loaded.errors] == [
        "the key 'raise_to' is missing here",
        "the key 'raise-to' is not known here; did you mean 'raise_to'?",
    ]


def test_a_refused_value_is_not_measured_against_others() -> None:
    loaded = load(one("vcpus: {min: 1k, max: 4}, missing: {then: {raise_to: 2}}"))
    assert [problem.column for problem in loaded.errors] == [18]


def test_a_value_refused_as_yaml_gets_no_second_complaint() -> None:
    loaded = load(one("vcpus: *x"))
    assert len(loaded.errors) == 1


def test_a_folder_is_read_in_name_order_without_what_is_not_a_policy_file(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.yaml"):
        (tmp_path / name).write_text(GOOD.replace("[a]", f"[{name}]").replace("name: a", f"name: {name}"))
    (tmp_path / ".#a.yaml").symlink_to("nobody@nowhere")
    (tmp_path / "notes.txt").write_text("no policy")
    (tmp_path / "old.yaml").mkdir()
    loaded = load_policies([tmp_path, tmp_path / "a.yaml"])
    assert loaded.errors == ()
    assert loaded.policy_set is not None
    assert [policy.name for policy in loaded.policy_set.policies] == ["a.yaml", "b.yml", "c.yaml"]


def test_a_folder_in_a_folder_is_warned_of_where_its_policies_would_go_unread(tmp_path: Path) -> None:
    for folder in ("", "unread", "named", ".git"):
        (tmp_path / folder).mkdir(exist_ok=True)
        text = GOOD.replace("name: a", f"name: 'a{folder}'").replace("[a]", f"['a{folder}']")
        (tmp_path / folder / "p.yaml").write_text(text)
    (tmp_path / "empty").mkdir()
    loaded = load_policies([tmp_path, tmp_path / "named"])
    assert loaded.errors == ()
    (unread,) = loaded.warnings
    assert (unread.file, unread.message) == (
        str(tmp_path / "unread"),
        "a folder in a folder is not looked into: name it as well, or move its policy files up",
    )


def test_a_folder_without_policy_files_is_an_error(tmp_path: Path) -> None:
    (problem,) = load_policies([tmp_path]).errors
    assert problem.message == "the folder holds no policy file; put one there, named *.yaml or *.yml"


def test_the_digest_changes_with_bytes_and_names_and_not_with_the_folder(tmp_path: Path) -> None:
    digests = []
    for folder, name, text in (
        ("one", "a.yaml", GOOD),
        ("two", "a.yaml", GOOD),
        ("three", "b.yaml", GOOD),
        ("four", "a.yaml", GOOD + "# said\n"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
        policy_set = load_policies([tmp_path / folder]).policy_set
        assert policy_set is not None
        digests.append(policy_set.digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert all(len(digest) == 64 for digest in digests)


def test_a_warning_does_not_keep_the_policies_from_loading() -> None:
    loaded = load(
        "version: 1\npolicies:\n  - {name: all, match: {name: ['*']}}\n",
        "version: 1\npolicies:\n  - {name: web, match: {name: ['web-*']}}\n",
    )
    assert [warning.place for warning in loaded.warnings] == ["1.yaml:3:5"]
    assert loaded.policy_set is not None


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("rest", "errors"),
    [
        pytest.param("vcpus: {{min: 1}}", 0, id="good"),
        pytest.param("vcpus: {{mim: 1}}", 10_000, id="misspelt"),
        pytest.param("mode: &{0} off, vcpus: *{0}", 20_000, id="anchors"),
    ],
)
def test_a_file_as_large_as_allowed_is_checked_to_its_end(rest: str, errors: int) -> None:
    piece = f"  - {{{{name: p{{0}}, match: {{{{name: ['p{{0}}-*']}}}}, {rest}}}}}\n"
    text = "version: 1\npolicies:\n" + "".join(piece.format(number) for number in range(10_000))
    loaded = load(text.ljust(1 << 20, "#"))
    assert (len(loaded.errors), len(loaded.warnings)) == (errors, 0)
