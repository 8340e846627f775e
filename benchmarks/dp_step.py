"""How much longer a private step takes than a plain one, and than Opacus' private step.

Measured in one process on the same network and batch, by turns, so that whatever else the machine
does falls on all alike: a number is the median over the rounds of the ratio within a round. The
step of this project counts whole (clipping, sum, noise, division); its rivals clip and sum only:

- floor: forward and backward pass without privacy;
- opacus hooks: `GradSampleModule`, then the clipped sum of `grad_sample`;
- opacus ghost: `GradSampleModuleFastGradientClipping`, two backward passes.

One thread is judged by processor time, two threads by the clock on the wall.

    python benchmarks/dp_step.py [--rounds 15]
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable

import report
import torch
from opacus import GradSampleModule
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from helpers.models import families, networks
from helpers.randomness import generator as stream
from helpers.training import dp

C = 1.0
CASES = [("vae", "compact", 100), ("gan", "compact", 100), ("ddpm", "compact", 100)]
CASES += [("vae", "paper", 64)]


class Batch:
    """A freshly built model and the per-record losses of a batch; equal for equal arguments."""

    def __init__(self, name: str, scale: str, records: int):
        draw = stream(0, "benchmark")
        self.model = networks.build(name, scale, classes=10, generator=draw)
        self.draws = families.preset(name, scale).training.draws
        images = torch.rand(records, 1, 28, 28, generator=draw).repeat_interleave(self.draws, 0)
        labels = (torch.arange(records) % 10).repeat_interleave(self.draws)
        randomness = self.model.randomness(len(images), generator=draw)
        self.losses: Callable[[], Tensor] = lambda: self.model.losses(images, labels, randomness)
        self.parameters = list(self.model.noised.parameters())


def floor(batch: Batch) -> Callable[[], list[Tensor]]:
    """The step without privacy."""
    return lambda: list(torch.autograd.grad(batch.losses().sum() / batch.draws, batch.parameters))


def ours(batch: Batch, sigma: float = 1.0) -> Callable[[], list[Tensor]]:
    """The private step of this project."""
    noise = stream(0, "benchmark/noise")
    return lambda: (
        dp.private_gradient(
            batch.model.noised,
            batch.losses,
            max_grad_norm=C,
            noise_multiplier=sigma,
            normaliser=1.0,
            generator=noise,
            draws=batch.draws,
        ).values
    )


def opacus_hooks(batch: Batch) -> Callable[[], list[Tensor]]:
    """Per-record gradients of every parameter, clipped and summed as Opacus' optimiser does."""
    GradSampleModule(batch.model.noised, loss_reduction="sum")
    return lambda: sum_by_hooks(batch.parameters, batch.losses(), C, batch.draws)[0]


def sum_by_hooks(
    parameters: list[Tensor], losses: Tensor, bound: float, draws: int
) -> tuple[list[Tensor], Tensor]:
    """The clipped sum and the norms [n], the parameters being those of a `GradSampleModule`."""
    for p in parameters:
        p.grad = p.grad_sample = None
    (losses.sum() / draws).backward()
    samples = [p.grad_sample for p in parameters]
    if draws > 1:
        samples = [g.unflatten(0, (-1, draws)).sum(1) for g in samples]
    norms = torch.stack([g.flatten(1).norm(2, dim=1) for g in samples], 1).norm(2, dim=1)
    factors = (bound / (norms + 1e-6)).clamp(max=1.0)
    return [torch.einsum("i,i...", factors, g) for g in samples], norms


def opacus_ghost(batch: Batch) -> Callable[[], list[Tensor]] | None:
    """Norms from a first backward pass, the clipped sum from a second; not for several draws."""
    if batch.draws > 1:
        return None
    wrapped = GradSampleModuleFastGradientClipping(
        batch.model.noised, loss_reduction="sum", max_grad_norm=C, use_ghost_clipping=True
    )

    def step() -> list[Tensor]:
        for p in batch.parameters:
            p.grad = None
        losses = batch.losses()
        wrapped.enable_hooks()
        losses.sum().backward(retain_graph=True)
        factors = wrapped.get_clipping_coef()
        for p in batch.parameters:
            p.grad = None
        wrapped.disable_hooks()
        (factors * losses).sum().backward()
        wrapped.enable_hooks()
        return [p.grad for p in batch.parameters]

    return step


STEPS = {
    "floor": floor,
    "ours": ours,
    "opacus hooks": opacus_hooks,
    "opacus ghost": opacus_ghost,
}


def check(name: str, scale: str, records: int, steps: dict[str, Callable]) -> None:
    """Raise `ValueError` unless the private steps compute the same clipped sum."""
    expected = flat(ours(Batch(name, scale, records), sigma=0.0)())
    for rival in ("opacus hooks", "opacus ghost"):
        if rival in steps:
            error = ((flat(steps[rival]()) - expected).norm() / expected.norm()).item()
            if not error < 1e-4:
                raise ValueError(f"{name} {scale}: {rival} differs by {error:.1e} from our sum")


def flat(tensors: list[Tensor]) -> Tensor:
    """All numbers of the tensors, in double precision."""
    return torch.cat([t.flatten() for t in tensors]).double()


def measure(name: str, scale: str, records: int, *, threads: int, rounds: int) -> dict:
    """Median seconds of each step, and median ratios within a round to ours and to the floor."""
    torch.set_num_threads(threads)
    built = {step: make(Batch(name, scale, records)) for step, make in STEPS.items()}
    steps = {step: run for step, run in built.items() if run is not None}
    check(name, scale, records, steps)
    seconds: dict[str, dict[str, list[float]]] = {
        clock: {step: [] for step in steps} for clock in ("wall", "cpu")
    }
    for _ in range(rounds):
        for step, run in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            seconds["wall"][step].append(time.perf_counter() - wall)
            seconds["cpu"][step].append(time.process_time() - cpu)

    def ratio(clock: str, above: str, below: str) -> float:
        pairs = zip(seconds[clock][above], seconds[clock][below], strict=True)
        return round(statistics.median(a / b for a, b in pairs), 3)

    return {
        "model": name,
        "scale": scale,
        "records": records,
        "threads": threads,
        "milliseconds": {
            clock: {step: round(1e3 * statistics.median(t), 2) for step, t in by_step.items()}
            for clock, by_step in seconds.items()
        },
        "ours / floor": {clock: ratio(clock, "ours", "floor") for clock in seconds},
        **{
            f"{rival} / ours": {clock: ratio(clock, rival, "ours") for clock in seconds}
            for rival in steps
            if rival.startswith("opacus")
        },
    }


def shares(name: str, scale: str, records: int, *, rounds: int) -> dict[str, float]:
    """Where our step's time goes on one thread: shares of the dearest operators."""
    torch.set_num_threads(1)
    step = ours(Batch(name, scale, records))
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(rounds):
            step()
    spent = {row.key: row.self_cpu_time_total for row in profiled.key_averages()}
    dearest = sorted(spent, key=spent.get, reverse=True)[:10]
    return {
        key.removeprefix("aten::"): round(spent[key] / sum(spent.values()), 3) for key in dearest
    }


def judge(measured: list[dict]) -> list[dict]:
    """The bars: name, value, what it must reach, and whether it does."""
    bars = []
    for threads, clock in ((1, "cpu"), (2, "wall")):
        rows = [m for m in measured if m["threads"] == threads]
        compact = [m for m in rows if m["scale"] == "compact"]
        (paper,) = (m for m in rows if m["scale"] == "paper")
        ending = f"{threads} thread{'s' if threads > 1 else ''}"
        floors = statistics.median(m["ours / floor"][clock] for m in compact)
        hooks = statistics.median(m["opacus hooks / ours"][clock] for m in compact)
        paper_hooks = paper["opacus hooks / ours"][clock]
        bars += [
            report.bar(f"{text}, {ending}", value, limit)
            for text, value, limit in (
                ("compact step / plain step, median of three models", floors, "<= 1.6"),
                ("Opacus hooks / compact step, median of three models", hooks, ">= 1.8"),
                ("Opacus hooks / paper-scale VAE step", paper_hooks, ">= 3"),
            )
        ]
    return bars


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="of the compact steps; default 15")
    rounds = parser.parse_args().rounds
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    measured = []
    for threads in (1, 2):
        for name, scale, records in CASES:
            turns = rounds if scale == "compact" else max(3, rounds // 3)
            row = measure(name, scale, records, threads=threads, rounds=turns)
            measured.append(row)
            ratios = {key: value for key, value in row.items() if "/" in key}
            print(f"{name} {scale}, {threads} thread(s):", json.dumps(ratios), flush=True)
    report.write(
        "dp_step",
        judge(measured),
        packages=("torch", "opacus"),
        measured=measured,
        rounds=rounds,
        profile={
            f"{name} {scale}, 1 thread": shares(name, scale, records, rounds=max(3, rounds // 3))
            for name, scale, records in CASES
        },
        notes=[
            "Opacus has ghost norms for linear layers only; for others its ghost clipping forms "
            "per-record gradients, one layer at a time.",
            "Opacus' ghost clipping has no noise multiplicity, so the DDPM is left out of it.",
            "profile: shares of our step. Convolutions (forward, and backward to the layers' "
            "outputs) are the floor's too; copy_ gathers the windows that convolution kernels see, "
            "bmm multiplies them to per-record gradients.",
            "On two threads every operator waits for both: other load on the machine falls on the "
            "step with more, smaller operators, which is ours.",
        ],
    )


if __name__ == "__main__":
    main()
