"""Running many cells for real: kills, crashes, damage, full disks, several processes, a cluster.

All at the scale `smoke` on digits. The end is the same every time: the table of a study that
nothing disturbed, byte by byte.
"""

import asyncio
import http.server
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import distributed
import pytest

from helpers import study
from helpers.cli import main
from helpers.data import datasets, files
from helpers.study import collected, compute, execute, results, status, store, trainings

AXES = (["vae"], [0.5], [0, 1, 2], "smoke")
COMMAND = ["study", "--dataset", "digits", "--models", "vae", "--sigmas", "0.5"]
COMMAND += ["--scale", "smoke"]  # the default seeds are 0 1 2
LONG = 300  # seconds that nothing takes unless it hangs
WHOLE = Path("runs", "results", "digits.csv")


def checksum() -> str:
    return datasets.identity("digits").checksum


def folder(cell) -> Path:
    return store.folder(cell, checksum())


def state(cell) -> str:
    return status.standing(cell, checksum()).state


@pytest.fixture(scope="module")
def cells():
    return study.grid("digits", *AXES)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, cells):
    """A data folder with the finished study, computed in this process, last cell first."""
    home = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFL_HOME", str(home))
        assert execute.run(reversed(cells), progress=False) == []
        results.collect(cells)
    return home


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def finished(undisturbed, home):
    """A data folder of one's own with the finished study."""
    shutil.copytree(undisturbed, home, dirs_exist_ok=True)
    return home


@pytest.fixture(scope="module")
def expected(undisturbed):
    """The table of the undisturbed study."""
    return (undisturbed / WHOLE).read_bytes()


# Processes: forked from one that has imported everything, so that a start takes no time


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["distributed", "helpers.study.execute", "helpers.study.results"])


def _study(home: Path, arguments: list[str]) -> None:
    """A study in a process group of its own; what it says goes to `log` in its data folder."""
    os.setsid()
    os.environ["NFL_HOME"] = str(home)
    log = os.open(home / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.exit(main(arguments))


def start(home: Path, *more: str) -> multiprocessing.Process:
    process = FORKS.Process(target=_study, args=(home, [*COMMAND, *more]))
    process.start()
    wait_until(lambda: process.exitcode is not None or os.getpgid(process.pid) == process.pid)
    return process


def finish(process: multiprocessing.Process, home: Path, code: int = 0) -> str:
    process.join(LONG)
    said = (home / "log").read_text()
    assert process.exitcode == code, said
    return said


def in_flight(home: Path) -> list[store.Heartbeat]:
    """The cells being computed."""
    folders = (home / "runs" / "digits").glob("*-smoke-*")
    return [beat for folder in folders for beat in store.heartbeats(folder) if beat.alive]


def wait_until(condition, seconds: float = LONG):
    """The first true value of `condition()`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return value


def test_ten_kills_at_random_moments_lose_nothing(home, expected):
    chance, kills = random.Random(5), 0
    while kills < 10:
        process = start(home)
        process.join(chance.uniform(0.05, 2.0))
        if process.exitcode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
        else:  # it was finished: take a finished cell away, so that there is more to kill
            assert process.exitcode == 0
            shutil.rmtree(chance.choice(sorted((home / "runs" / "digits").glob("*-smoke-*"))))
    finish(start(home), home)
    assert (home / WHOLE).read_bytes() == expected


def test_two_studies_share_a_grid(home, expected):
    both = [start(home) for _ in range(2)]
    for process in both:
        finish(process, home)
    assert (home / WHOLE).read_bytes() == expected
    assert not list(home.rglob("running.*"))


def test_two_workers_end_with_their_parent_and_one_may_die(home, expected, root):
    def begin() -> subprocess.Popen:
        command = [sys.executable, "-m", "helpers", *COMMAND, "--workers", "2"]
        with (home / "log").open("a") as log:
            return subprocess.Popen(command, cwd=root, stdout=log, stderr=log)

    parent = begin()
    workers = {beat.pid for beat in wait_until(lambda: in_flight(home))}
    assert parent.pid not in workers
    parent.kill()
    parent.wait()
    wait_until(lambda: not in_flight(home), seconds=30)

    parent = begin()
    os.kill(wait_until(lambda: in_flight(home))[0].pid, signal.SIGKILL)
    assert parent.wait(timeout=LONG) == 0, (home / "log").read_text()
    assert (home / WHOLE).read_bytes() == expected


def _scheduler(port: int) -> None:
    """A Dask scheduler, as `dask scheduler` runs it."""
    asyncio.run(_serve(distributed.Scheduler, host="127.0.0.1", port=port, dashboard=False))


def _worker(address: str) -> None:
    """A worker of it, as `dask worker --nthreads 1 --no-nanny` runs it."""
    asyncio.run(_serve(distributed.Worker, address, nthreads=1, dashboard=False))


async def _serve(kind, *arguments, **options) -> None:
    async with kind(*arguments, **options) as server:
        await server.finished()


@pytest.fixture
def cluster():
    """The address of a Dask scheduler with two worker processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    servers = [FORKS.Process(target=_scheduler, args=(port,))]
    servers += [FORKS.Process(target=_worker, args=(address,)) for _ in range(2)]
    for server in servers:
        server.start()
    with socket.socket() as probe:
        wait_until(lambda: probe.connect_ex(("127.0.0.1", port)) == 0)
    yield address
    for server in reversed(servers):
        server.kill()
        server.join()


def test_a_cluster_computes_the_same_though_a_worker_is_killed(home, expected, cluster):
    process = start(home, "--scheduler", cluster)
    victim = wait_until(lambda: in_flight(home))[0]
    assert victim.pid != process.pid
    os.kill(victim.pid, signal.SIGKILL)
    finish(process, home)
    assert (home / WHOLE).read_bytes() == expected


def test_a_port_that_is_no_scheduler_is_one_error_within_seconds(home, capsys):
    """A dashboard's, say: it answers, in another language."""
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        began = time.monotonic()
        assert main([*COMMAND, "--scheduler", f"tcp://127.0.0.1:{server.server_port}"]) == 1
        assert time.monotonic() - began < 15
        server.shutdown()
    *_, said = capsys.readouterr().err.strip().splitlines()
    assert "no Dask scheduler answers at" in said and "as the dashboard at 8787" in said


def test_a_scheduler_that_is_not_there_is_one_error_within_seconds(home, capsys):
    began = time.monotonic()
    assert main([*COMMAND, "--scheduler", "tcp://127.0.0.1:9"]) == 1
    assert time.monotonic() - began < 10
    *_, said = capsys.readouterr().err.strip().splitlines()
    assert said.startswith("error: no Dask scheduler answers at tcp://127.0.0.1:9")
    with pytest.raises(ValueError, match="give its address as in tcp://host:8786"):
        execute.run(study.grid("digits", *AXES), scheduler="nonsense", progress=False)


# Damage


@pytest.mark.parametrize("damage", ["truncated", "emptied", "garbage"])
def test_damaged_files_are_made_again(finished, cells, expected, damage):
    place = folder(cells[0])
    results_folder = (finished / WHOLE).parent
    paths = [place / name for name in ("full.npz", "metrics.json", "arrays.npz")]
    paths += [place / "failed.json", finished / WHOLE, results_folder / "digits.json"]
    paths += [results_folder / "digits" / f"{cells[1].name}.npz"]
    for path in paths:
        content = path.read_bytes() if path.exists() else b"{}"
        half = content[: len(content) // 2]
        path.write_bytes({"truncated": half, "emptied": b"", "garbage": b"\x00\xffno"}[damage])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert main(COMMAND) == 0
    assert sum("damaged" in str(warning.message) for warning in caught) >= 2
    assert (finished / WHOLE).read_bytes() == expected
    again = [path.read_bytes() for path in paths if path.suffix == ".npz"]
    whole = [finished_copy(path, finished) for path in paths if path.suffix == ".npz"]
    assert [len(content) > 100 for content in again] == whole


def finished_copy(path: Path, home: Path) -> bool:
    """Whether the archive can be read."""
    return files.read_arrays(path) is not None


@pytest.mark.parametrize("name", ["metrics.json", "arrays.npz"])
def test_a_lost_file_of_a_finished_cell_costs_a_measurement_only(
    finished, cells, expected, name, monkeypatch
):
    (folder(cells[0]) / name).unlink()
    monkeypatch.setattr(trainings, "train_role", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert execute.run(cells, progress=False) == []
    assert results.collect(cells).table.read_bytes() == expected


# A store that cannot be written


@pytest.fixture
def disk(home):
    """A small disk of its own at the data folder, as a function of its options."""
    mounted = []

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(home)]
        if "remount" not in options and subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount a disk to fill")
        if "remount" in options:
            subprocess.run(command, check=True)
        mounted.append(home)

    yield mount
    if mounted:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def error_of(capsys, arguments: list[str]) -> str:
    """The one line that a study that cannot be kept says."""
    assert main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if line and "%|" not in line]  # without the progress bar
    said = [line for line in told if not line.startswith("images of ")]
    assert len(said) == 1 and said[0].startswith("error: "), said
    return said[0]


def test_a_full_disk_is_one_error_and_finished_cells_are_kept(
    disk, home, undisturbed, cells, expected, capsys
):
    disk("size=2m")
    shutil.copytree(undisturbed, home, dirs_exist_ok=True)
    kept, lost = (folder(cell) for cell in cells[:2])
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    shutil.rmtree(lost)
    filler = home / "filler"
    free = shutil.disk_usage(home).free
    filler.write_bytes(bytes(free - 40_000))  # room for signs of life, not for a training
    said = error_of(capsys, COMMAND)
    assert "cannot be written: No space left on device (" in said and " free" in said
    assert "Make room there, or set NFL_HOME" in said
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before
    filler.unlink()
    assert main(COMMAND) == 0
    assert (home / WHOLE).read_bytes() == expected


def test_a_file_that_may_not_grow_is_one_error_too(home, capsys):
    """As under a quota; this needs no root."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        said = error_of(capsys, COMMAND)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "full.npz cannot be written: File too large" in said
    assert not [path for path in home.rglob("*.npz.*") if path.is_file()]


def test_a_read_only_store_answers_but_does_not_compute(disk, home, undisturbed, cells, capsys):
    disk("size=9m")
    shutil.copytree(undisturbed, home, dirs_exist_ok=True)
    shutil.rmtree(folder(cells[0]))
    disk("remount,ro")
    assert main([*COMMAND, "--status"]) == 0
    rows = [row.split() for row in capsys.readouterr().out.splitlines()]
    assert ["all", "2", "0", "0", "1"] in rows
    assert main([*COMMAND[:-2], "--seeds", "1", "2", "--scale", "smoke"]) == 0
    said = error_of(capsys, COMMAND)
    assert "Read-only file system. Make the folder writable, or set NFL_HOME" in said


def test_a_data_folder_that_is_a_file_is_one_error(home, monkeypatch, capsys):
    (home / "file").write_text("")
    monkeypatch.setenv("NFL_HOME", str(home / "file"))
    assert "cannot be written: " in error_of(capsys, COMMAND)


# Failures


def failing(error: Exception, seed: int = 0):
    """`run_cell` that fails with `error` for one seed, and keeps count."""
    real = compute.run_cell

    def run_cell(cell, *, device, measures):
        run_cell.called += 1
        if cell.seed == seed:
            raise error
        return real(cell)

    run_cell.called = 0
    return run_cell


@pytest.fixture
def one_missing(finished, cells):
    """The finished study without its first cell."""
    shutil.rmtree(folder(cells[0]))
    return finished


def test_a_failed_cell_is_named_and_tried_again_when_asked(
    one_missing, cells, expected, capsys, monkeypatch
):
    run_cell = failing(ArithmeticError("metrics fid are\nnot finite"))
    with monkeypatch.context() as patch:
        patch.setattr(compute, "run_cell", run_cell)
        for attempt in (1, 2):  # the second time it is left alone, and named all the same
            assert main(COMMAND) == 1
            assert run_cell.called == 1
            said = capsys.readouterr()
            cause = f"failed: digits {cells[0].name}: ArithmeticError: metrics fid are not finite"
            assert cause in said.err and "--retry-failed" in said.err, attempt
            assert "2 of 3 cells done" in said.out
        assert main([*COMMAND, "--retry-failed"]) == 1 and run_cell.called == 2
        monkeypatch.setattr(store, "program", lambda: "another")
        assert main(COMMAND) == 1 and run_cell.called == 3  # a changed program may do better
    assert main([*COMMAND, "--retry-failed"]) == 0
    assert (one_missing / WHOLE).read_bytes() == expected


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        MemoryError("no room"),
        RuntimeError("can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_what_a_machine_lacked_is_tried_again_by_every_run(one_missing, cells, monkeypatch, error):
    run_cell = failing(error)
    monkeypatch.setattr(compute, "run_cell", run_cell)
    for times in (1, 2):
        (failure,) = execute.run(cells, progress=False)
        assert failure.cell == cells[0] and run_cell.called == times


def test_a_failing_cell_does_not_stop_the_others(home, cells, monkeypatch):
    monkeypatch.setattr(compute, "run_cell", failing(RuntimeError("no luck with seed 0")))
    (failure,) = execute.run(cells[:2], progress=False)
    assert failure == execute.Failure(cells[0], "RuntimeError: no luck with seed 0")
    assert store.record(cells[1], checksum()) is not None


# Status


def test_status_tells_done_running_failed_and_missing(finished, cells, capsys):
    done, failed, running = cells
    for cell in (failed, running):
        (folder(cell) / "metrics.json").unlink()
        (folder(cell) / f"{cell.roles[-1]}.npz").unlink()
    beat = store.heartbeat_path(folder(running))
    beat.write_text("{}")
    store.keep_failure(failed, checksum(), "bad luck", lasting=True)
    command = [*COMMAND[:-2], "--seeds", "0", "1", "2", "3", "--scale", "smoke", "--status"]
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["counts"] == {"done": 1, "running": 1, "failed": 1, "missing": 1}
    kept = len(done.roles) - 1
    assert [len(each["roles"]) for each in answer["cells"]] == [kept + 1, kept, kept, 0]
    record = files.read_json(folder(done) / "metrics.json")
    per_role = record["training_core_seconds"] / len(done.roles)
    left = 3 * record["core_seconds"] - 2 * kept * per_role
    assert answer["core_seconds_left"] == pytest.approx(left, abs=0.1)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"images of digits: scikit-learn, sha256 {checksum()[:12]}")
    assert f"failed: digits {failed.name}: bad luck" in said
    assert f"running: digits {running.name}: on {socket.gethostname()}, process" in said
    assert "of core time left" in said
    assert main([*command, "--measures", "fidelity"]) == 0  # what a measure takes is not kept
    assert "of training time left" in capsys.readouterr().out
    # A process that is gone, has long given no sign of life, or gave one in days to come, is not
    # running.
    for time_of_life in (0, time.time() + 3 * 86_400):
        os.utime(beat, (time_of_life, time_of_life))
        assert state(running) == "missing"
    beat.rename(beat.with_name(f"running.{socket.gethostname()}.{2**22 + 1}"))
    assert state(running) == "missing"


def test_a_wait_says_for_whom(one_missing, cells, monkeypatch):
    place = folder(cells[0])
    beat = place / "running.another-machine.7"
    place.mkdir()
    beat.write_text("{}")
    monkeypatch.setattr(execute.time, "sleep", lambda seconds: beat.unlink())
    with pytest.warns(UserWarning, match="computed elsewhere: digits vae-0.5-s0-smoke on another-"):
        assert execute.run(cells, progress=False) == []


def test_a_dry_run_names_what_a_run_would_compute(one_missing, cells, capsys):
    assert main([*COMMAND, "--dry-run"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert names[0].startswith("images of digits: scikit-learn, sha256 ")
    assert names[1] == f"digits {cells[0].name}" and names[2].startswith("1 cells to compute")
    assert main([*COMMAND, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == [f"digits {cells[0].name}"]
    assert state(cells[0]) == "missing"


def test_what_is_collected_is_done_though_the_store_is_gone(
    finished, cells, expected, capsys, monkeypatch
):
    """As in a fresh clone, whose results are committed."""
    committed = finished / "results"
    (finished / "runs" / "results").rename(committed)
    monkeypatch.setattr(collected, "root", lambda *_: committed)
    shutil.rmtree(finished / "runs")
    run_cell = failing(RuntimeError("computed again"), seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(compute, "run_cell", run_cell)
        assert main(COMMAND) == 0
        assert main([*COMMAND, "--status"]) == 0
        *_, total, left = capsys.readouterr().out.splitlines()
        assert total.split() == ["all", "3", "0", "0", "0"] and left.startswith("about 0 s")
        assert run_cell.called == 0 and (committed / "digits.csv").read_bytes() == expected
        (committed / "digits" / f"{cells[1].name}.npz").unlink()
        assert main(COMMAND) == 1 and run_cell.called == 1
        assert main([*COMMAND, "--recompute", "--retry-failed", "--dry-run"]) == 0
        assert "3 cells to compute" in capsys.readouterr().out
        assert main([*COMMAND, "--status"]) == 0  # whose estimate rests on what is collected
        assert "none is finished" not in capsys.readouterr().out
    assert main([*COMMAND, "--retry-failed"]) == 0
    assert (committed / "digits.csv").read_bytes() == expected
    assert [folder(cell).exists() for cell in cells] == [0, 1, 0]


def test_an_estimate_without_a_finished_cell_says_so(home, capsys):
    assert main([*COMMAND, "--status"]) == 0
    assert "not known for vae: none is finished to estimate it from" in capsys.readouterr().out


def test_what_is_done_is_told_without_pytorch(finished, root):
    """`--status` and a warm run answer at once, so they must not import what takes seconds."""
    assert main([*COMMAND, "--status"]) == 0  # reads the images, and remembers their checksum
    program = (
        "import sys; from helpers.cli import main; "
        f"assert main({COMMAND!r} + ['--status']) == 0; assert main({COMMAND!r}) == 0; "
        "assert not {'torch', 'sklearn', 'pandas', 'joblib'} & set(sys.modules)"
    )
    helped = "import sys; from helpers.cli import main\ntry: main(['study', '--help'])\nfinally: "
    for asked in (program, f"{helped}assert not {{'torch', 'pandas'}} & set(sys.modules)"):
        subprocess.run([sys.executable, "-c", asked], check=True, cwd=root, capture_output=True)


def test_a_committed_study_is_told_without_pytorch_or_images(root, home):
    """As in a fresh clone on a machine without a network."""
    offline = {"NFL_DATA": "", "PIP_INDEX_URL": "http://127.0.0.1:9", "https_proxy": "127.0.0.1:9"}
    command = ["study", "--dataset", "mnist", "octmnist", "organamnist", "--status"]
    program = (
        "import sys; from helpers.cli import main; "
        f"assert main({command!r}) == 0; assert not {{'torch', 'pandas'}} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env=os.environ | offline,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *_, total, left = done.stdout.splitlines()
    assert total.split() == ["all", "189", "0", "0", "0"] and left.startswith("about 0 s")
    assert "images of organamnist: those of the collected results; none are here" in done.stdout
