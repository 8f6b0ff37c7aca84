"""The watch over the policy files: real files, changed in the ways in which editors and tools change them."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from autoscaler.policyfile.load import fingerprint
from autoscaler.service import policy_watch
from autoscaler.service.policy_watch import PolicyWatch

LONG_S = 20.0
"""More than any change takes to be noticed."""
QUIET_S = 0.5
"""Longer than the watch, as it is set here, waits for an editor to be done."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_watch, "_QUIET_MS", 50)


class Watched:
    """A watch whose files are read, as the service would, at each change that it tells of."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.then: Callable[[], None] = lambda: None
        """What happens before the watch goes on after a change."""
        self.seen = fingerprint(paths)
        self.changes: SimpleQueue[str] = SimpleQueue()
        self.watch = PolicyWatch(paths, seen=lambda: self.seen, changed=self._changed)

    def _changed(self) -> None:
        self.seen = fingerprint(self.paths)
        self.then()
        self.changes.put(self.seen)

    def ready(self) -> None:
        """Wait until the kernel watches the folders as they are now."""
        eventually(
            lambda: {inode for _, inode in policy_watch._folders(self.paths).values()} <= watched_inodes()
        )

    def wait(self) -> None:
        """Wait until the files, as they are now, have been noticed, and the next change can be."""
        now = fingerprint(self.paths)
        while self.changes.get(timeout=LONG_S) != now:
            pass
        self.ready()

    def told(self, *, within_s: float = QUIET_S) -> int:
        """How often it has told of a change since, once nothing more is to be expected."""
        count = 0
        with contextlib.suppress(Empty):
            while True:
                self.changes.get(timeout=within_s)
                count += 1
        return count


@contextlib.contextmanager
def watching(*paths: Path) -> Iterator[Watched]:
    watched = Watched(paths)
    watched.watch.start()
    try:
        watched.ready()
        yield watched
    finally:
        watched.watch.close()
        assert not watched.watch._thread.is_alive()


def eventually(reached: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(round(LONG_S / 0.02)):
        if reached():
            return
        waited.wait(0.02)
    raise AssertionError


def inotify_instances() -> list[Path]:
    """What the kernel tells of each instance of this process."""
    found = []
    for number in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if number.readlink().name == "anon_inode:inotify":
                found.append(Path("/proc/self/fdinfo", number.name))
    return found


def watched_inodes() -> set[int]:
    found = set[int]()
    for instance in inotify_instances():
        with contextlib.suppress(OSError):
            found |= {int(inode, 16) for inode in re.findall(r" ino:([0-9a-f]+)", instance.read_text())}
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "etc" / "policies"
    folder.mkdir(parents=True)
    (folder / "web.yaml").write_text("first")
    return folder


@pytest.fixture
def by_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is noticed in these tests, the kernel told of."""
    monkeypatch.setattr(policy_watch, "LOOK_EVERY_S", 600.0)


@pytest.fixture
def by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks often, for what the kernel does not tell."""
    monkeypatch.setattr(policy_watch, "LOOK_EVERY_S", 0.3)


def written(folder: Path, text: str) -> None:
    (folder / "web.yaml").write_text(text)


@pytest.fixture
def patient(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    """A watch of the folder that waits long for an editor, and has told of "second" after its first look."""
    monkeypatch.setattr(policy_watch, "_QUIET_MS", 1500)
    with watching(folder) as watched:
        written(folder, "second")
        watched.wait()
        yield watched


def renamed_over(folder: Path, text: str) -> None:
    (folder / ".web.yaml.new").write_text(text)
    (folder / ".web.yaml.new").rename(folder / "web.yaml")


def saved_by_vim(folder: Path, text: str) -> None:
    (folder / "web.yaml").rename(folder / "web.yaml~")
    (folder / "web.yaml").write_text(text)
    (folder / "web.yaml~").unlink()


def added(folder: Path, text: str) -> None:
    (folder / f"{text}.yml").write_text(text)


def removed(folder: Path, _: str) -> None:
    max(folder.glob("*.y*ml")).unlink()


def folder_exchanged(folder: Path, text: str) -> None:
    new, old = folder.with_name("new"), folder.with_name("old")
    new.mkdir()
    (new / "web.yaml").write_text(text)
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old)


@pytest.mark.usefixtures("by_kernel")
@pytest.mark.parametrize(
    "change",
    [written, renamed_over, saved_by_vim, added, removed, folder_exchanged],
    ids=lambda c: c.__name__,
)
def test_a_change_in_a_folder_is_noticed_each_time(folder: Path, change: Callable[[Path, str], None]) -> None:
    (folder / "db.yaml").write_text("other")
    (folder / "etc.yaml").write_text("other")
    with watching(folder) as watched:
        for text in ("second", "third"):
            change(folder, text)
            watched.wait()


@pytest.mark.usefixtures("by_kernel")
@pytest.mark.parametrize("change", [written, renamed_over, saved_by_vim], ids=lambda c: c.__name__)
def test_a_change_of_a_file_that_was_named_is_noticed_each_time(
    folder: Path, change: Callable[[Path, str], None]
) -> None:
    with watching(folder / "web.yaml") as watched:
        for text in ("second", "third"):
            change(folder, text)
            watched.wait()


@pytest.mark.usefixtures("by_kernel")
@pytest.mark.parametrize("named", ["folder", "file"])
def test_a_swap_of_the_link_behind_the_files_is_noticed_each_time(tmp_path: Path, named: str) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()

    def swap(version: str) -> None:
        (folder / f"..{version}").mkdir()
        (folder / f"..{version}" / "web.yaml").write_text(version)
        (folder / "..new").symlink_to(f"..{version}")
        (folder / "..new").rename(folder / "..data")

    swap("first")
    (folder / "web.yaml").symlink_to("..data/web.yaml")
    with watching(folder if named == "folder" else folder / "web.yaml") as watched:
        for version in ("second", "third"):
            swap(version)
            watched.wait()


@pytest.mark.usefixtures("by_kernel")
def test_a_change_of_what_a_link_leads_to_is_noticed(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(folder / "web.yaml")
    with watching(link) as watched:
        renamed_over(folder, "second")
        watched.wait()


@pytest.mark.usefixtures("by_kernel")
def test_a_file_that_vanishes_and_comes_back_is_noticed_both_times(folder: Path) -> None:
    with watching(folder / "web.yaml") as watched:
        (folder / "web.yaml").unlink()
        watched.wait()
        written(folder, "second")
        watched.wait()


@pytest.mark.usefixtures("by_kernel")
def test_a_file_that_vanishes_for_a_moment_only_is_not_told(folder: Path, patient: Watched) -> None:
    (folder / "web.yaml").rename(folder / "away")
    time.sleep(0.2)
    (folder / "away").rename(folder / "web.yaml")
    assert patient.told(within_s=3.0) == 0


@pytest.mark.usefixtures("by_looking")
def test_a_folder_that_vanishes_and_comes_back_is_noticed_both_times(folder: Path) -> None:
    with watching(folder) as watched:
        shutil.rmtree(folder.parent)
        watched.wait()
        folder.mkdir(parents=True)
        written(folder, "second")
        watched.wait()
        written(folder, "third")
        watched.wait()


@pytest.mark.usefixtures("by_kernel")
def test_a_folder_that_is_made_anew_the_moment_its_end_is_told_is_watched_like_the_one_before(
    folder: Path,
) -> None:
    def make_anew() -> None:
        if not folder.exists():
            folder.mkdir()  # Most file systems give it the number that has just become free.
            written(folder, "second")

    with watching(folder) as watched:
        watched.then = make_anew
        for text in ("third", "fourth", "fifth"):
            written(folder, text)
            watched.wait()
            shutil.rmtree(folder)
            while not (folder / "web.yaml").exists():
                watched.changes.get(timeout=LONG_S)
            watched.ready()


@pytest.mark.usefixtures("by_kernel")
def test_a_change_while_the_one_before_is_told_is_noticed_though_the_folder_is_another(folder: Path) -> None:
    def exchange() -> None:
        if not (folder / "third.yml").exists():
            folder_exchanged(folder, "third")
            added(folder, "third")

    with watching(folder) as watched:
        watched.then = exchange
        written(folder, "second")
        third = folder / "third.yml"
        eventually(lambda: third.exists() and third.read_text() == "third")
        watched.wait()


@pytest.mark.usefixtures("by_looking")
@pytest.mark.parametrize("named", ["", "web.yaml"], ids=["folder", "file"])
def test_what_is_not_there_yet_is_noticed_when_it_comes(tmp_path: Path, named: str) -> None:
    folder = tmp_path / "absent" / "policies"
    with watching(folder / named) as watched:
        folder.mkdir(parents=True)
        written(folder, "first")
        watched.wait()
        written(folder, "second")
        watched.wait()


@pytest.mark.usefixtures("by_kernel")
@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda folder: (folder / "web.yaml").touch(), id="touched"),
        pytest.param(lambda folder: written(folder, "first"), id="written as it was"),
        pytest.param(lambda folder: renamed_over(folder, "first"), id="replaced by the same"),
        pytest.param(lambda folder: (folder / "notes.txt").write_text("x"), id="another file"),
        pytest.param(lambda folder: (folder / ".web.yaml").write_text("x"), id="an editor's copy"),
        pytest.param(lambda folder: (folder / "old.yaml").mkdir(), id="a folder in it"),
        pytest.param(lambda folder: (folder / "web.yaml").chmod(0o400), id="other rights"),
        pytest.param(lambda folder: list(folder.iterdir()), id="looked at"),
    ],
)
def test_what_leaves_the_bytes_as_they_were_is_no_change(
    folder: Path, happens: Callable[[Path], object]
) -> None:
    with watching(folder) as watched:
        happens(folder)
        assert watched.told() == 0
        written(folder, "second")
        watched.wait()


@pytest.mark.usefixtures("by_kernel")
def test_a_folder_that_is_exchanged_for_the_same_is_no_change(folder: Path, patient: Watched) -> None:
    folder_exchanged(folder, "second")
    assert patient.told(within_s=3.0) == 0
    written(folder, "third")
    patient.wait()


@pytest.mark.usefixtures("by_kernel")
def test_a_save_of_several_steps_is_told_once(folder: Path) -> None:
    with watching(folder) as watched:
        for number in range(20):
            written(folder, f"step {number}")
            threading.Event().wait(0.01)
        watched.wait()
        assert watched.told() == 0


@pytest.mark.usefixtures("by_kernel")
def test_a_folder_without_a_moment_of_quiet_holds_up_no_change(folder: Path) -> None:
    over = threading.Event()

    def chatter() -> None:
        while not over.wait(0.02):
            (folder / "service.log").write_text("x")

    noise = threading.Thread(target=chatter, daemon=True)
    with watching(folder) as watched:
        noise.start()
        written(folder, "second")
        watched.wait()
        over.set()
        noise.join()


@pytest.mark.usefixtures("by_looking")
def test_a_change_between_the_first_reading_and_the_watch_is_noticed(folder: Path) -> None:
    watched = Watched([folder])
    written(folder, "second")
    watched.watch.start()
    watched.wait()
    watched.watch.close()


@pytest.mark.usefixtures("by_looking")
def test_a_loop_of_links_is_watched_like_what_is_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with watching(tmp_path / "a") as watched:
        (tmp_path / "b").unlink()
        (tmp_path / "b").write_text("first")
        watched.wait()
    assert caplog.text == ""


@pytest.mark.usefixtures("by_kernel")
def test_the_close_ends_the_thread_soon_and_nothing_is_told_any_more(folder: Path) -> None:
    before = len(inotify_instances())
    with watching(folder) as watched:
        assert len(inotify_instances()) == before + 1
        for text in ("second", "third", "fourth"):
            folder_exchanged(folder, text)
            watched.wait()
        eventually(lambda: len(inotify_instances()) == before + 1)
    eventually(lambda: len(inotify_instances()) == before)
    written(folder, "fifth")
    assert watched.told() == 0


def test_a_watch_that_never_started_is_closed_as_well(folder: Path) -> None:
    PolicyWatch([folder], seen=lambda: "", changed=lambda: None).close()


WITHOUT_DESCRIPTORS = """
import contextlib, os, resource, sys, threading
from pathlib import Path
from autoscaler.policyfile.load import fingerprint
from autoscaler.service import policy_watch

policy_watch.LOOK_EVERY_S = 0.3
paths, noticed = [Path(sys.argv[1])], threading.Event()
seen = fingerprint(paths)
watch = policy_watch.PolicyWatch(paths, seen=lambda: seen, changed=noticed.set)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
held = []
with contextlib.suppress(OSError):
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
# Enough to read a file, and too few for what a watch needs.
for _ in range(2):
    os.close(held.pop())
watch.start()
assert not noticed.wait(1)
paths[0].write_text("second")
assert noticed.wait(20)
for number in held:
    os.close(number)
watch.close()
"""


def test_without_a_watch_of_the_kernel_changes_are_noticed_by_looking_and_it_is_said_once(
    folder: Path,
) -> None:
    command = (sys.executable, "-c", WITHOUT_DESCRIPTORS, folder / "web.yaml")
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "")
    (line,) = ended.stderr.splitlines()
    assert "noticed only every 0.3 s" in line
    assert "Too many open files" in line
    assert "raise fs.inotify.max_user_instances" in line
