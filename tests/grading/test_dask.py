"""A cluster of worker processes on this machine: killed workers, memory, addresses, Ctrl-C."""

import dataclasses
import os
import signal
import sys
import time

import nbformat
import psutil
import pytest

from gencourse.course import CourseError
from gencourse.grading import executors
from gencourse.grading.grade import run
from gencourse.grading.submissions import Submission

from .conftest import needs_sandbox
from .disturb import alive, copy_of, dump, family, finish, kept, start, until
from .fakes import ENDS_ITS_WORKER, by_its_bytes
from .test_resume import hand_in, people, wait_for_results

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def crew(package, tmp_path_factory):
    """Two workers."""
    with executors.dask(package, 2, tmp_path_factory.mktemp("scratch"), None) as made:
        yield made


def workers_below(pid):
    """Return the worker processes of a cluster that a process has started."""
    return [p for p, _ in family(pid) if "spawn_main" in " ".join(psutil.Process(p).cmdline())]


def test_workers_killed_during_the_run_cost_nobody(prepared, package, tmp_path):
    submissions, _ = hand_in(tmp_path, 24, seconds=0.25)
    disturbed, calm = (copy_of(prepared, tmp_path / name, package) for name in ("one", "two"))
    process = start(disturbed, submissions, "--executor=dask", "--workers=3")
    wait_for_results(disturbed, 4, process)
    for _ in range(2):
        os.kill(workers_below(process.pid)[0], signal.SIGKILL)
        time.sleep(0.5)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "24 submissions: 24 graded" in out
    finish(calm, submissions)
    assert dump(disturbed) == dump(calm)


def test_one_that_ends_its_worker_each_time_is_not_gradable(package, crew, tmp_path):
    submissions, _ = hand_in(tmp_path, 8, seconds=0.05)
    class_ = [Submission("bad", "bad", ENDS_ITS_WORKER), *people(submissions)]
    results = {s.student: r for s, r in run(class_, crew, package, grader=by_its_bytes)}
    assert len(results) == 9 and "was killed" in results.pop("bad")["reasons"][0]
    assert {r["status"] for r in results.values()} == {"graded"}


@needs_sandbox
@pytest.mark.kernel
def test_real_submissions_and_the_memory_of_a_worker(package, crew, solved):
    notebook = nbformat.writes(solved).encode()
    class_ = [Submission(f"s{i}", "", notebook) for i in range(4)]
    results = [r for _, r in run(class_, crew, package)]
    assert len(results) == 4
    for result in results:
        assert result["status"] == "graded", result["reasons"]
        assert sum(t["score"] for t in result["tests"].values()) == 11
        assert result["peak_mib"] < 250
    assert not crew.executor.submit(has_torch).result()


def has_torch():
    return "torch" in sys.modules


def test_nothing_listens_on_the_network(crew):
    here = psutil.Process()
    listening = [
        c.laddr.ip
        for process in (here, *here.children(recursive=True))
        for c in process.net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3 and set(listening) == {"127.0.0.1"}


def test_a_cluster_that_runs_already(package, tmp_path):
    from distributed import LocalCluster

    submissions, _ = hand_in(tmp_path, 6, seconds=0.5)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        other = dataclasses.replace(package, version="0+000000000000")
        with executors.dask(other, 2, tmp_path, address) as crew:
            with pytest.raises(CourseError, match="install the same gencourse"):
                list(run(people(submissions), crew, other, grader=by_its_bytes))
        same = dataclasses.replace(package, version=executors.grader_version())
        with executors.dask(same, 2, tmp_path, address) as crew:
            finished = []
            with pytest.raises(CourseError, match="the workers are gone"):
                for item in run(people(submissions), crew, same, grader=by_its_bytes):
                    finished.append(item)
                    if len(finished) == 2:
                        cluster.close()
    assert len(finished) >= 2


def test_a_scheduler_that_does_not_answer_is_one_line(package, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 1)
    with pytest.raises(CourseError, match="no dask scheduler at tcp"):
        with executors.dask(package, 2, tmp_path, "tcp://127.0.0.1:1"):
            pass


def test_ctrl_c_ends_the_cluster(prepared, package, tmp_path):
    submissions, _ = hand_in(tmp_path, 40, seconds=0.3)
    own = copy_of(prepared, tmp_path / "course", package)
    process = start(own, submissions, "--executor=dask")
    wait_for_results(own, 3, process)
    below = family(process.pid)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 5  # of which the cluster's own end takes some
    until(lambda: not alive(below), 2)
    assert "the same command goes on" in err and err.count("Traceback") == 1, err
    done = len(kept(own))
    assert f"{40 - done} graded now, {done} unchanged" in finish(own, submissions)
