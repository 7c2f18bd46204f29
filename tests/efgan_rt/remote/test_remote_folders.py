"""`efgan-rt batch` from and to buckets and addresses, on real servers on loopback."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pictures.write import encode_picture
from efgan_rt.pipeline.files import PictureJob, Plan
from efgan_rt.pipeline.record import Record
from efgan_rt.remote import lease as lease_module
from efgan_rt.remote.addresses import AddressList
from efgan_rt.remote.ahead import fetched_ahead
from efgan_rt.remote.bucket import BucketTree
from efgan_rt.remote.gs import GoogleStorage
from efgan_rt.remote.journal import RemoteJournal
from efgan_rt.remote.lease import Lease
from efgan_rt.remote.path import RemotePath, forget_opened, place, reading
from efgan_rt.remote.s3 import S3, TOKEN
from efgan_rt.shots import stills
from tests.efgan_rt.cli.test_cli_batch import unboxed
from tests.efgan_rt.conftest import make_picture
from tests.object_stores import (
    READER,
    Proxy,
    client,
    environment,
    moto_server,
    proxy_before,
    seaweedfs_server,
    web_site,
)

pytest.importorskip("boto3", reason="boto3 is missing: pip install 'efgan-rt[remote]'")

Cli = Callable[..., Any]


class Bucket:
    """A bucket of a test's own."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client = client(server)
        self.client.create_bucket(Bucket=self.name)

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return sorted(each["Key"] for page in pages for each in page.get("Contents", ()))

    def outputs(self) -> list[str]:
        return [each for each in self.keys("out/") if "/.efgan-rt/" not in each]

    def token(self, key: str) -> str:
        """Which put an object is of."""
        head = self.client.head_object(Bucket=self.name, Key=key)
        return str({k.lower(): v for k, v in head["Metadata"].items()}.get(TOKEN, ""))

    def remove(self, prefix: str) -> None:
        for key in self.keys(prefix):
            self.client.delete_object(Bucket=self.name, Key=key)

    @property
    def source(self) -> str:
        return f"s3://{self.name}/in"

    @property
    def out(self) -> str:
        return f"s3://{self.name}/out"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as address:
        yield address


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweedfs_server(tmp_path_factory.mktemp("seaweedfs")) as address:
        yield address


@pytest.fixture(params=["moto", "seaweedfs"])
def server(request: pytest.FixtureRequest) -> str:
    """The address of each of the two."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture(autouse=True)
def quick_attempts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    forget_opened()
    yield
    forget_opened()


def reach(monkeypatch: pytest.MonkeyPatch, address: str, **others: str) -> None:
    """Has this process find a server."""
    for name, value in environment(address, **others).items():
        monkeypatch.setenv(name, value)
    forget_opened()


def filled(server: str, pictures: int = 5) -> Bucket:
    bucket = Bucket(server)
    for number in range(pictures):
        folder = "" if number % 2 else "a/"
        bucket.put(
            f"in/{folder}{number:03}.png", bytes(encode_picture(".png", make_picture(seed=number)))
        )
    return bucket


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket with five pictures below in/, on each of the servers."""
    reach(monkeypatch, server)
    return filled(server)


@pytest.fixture
def proxied(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Bucket, Proxy]]:
    """A bucket with five pictures, reached through a proxy."""
    with proxy_before(moto) as proxy:
        reach(monkeypatch, proxy.address)
        yield filled(moto), proxy


@pytest.fixture
def batch(cli: Cli, toy_engines: Path) -> Cli:
    """`batch(source, out, *options)` with toy engines."""

    def run(source: object, out: object, *options: object) -> Any:
        options = options or ("-e", "happy")
        return cli("batch", source, out, *engine_options(toy_engines), *options)

    return run


def engine_options(toy_engines: Path) -> tuple[object, ...]:
    return ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4, "--crops")


def downloaded(bucket: Bucket, folder: Path) -> Path:
    for key in bucket.keys("in/"):
        path = folder / key.removeprefix("in/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.get(key))
    return folder


def test_outputs_are_those_of_local_folders_and_are_done_once(
    bucket: Bucket, batch: Cli, tmp_path: Path
) -> None:
    local = tmp_path / "out"
    assert batch(downloaded(bucket, tmp_path / "in"), local).status == 0
    result = batch(bucket.source, bucket.out)
    assert result.status == 0, result.err
    assert bucket.outputs() == [
        f"out/{k}" for k in ("001.png", "003.png", "a/000.png", "a/002.png", "a/004.png")
    ]
    for key in bucket.outputs():
        assert bucket.get(key) == (local / key.removeprefix("out/")).read_bytes()
    tokens = [bucket.token(key) for key in bucket.outputs()]
    again = batch(bucket.source, bucket.out)
    assert again.status == 0 and "5 were already done" in again.out
    assert [bucket.token(key) for key in bucket.outputs()] == tokens
    assert bucket.keys("out/.efgan-rt/") == [
        "out/.efgan-rt/engines",
        "out/.efgan-rt/journal.sqlite",
    ]


def test_ours_is_made_again_for_another_edit(bucket: Bucket, batch: Cli) -> None:
    assert batch(bucket.source, bucket.out).status == 0
    before = bucket.get("out/001.png")
    result = batch(bucket.source, bucket.out, "-e", "blink")
    assert result.status == 0, result.err
    assert bucket.get("out/001.png") != before


def test_a_changed_input_is_edited_again_and_no_other(bucket: Bucket, batch: Cli) -> None:
    assert batch(bucket.source, bucket.out).status == 0
    bucket.put("in/001.png", bytes(encode_picture(".png", make_picture(seed=77))))
    result = batch(bucket.source, bucket.out)
    assert result.status == 0 and "4 were already done" in result.out


def test_what_is_not_ours_is_refused_and_stays(bucket: Bucket, batch: Cli) -> None:
    bucket.put("out/001.png", b"somebody's")
    result = batch(bucket.source, bucket.out)
    assert result.status == 1
    assert (
        f"1 of the outputs are there already, and not as an earlier run left them: {bucket.out}"
        in result.err
    )
    assert bucket.outputs() == ["out/001.png"] and bucket.get("out/001.png") == b"somebody's"
    assert bucket.keys("out/.efgan-rt/") == [], "a run that is refused leaves nothing"
    assert batch(bucket.source, bucket.out, "-e", "happy", "--overwrite").status == 0
    assert bucket.get("out/001.png") != b"somebody's"


def test_an_output_that_somebody_changed_is_refused(bucket: Bucket, batch: Cli) -> None:
    assert batch(bucket.source, bucket.out).status == 0
    bucket.put("out/001.png", b"changed")
    assert batch(bucket.source, bucket.out).status == 1
    assert bucket.get("out/001.png") == b"changed"


def test_a_lost_journal_refuses_and_never_replaces(bucket: Bucket, batch: Cli) -> None:
    assert batch(bucket.source, bucket.out).status == 0
    bucket.remove("out/.efgan-rt/")
    tokens = [bucket.token(key) for key in bucket.outputs()]
    result = batch(bucket.source, bucket.out)
    assert result.status == 1 and "5 of the outputs are there already" in result.err
    assert [bucket.token(key) for key in bucket.outputs()] == tokens


def test_a_damaged_journal_is_named(bucket: Bucket, batch: Cli) -> None:
    assert batch(bucket.source, bucket.out).status == 0
    bucket.put(
        "out/.efgan-rt/journal.sqlite", b"no database, but long enough to be read as one" * 20
    )
    result = batch(bucket.source, bucket.out)
    assert result.status == 1
    assert "out/.efgan-rt/journal.sqlite: the journal cannot be used" in result.err
    assert bucket.keys("out/.efgan-rt/lock") == []


def test_a_dry_run_writes_nothing(bucket: Bucket, batch: Cli) -> None:
    result = batch(bucket.source, bucket.out, "-e", "happy", "--dry-run")
    assert result.status == 0
    assert f"to make: {bucket.source}/001.png -> {bucket.out}/001.png" in result.out
    assert bucket.keys("out/") == []


def test_local_pictures_go_to_a_bucket_and_back(
    bucket: Bucket, batch: Cli, faces: Path, tmp_path: Path
) -> None:
    assert batch(faces, bucket.out).status == 0
    assert len(bucket.outputs()) == 11
    result = batch(bucket.out, tmp_path / "back")
    assert result.status == 0, result.err
    assert (tmp_path / "back" / "b" / "z.png").is_file()


def test_an_output_folder_inside_the_input_is_not_edited(bucket: Bucket, batch: Cli) -> None:
    for _ in range(2):
        result = batch(f"s3://{bucket.name}", f"s3://{bucket.name}/in/made")
        assert result.status == 0, result.err
    assert len([k for k in bucket.keys("in/made/") if k.endswith(".png")]) == 5


def test_an_input_is_never_an_output(bucket: Bucket, batch: Cli) -> None:
    before = bucket.get("in/001.png")
    result = batch(bucket.source, bucket.source, "-e", "happy", "--overwrite")
    assert result.status == 1 and "the output folder is the input folder" in result.err
    bucket.put("in/in/001.png", before)
    result = batch(
        f"s3://{bucket.name}/in/in", f"s3://{bucket.name}/in", "-e", "happy", "--overwrite"
    )
    assert result.status == 0 or "is an input as well" in result.err
    assert bucket.get("in/in/001.png") == before


def test_one_object_is_edited_and_a_missing_one_is_named(bucket: Bucket, batch: Cli) -> None:
    assert batch(f"{bucket.source}/001.png", bucket.out).status == 0
    assert bucket.outputs() == ["out/001.png"]
    result = batch(f"{bucket.source}/none.png", bucket.out)
    assert result.status == 1 and "none.png: no such object; expected a picture" in result.err
    result = batch(f"s3://{bucket.name}/nothing", bucket.out)
    assert result.status == 1 and "no picture found" in result.err


def test_a_broken_picture_is_named_and_the_others_are_edited(
    bucket: Bucket, batch: Cli, tmp_path: Path
) -> None:
    bucket.put("in/broken.png", b"nothing")
    report = tmp_path / "run.json"
    result = batch(bucket.source, bucket.out, "-e", "happy", "--report", report)
    assert result.status == 3
    assert f"failed: {bucket.source}/broken.png: not a picture" in result.err
    rows = {row["picture"]: row for row in json.loads(report.read_text())["pictures"]}
    assert rows[f"{bucket.source}/broken.png"]["status"] == "failed"
    assert rows[f"{bucket.source}/001.png"]["outputs"] == [f"{bucket.out}/001.png"]


def test_a_contact_sheet_shows_remote_pictures(bucket: Bucket, batch: Cli, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert batch(bucket.source, bucket.out, "-e", "happy", "--contact-sheet", sheet).status == 0
    assert sheet.is_file()


def test_keys_that_can_be_no_path_are_left_alone(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach(monkeypatch, moto)
    bucket = filled(moto, 1)
    picture = bucket.get("in/a/000.png")
    for key in (
        "in//b.png",
        "in/../c.png",
        "in/./d.png",
        "in/.hidden.png",
        "in/@eaDir/e.png",
        "in/x.txt",
    ):
        bucket.put(key, picture)
    bucket.put("in/empty/", b"")
    source = place(bucket.source)
    assert isinstance(source, RemotePath)
    plan = Plan(source, Path("out"), stills(""), tree=BucketTree(source))
    assert [str(job.source) for job in plan.jobs()] == [f"{bucket.source}/a/000.png"]
    assert [str(job.outputs[0]) for job in plan.jobs()] == ["out/a/000.png"]
    assert {why for _, why in plan.left_alone()} == {"a key that can be no path", "not a picture"}


def test_patterns_leave_objects_out(bucket: Bucket, batch: Cli) -> None:
    assert batch(bucket.source, bucket.out, "-e", "happy", "--exclude", "a").status == 0
    assert bucket.outputs() == ["out/001.png", "out/003.png"]


# One run at a time, and what a killed one leaves.


def own_folder(bucket: Bucket) -> RemotePath:
    path = place(f"{bucket.out}/.efgan-rt")
    assert isinstance(path, RemotePath)
    return path


def store() -> S3:
    found = reading("s3")
    assert isinstance(found, S3)
    return found


def test_a_second_run_is_refused_by_name(bucket: Bucket, batch: Cli) -> None:
    held = Lease(store(), own_folder(bucket))
    try:
        result = batch(bucket.source, bucket.out)
        assert result.status == 1
        assert f"{bucket.out}: another run is at work there: process {os.getpid()} on" in result.err
        assert bucket.outputs() == []
    finally:
        held.release()
    assert batch(bucket.source, bucket.out).status == 0


def test_the_lock_of_a_silent_run_is_taken_over_and_that_run_ends(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "SIGNED_EVERY_S", 0.2)
    monkeypatch.setattr(lease_module, "STALE_S", -1.0)
    first = Lease(store(), own_folder(bucket))
    second = Lease(store(), own_folder(bucket))
    first._signer.join(20)
    with pytest.raises(EfganError, match="another run has taken this folder over"):
        first.check()
    first.release()
    second.check()
    assert bucket.keys("out/.efgan-rt/lock"), "who has lost the lock does not remove it"
    second.release()
    assert bucket.keys("out/.efgan-rt/") == []


def test_a_lock_of_a_process_that_is_gone_is_taken_over_at_once(bucket: Bucket) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder = {"process": ended.pid, "host": "here", "machine": lease_module._machine()}
    bucket.put("out/.efgan-rt/lock", json.dumps(holder).encode())
    Lease(store(), own_folder(bucket)).release()
    bucket.put("out/.efgan-rt/lock", json.dumps({**holder, "machine": "another"}).encode())
    with pytest.raises(EfganError, match="another run is at work there"):
        Lease(store(), own_folder(bucket))


def test_a_run_that_lost_its_lock_writes_no_more(bucket: Bucket) -> None:
    out = place(bucket.out)
    assert isinstance(out, RemotePath)
    journal = RemoteJournal(out)
    assert journal._lease is not None
    journal._lease._lost = "taken over"
    with pytest.raises(EfganError, match="taken over"):
        journal.intend([])
    journal.close()


@pytest.mark.slow
def test_killed_again_and_again_nothing_is_lost_or_done_twice(
    server: str, toy_engines: Path, tmp_path: Path
) -> None:
    bucket = filled(server, 60)
    command = command_of(bucket, toy_engines, "--workers", "1")
    where = {**os.environ, **environment(server)}
    tokens: dict[str, str] = {}
    kills = 0
    for wanted in (1, 15, 40):
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen(command, env=where, stdout=log, stderr=log)
        until = monotonic() + 100
        while len(bucket.outputs()) < wanted and process.poll() is None and monotonic() < until:
            sleep(0.05)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        for key, token in tokens.items():
            assert bucket.token(key) == token, f"{key} was done twice"
        tokens |= {key: bucket.token(key) for key in bucket.outputs()}
    done = subprocess.run(command, env=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(bucket.outputs()) == 60
    for key, token in tokens.items():
        assert bucket.token(key) == token, f"{key} was done twice"
    assert kills >= 2, "the runs were too quick to be killed"


def test_a_long_log_becomes_a_copy(
    bucket: Bucket, batch: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("efgan_rt.remote.journal.COPIED_EVERY", 1)
    assert batch(bucket.source, bucket.out).status == 0
    again = batch(bucket.source, bucket.out)
    assert again.status == 0 and "5 were already done" in again.out
    assert bucket.keys("out/.efgan-rt/log") == []


def test_a_journal_is_copied_the_less_often_the_larger_it_is(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("efgan_rt.remote.journal.COPIED_EVERY", 1)
    out = place(bucket.out)
    assert isinstance(out, RemotePath)

    def records(*numbers: int) -> list[Record]:
        return [Record(b"%d.jpg" % n, bytes(32), 1, 0, bytes(32), "", bytes(32)) for n in numbers]

    with RemoteJournal(out) as journal:
        in_log = []
        for group in (records(*range(8)), records(8), records(9)):
            journal.intend(group)
            in_log.append(len(bucket.keys("out/.efgan-rt/log")))
        assert in_log == [0, 1, 0]
    with RemoteJournal(out) as journal:
        assert journal._in_copy == 10


def test_a_journal_that_has_no_room_here_is_named(bucket: Bucket, small_disk: Path) -> None:
    bucket.put("large", bytes(1 << 20))
    large = place(f"s3://{bucket.name}/large")
    assert isinstance(large, RemotePath)
    with pytest.raises(EfganError, match="copy: cannot be written: No space left on device"):
        store().read_into(large, small_disk / "copy")


# Servers and networks that do harm.


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_server_that_ignores_a_condition_is_refused(
    header: str, proxied: tuple[Bucket, Proxy], batch: Cli
) -> None:
    bucket, proxy = proxied
    proxy.judge = lambda method, path: f"strip {header}"
    result = batch(bucket.source, bucket.out)
    assert result.status == 1
    assert f"{bucket.out}: its server ignores the condition {header} of a put" in result.err
    assert bucket.keys("out/") == []


def test_a_put_whose_answer_is_lost_is_known_as_ours(
    proxied: tuple[Bucket, Proxy], batch: Cli
) -> None:
    bucket, proxy = proxied
    lost: set[str] = set()

    def lose_first(method: str, path: str) -> str:
        if method == "PUT" and path.endswith(".png") and path not in lost:
            lost.add(path)
            return "lose"
        return "pass"

    proxy.judge = lose_first
    result = batch(bucket.source, bucket.out)
    assert result.status == 0, result.err
    assert len(lost) == 5 and len(bucket.outputs()) == 5


def test_what_comes_during_the_run_is_not_replaced(
    proxied: tuple[Bucket, Proxy], batch: Cli
) -> None:
    bucket, proxy = proxied

    def race(method: str, path: str) -> str:
        if method == "PUT" and path.endswith("out/001.png"):
            bucket.put("out/001.png", b"somebody's")
        return "pass"

    proxy.judge = race
    result = batch(bucket.source, bucket.out)
    assert result.status == 3
    assert (
        f"{bucket.out}/001.png: has come to be there, or has changed, during the run" in result.err
    )
    assert bucket.get("out/001.png") == b"somebody's"
    proxy.judge = lambda method, path: "pass"
    assert batch(bucket.source, bucket.out).status == 1, "it still is not ours"


@pytest.mark.parametrize(
    ("method", "end", "verb"), [("GET", "in/001.png", "read"), ("PUT", "out/001.png", "written")]
)
def test_a_picture_that_the_network_keeps_is_failed_by_name(
    method: str, end: str, verb: str, proxied: tuple[Bucket, Proxy], batch: Cli
) -> None:
    bucket, proxy = proxied
    proxy.judge = lambda m, path: "refuse" if m == method and path.endswith(end) else "pass"
    result = batch(bucket.source, bucket.out)
    assert result.status == 3
    assert (
        f"s3://{bucket.name}/{end}: cannot be {verb}: the server cannot be reached, after 2"
        in result.err
    )
    assert len(bucket.outputs()) == 4
    assert proxy.count(f"{method} /{bucket.name}/{end}") >= 2, "it was tried again"
    proxy.judge = lambda m, path: "pass"
    again = batch(bucket.source, bucket.out)
    assert again.status == 0 and "4 were already done" in again.out


def command_of(bucket: Bucket, toy_engines: Path, *options: str) -> list[str]:
    """A run as a process of its own."""
    command = [sys.executable, "-m", "efgan_rt.cli.app", "batch", bucket.source, bucket.out]
    return [*command, *map(str, engine_options(toy_engines)), "-e", "happy", *options]


def test_a_network_that_goes_in_the_middle_is_named(
    proxied: tuple[Bucket, Proxy], batch: Cli, toy_engines: Path
) -> None:
    bucket, proxy = proxied
    gone: list[str] = []

    def go(method: str, path: str) -> str:
        gone.extend(["yes"] if path.endswith("in/a/004.png") else [])
        return "refuse" if gone else "pass"

    proxy.judge = go
    result = subprocess.run(command_of(bucket, toy_engines), capture_output=True, text=True)
    assert result.returncode in (1, 3), "3, or 1 where the journal cannot be written either"
    assert "the server cannot be reached" in result.stderr
    assert bucket.keys("out/.efgan-rt/lock"), "its lock could not be removed"
    proxy.judge = lambda method, path: "pass"
    again = batch(bucket.source, bucket.out)
    assert again.status == 0, again.err
    assert len(bucket.outputs()) == 5


def test_each_object_is_read_once_and_none_that_is_done(
    proxied: tuple[Bucket, Proxy], batch: Cli
) -> None:
    bucket, proxy = proxied
    assert batch(bucket.source, bucket.out).status == 0
    assert proxy.count(f"GET /{bucket.name}/in/") == 5
    assert proxy.count(f"HEAD /{bucket.name}/in/") == 0
    proxy.asked.clear()
    assert batch(bucket.source, bucket.out).status == 0
    assert proxy.count(f"GET /{bucket.name}/in/") == 0
    assert proxy.count(f"PUT /{bucket.name}/out/0") == 0


def test_pictures_are_fetched_a_bounded_number_ahead(proxied: tuple[Bucket, Proxy]) -> None:
    bucket, proxy = proxied
    source = place(bucket.source)
    assert isinstance(source, RemotePath)
    jobs = Plan(source, Path("out"), stills(""), tree=BucketTree(source)).jobs()
    coming = fetched_ahead(jobs, lambda job: False, ahead=2)
    first = next(coming)
    assert isinstance(first.source, RemotePath) and first.source.content()
    assert proxy.count(f"GET /{bucket.name}/in/") <= 2
    taken: list[PictureJob] = [first, *coming]
    for job in taken[1:]:
        assert isinstance(job.source, RemotePath) and job.source.content()
    assert proxy.count(f"GET /{bucket.name}/in/") == 5


# Faults that the user can mend.


def test_no_credentials_are_said(moto: str, batch: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    reach(monkeypatch, moto)
    bucket = filled(moto, 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    forget_opened()
    result = batch(bucket.source, "out")
    assert result.status == 1
    assert (
        f"{bucket.source}: cannot be listed: no credentials found; set AWS_ACCESS_KEY_ID"
        in result.err
    )


def test_a_missing_bucket_is_said(server: str, batch: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    reach(monkeypatch, server)
    result = batch("s3://no-such-bucket-here/in", "out")
    assert result.status == 1
    assert "cannot be listed: there is no bucket 'no-such-bucket-here'; make it" in result.err


def test_a_missing_permission_is_said(
    seaweedfs: str, batch: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket = filled(seaweedfs, 2)
    reach(monkeypatch, seaweedfs, **READER)
    assert batch(bucket.source, tmp_path / "out").status == 0
    result = batch(bucket.source, bucket.out)
    assert result.status == 1
    assert (
        "cannot be written: no permission; the credentials in use may not do that in "
        f"'{bucket.name}'" in result.err
    )


def test_wrong_credentials_are_said_and_not_shown(
    seaweedfs: str, batch: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = filled(seaweedfs, 1)
    reach(monkeypatch, seaweedfs, AWS_SECRET_ACCESS_KEY="not-the-secret")
    result = batch(bucket.source, "out")
    assert result.status == 1
    assert "the server does not accept the credentials (SignatureDoesNotMatch)" in result.err
    assert "not-the-secret" not in result.err + result.out


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://key:pass1word@bucket/in", "s3:// with a user or a password in it"),
        ("s3://bucket/in?token=pass1word", "an address has no query here"),
        ("s3://bucket/a/../b", "expected s3://BUCKET or s3://BUCKET/FOLDER"),
        ("ftp://host/in", "ftp:// is no place that can be read; expected a folder, s3:// or gs://"),
        ("https://u:pass1word@host/in", "https:// addresses of pictures are given in a text file"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_its_secrets(
    address: str, said: str, batch: Cli, faces: Path
) -> None:
    for result in (batch(address, "out"), batch(faces, address)):
        assert result.status == 1
        assert said in result.err and "pass1word" not in result.err


@pytest.mark.parametrize(
    "options",
    [
        ("--processes", 2), ("--gpus", "all"), ("--ray", "local"), ("--sidecars",),
        ("--keep-times",), ("--no-links",), ("--report", "page.html"),
    ],
)  # fmt: skip
def test_options_of_local_folders_are_refused(
    options: tuple[object, ...], batch: Cli, faces: Path
) -> None:
    result = batch(faces, "s3://bucket/out", "-e", "happy", *options)
    assert result.status == 1
    assert f"error: {options[0]}" in result.err
    assert "needs local folders for input and output; leave it out" in result.err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (
            ["batch", "in", "out", "-e", "happy", "--contact-sheet", "s3://pass1word@b/a.png"],
            "--co",
        ),
        (
            ["batch", "in", "out", "-e", "happy", "--report", "s3://pass1word@b/run.json"],
            "--report",
        ),
        (["batch", "in", "out", "--reference", "https://pass1word@h/a.jpg"], "--reference"),
        (["batch", "in", "out", "--preset", "gs://pass1word@b/a.toml"], "--preset"),
        (["video", "S3://pass1word@b/a.mp4", "out.mp4", "-e", "happy"], "IN"),
        (["presets", "save", "a", "--from", "s3://pass1word@b/a.toml"], "--from"),
    ],
)
def test_an_address_where_a_path_belongs_is_refused_and_not_shown(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli(*arguments)
    assert result.status == 2 and not list(tmp_path.iterdir())
    said = unboxed(result.err)
    assert option in said and "expected a path on this machine: only IN_DIR and OUT_DIR" in said
    assert "pass1word" not in said


def test_google_storage_is_no_output(batch: Cli, faces: Path) -> None:
    result = batch(faces, "gs://bucket/out")
    assert result.status == 1 and "gs:// is for reading; write to s3://" in result.err


def test_a_missing_package_is_named(batch: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    result = batch("s3://bucket/in", "out")
    assert result.status == 1 and 'pip install "efgan-rt[remote]"' in result.err


# Google Cloud Storage, by another file system of fsspec's: there is no server of it here.


def test_a_tree_of_fsspec_is_read(
    monkeypatch: pytest.MonkeyPatch, faces: Path, batch: Cli, tmp_path: Path
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is missing")
    files = fsspec.filesystem("memory")
    for path in faces.rglob("*.png"):
        files.pipe_file(f"/bucket/in/{path.relative_to(faces)}", path.read_bytes())
    monkeypatch.setitem(sys.modules["efgan_rt.remote.path"]._OPENED, "gs", GoogleStorage(files))
    result = batch("gs://bucket/in", tmp_path / "out")
    assert result.status == 0, result.err
    assert len(list((tmp_path / "out").rglob("*.png"))) == 11
    again = batch("gs://bucket/in", tmp_path / "out")
    assert "11 were already done" in again.out
    result = batch("gs://bucket/none", tmp_path / "out")
    assert result.status == 1 and "no picture found" in result.err


def test_an_object_that_is_replaced_while_it_is_read_is_read_again(
    monkeypatch: pytest.MonkeyPatch, faces: Path, batch: Cli, tmp_path: Path
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is missing")
    files = fsspec.filesystem("memory")
    name, (old, new) = "/bucket/replaced/a.png", sorted(faces.rglob("*.png"))[:2]
    files.pipe_file(name, old.read_bytes())
    read = files.cat_file

    def read_and_replace(path: str) -> bytes:
        data: bytes = read(path)
        files.pipe_file(name, new.read_bytes())
        return data

    monkeypatch.setattr(files, "cat_file", read_and_replace)
    monkeypatch.setitem(sys.modules["efgan_rt.remote.path"]._OPENED, "gs", GoogleStorage(files))
    output = tmp_path / "out" / "a.png"
    assert batch("gs://bucket/replaced", output.parent).status == 0
    first = output.read_bytes()
    assert "1 of 1 picture edited" in batch("gs://bucket/replaced", output.parent).out
    assert output.read_bytes() != first


# Addresses.

SECRETS = ("some-user", "pass1word", "t0ken", "c29tZS11c2VyOnBhc3Mxd29yZA==")
AUTHORIZATION, QUERY = "Basic c29tZS11c2VyOnBhc3Mxd29yZA==", "sig=t0ken"


def listed(path: Path, address: str, names: list[str]) -> Path:
    host = address.removeprefix("http://")
    lines = [f"http://some-user:pass1word@{host}/{name}?sig=t0ken" for name in names]
    path.write_text("\n".join(["# pictures", "", *lines]) + "\n")
    return path


@pytest.mark.parametrize("has_etags", [True, False])
def test_addresses_are_edited_and_no_secret_is_kept(
    has_etags: bool, batch: Cli, faces: Path, tmp_path: Path
) -> None:
    with web_site(AUTHORIZATION, QUERY) as site:
        site.has_etags = has_etags
        names = ["p/00.png", "p/01.png", "q/02.png", "gone.png"]
        for name in names[:3]:
            site.files[f"/{name}"] = (faces / name[2:]).read_bytes()
        source = listed(tmp_path / "list.txt", site.address, names)
        out, report = tmp_path / "out", tmp_path / "run.json"
        result = batch(source, out, "-e", "happy", "--report", report)
        assert result.status == 3, result.err
        assert (
            f"failed: {site.address}/gone.png: cannot be read: nothing is there; mend the line"
            in result.err
        )
        host = site.address.removeprefix("http://")
        made = [str(p.relative_to(out / host)) for p in (out / host).rglob("*.png")]
        assert sorted(made) == names[:3]
        assert [each for each in site.asked if each.startswith("GET /p/00")] == ["GET /p/00.png"]
        site.asked.clear()
        again = batch(source, out, "-e", "happy")
        assert "3 were already done" in again.out
        fetched = [each for each in site.asked if each.startswith("GET /p")]
        assert bool(fetched) is not has_etags, "without versions only the content tells"
        texts = [result.out, result.err, again.out, again.err, report.read_text()]
        kept = [p.read_bytes() for p in (out / ".efgan-rt").rglob("*") if p.is_file()]
        for secret in SECRETS:
            assert not any(secret in text for text in texts)
            assert not any(secret.encode() in data for data in kept)


def test_addresses_go_to_a_bucket_without_secrets(
    bucket: Bucket, batch: Cli, faces: Path, tmp_path: Path
) -> None:
    with web_site(AUTHORIZATION, QUERY) as site:
        site.files["/00.png"] = (faces / "00.png").read_bytes()
        source = listed(tmp_path / "list.txt", site.address, ["00.png"])
        assert batch(source, bucket.out).status == 0
    assert len(bucket.outputs()) == 1
    for key in bucket.keys("out/"):
        assert not any(secret.encode() in bucket.get(key) for secret in SECRETS)


def test_a_host_that_cannot_be_reached_is_failed_by_name(
    batch: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("efgan_rt.remote.addresses.ATTEMPTS", 2)
    source = listed(tmp_path / "list.txt", "http://127.0.0.1:9", ["a.png"])
    result = batch(source, tmp_path / "out")
    assert result.status == 3
    assert (
        "failed: http://127.0.0.1:9/a.png: cannot be read: the server cannot be reached"
        in result.err
    )
    assert not any(secret in result.err for secret in SECRETS)


def test_a_wrong_password_is_failed_by_name(batch: Cli, tmp_path: Path) -> None:
    with web_site("Basic other", QUERY) as site:
        source = listed(tmp_path / "list.txt", site.address, ["a.png"])
        result = batch(source, tmp_path / "out")
    assert (
        result.status == 3
        and "/a.png: cannot be read: the server gives no permission" in result.err
    )


def test_bad_lines_are_named_without_their_secrets(batch: Cli, tmp_path: Path) -> None:
    source = tmp_path / "list.txt"
    source.write_text(
        "# remark\nhttp://host/a.jpg\nftp://u:pass1word@host/a.jpg\nhello pass1word\n"
        "http://host/a/../b.jpg?pass1word\nhttp://host/\nhttp://u:pass1word@host:port/a.jpg\n"
    )
    result = batch(source, tmp_path / "out")
    assert result.status == 1 and "pass1word" not in result.err
    assert (
        f"{source}: 5 of its lines cannot be used: line 3 begins with ftp:; line 4 is no address; "
        "line 5 has a . or .. in its path, ...; expected one http:// or https:// address a line"
    ) in result.err
    source.write_text("# nothing\n")
    result = batch(source, tmp_path / "out")
    assert result.status == 1 and "no picture found" in result.err
    result = batch(source, tmp_path / "out", "-e", "happy", "--exclude", "a")
    assert result.status == 1 and "--exclude is for folders; leave lines out" in result.err


def test_two_addresses_of_one_output_are_refused(batch: Cli, tmp_path: Path) -> None:
    source = listed(tmp_path / "list.txt", "http://host", ["p/a.png", "q/b.png", "p/a.png"])
    result = batch(source, tmp_path / "out")
    assert result.status == 1 and not any(secret in result.err for secret in SECRETS)
    assert (
        "http://host/p/a.png and http://host/p/a.png would both be written to one file"
        in result.err
    )


def test_a_list_is_read_in_groups(tmp_path: Path) -> None:
    source = listed(tmp_path / "list.txt", "http://host", [f"p/{n}.png" for n in range(2500)])
    tree = AddressList(source)
    tree.check()
    sizes = [len(each.pictures) for each in tree.listings(Path("out"))]
    assert sizes == [1000, 1000, 500]
    plan = Plan(source, tmp_path / "out", stills(""), tree=tree)
    assert plan.check(overwrite=False).pictures == 2500
