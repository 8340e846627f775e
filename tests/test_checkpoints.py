"""A training that is killed and goes on gives the bytes of one that nobody disturbed."""

import multiprocessing
import os
import random
import signal
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_training import CLASSES, GREY, SLOTS, records

from helpers.data import datasets, files
from helpers.models import families, networks
from helpers.models.gan import LossGapSchedule
from helpers.randomness import generator as stream
from helpers.study import Cell, host, status, store, trainings
from helpers.study.cell import MODELS
from helpers.training import checkpoint as checkpoints
from helpers.training import fit as training
from helpers.training.checkpoint import Checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
ARMS = {"sgd": 0.0, "clipped": 0.0, "dp": 0.5}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder, in whose store a training keeps its state after every step."""
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    monkeypatch.setattr(checkpoints, "EVERY_SECONDS", 0)
    return tmp_path


def fit(name: str, arm: str, checkpoint: Checkpoint | None = None, steps=12, **options):
    """The bytes of all that a training gives: at smoke scale, its options on."""
    preset = replace(families.preset(name, "smoke"), **options)
    how = {"sample_rate": 0.3, "draws": 2, "ema_decay": 0.9, "annealed": True}
    run = replace(preset.training, steps=steps, **how)
    built = {"classes": CLASSES, "shape": GREY, "generator": stream(0, "w"), "preset": preset}
    model = networks.build(name, "smoke", **built)
    where = {"slots": SLOTS, "places": torch.arange(SLOTS), "seed": 0, "checkpoint": checkpoint}
    fitted = training.fit(model, records(), arm=arm, sigma=ARMS[arm], training=run, **where)
    weights = {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    return (
        weights,
        str(fitted.history),
        model.sample(torch.arange(CLASSES), generator=stream(0, "s")),
    )


def same(one, other) -> bool:
    return one[:2] == other[:2] and torch.equal(one[2], other[2])


class Killed(BaseException):
    """Nobody catches it."""


@pytest.fixture
def killer(monkeypatch):
    """`killer.left = n` ends what runs at the n-th of the moments within its steps from then on."""

    class Killer:
        left = 0

        def moment(self) -> None:
            self.left -= 1
            if self.left == 0:
                raise Killed

    killer = Killer()

    def watched(owner, name: str) -> None:
        real = getattr(owner, name)

        def call(*given, **named):
            killer.moment()
            result = real(*given, **named)
            killer.moment()
            return result

        monkeypatch.setattr(owner, name, call)

    watched(training.dp, "private_gradient")
    watched(training.Adam, "step")
    watched(training.Average, "update")
    watched(checkpoints.torch, "save")
    watched(checkpoints.np, "savez")  # after it the file has its temporary name still
    return killer


def killed_ten_times(killer, path, *what, **options):
    """A training that is killed at ten random moments, each time after some of its steps."""
    chance, kills = random.Random(3), 0
    while kills < 10:
        killer.left = chance.randint(1, 40)
        try:
            found = fit(*what, checkpoint=Checkpoint(path, *what, device=CPU), **options)
        except Killed:
            kills += 1
        else:  # it came to its end: from its start again
            path.unlink()
    killer.left = 0
    began = np.load(path)["step"] if path.exists() else 0
    found = fit(*what, checkpoint=Checkpoint(path, *what, device=CPU), **options)
    return found, began


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", MODELS)
def test_ten_kills_leave_no_trace(name, arm, home, killer):
    found, began = killed_ten_times(killer, store.runs_root() / "x.npz", name, arm)
    assert same(found, fit(name, arm)) and began > 0


OPTIONS = [{"discriminator_steps": 5}, {"labels": "batch", "schedule": "loss-gap"}]


@pytest.mark.parametrize("options", OPTIONS, ids=["five-to-one", "authors"])
def test_what_the_gan_carries_beside_its_weights_goes_on_too(options, home, killer, monkeypatch):
    monkeypatch.setattr(LossGapSchedule, "grace", 2)
    monkeypatch.setattr(LossGapSchedule, "longest", 4)
    found, began = killed_ten_times(killer, store.runs_root() / "x.npz", "gan", "dp", **options)
    assert same(found, fit("gan", "dp", **options)) and began > 0


def half_done(killer, path, *what, moments=60) -> bytes:
    """The state of a training that was killed."""
    killer.left = moments
    with pytest.raises(Killed):
        fit(*what, checkpoint=Checkpoint(path, *what, device=CPU))
    killer.left = 0
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "emptied", "garbage", "a bit", "another"])
def test_a_state_that_is_not_this_training_s_is_left_with_one_message(damage, home, killer):
    path = store.runs_root() / "x.npz"
    whole = half_done(killer, path, "vae", "dp")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    content = {"truncated": whole[: len(whole) // 2], "emptied": b"", "garbage": b"\x00\xffno"}
    path.write_bytes((content | {"a bit": bytes(flipped), "another": whole})[damage])
    what = ("vae", "clipped" if damage == "another" else "dp")
    with pytest.warns(UserWarning) as caught:
        found = fit(*what, checkpoint=Checkpoint(path, *what, device=CPU))
    assert len(caught) == 1 and "x.npz is " in str(caught[0].message)
    assert same(found, fit(*what))


def test_damage_anywhere_is_seen_or_does_no_harm(home):
    chance, numbers = random.Random(0), torch.arange(5.0)
    known = Checkpoint(store.runs_root() / "x.npz", "what", device=CPU)
    known.write({"step": 3, "seconds": 1.0, "weights": numbers})
    whole, found = known.path.read_bytes(), []
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        known.path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(known.read())
    assert all(torch.equal(state["weights"], numbers) for state in found if state)
    assert found.count(None) > len(whole) / 2


def test_a_state_of_another_device_is_not_gone_on_from(home, killer):
    path = store.runs_root() / "x.npz"
    half_done(killer, path, "vae", "dp")
    with pytest.warns(UserWarning, match="or of another training; this one starts anew"):
        assert Checkpoint(path, "vae", "dp", device=torch.device("meta")).read() is None


# A cell


CELL = Cell("digits", "vae", "dp", 0.5, 0, "quick")
NEVER = {"core_seconds", "images_per_second"}  # of what is kept, the times alone differ


def run(cell: Cell = CELL) -> dict[str, np.ndarray]:
    dataset = datasets.load(cell.dataset)
    sets = trainings.neighbours(cell, dataset)
    return trainings.run_role(cell, dataset, sets, "full", CPU)


def content(kept: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in kept.items() if name not in NEVER}


def place() -> tuple:
    folder = store.folder(CELL, datasets.identity("digits").checksum)
    return folder / "full.npz", store.checkpoint_path(folder, "full")


def _run(home) -> None:
    """In a process that is killed."""
    os.environ["NFL_HOME"] = str(home)
    checkpoints.EVERY_SECONDS = 0
    with host.one_thread():
        run()


def test_ten_kills_of_its_process_leave_no_trace_of_a_run(home):
    """Whenever the system ends it: within a step, within a write, between the two."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["helpers.study.trainings"])
    expected, (kept, path) = content(run()), place()
    assert not path.exists()  # the state goes when the run is there
    kept.unlink()
    chance, kills = random.Random(1), 0
    while kills < 10:
        process = forks.Process(target=_run, args=(home,))
        before = path.stat().st_ino if path.exists() else None
        process.start()
        while process.is_alive() and (not path.exists() or path.stat().st_ino == before):
            process.join(0.005)  # until it has gone on
        process.join(chance.uniform(0, 0.1))
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills += 1
        else:
            assert process.exitcode == 0
            kept.unlink(missing_ok=True)
    assert content(run()) == expected and not path.exists()
    assert content(files.read_arrays(kept)) == expected


def test_a_short_training_keeps_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("NFL_HOME", str(tmp_path))
    written = []
    monkeypatch.setattr(Checkpoint, "write", lambda *given: written.append(given))
    run()
    assert written == []


def test_the_time_of_killed_processes_is_told(home, killer):
    killer.left = 100
    with pytest.raises(Killed):
        run()
    killer.left = 0
    kept = float(np.load(place()[1])["seconds"])
    assert 0 < kept < float(run()["core_seconds"])


def test_status_tells_how_far_a_training_is(home, killer):
    killer.left = 500
    with pytest.raises(Killed):
        run()
    checksum = datasets.identity("digits").checksum
    step = int(np.load(place()[1])["step"])
    told = status.standing(CELL, checksum)
    assert told.state == "missing" and f"full kept at step {step} of 100, about " in told.detail
    store.heartbeat_path(place()[0].parent).touch()
    told = status.standing(CELL, checksum)
    assert told.state == "running" and f"; full kept at step {step} of 100, about " in told.detail
    place()[1].write_bytes(b"damaged")
    assert "step" not in status.standing(CELL, checksum).detail
