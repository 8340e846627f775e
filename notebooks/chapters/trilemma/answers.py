"""The numbers of the chapter's prose, by name."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from chapters import nfl
from chapters.verdicts import UNTESTABLE
from helpers.metrics.evaluation import MULTIPLES
from helpers.report.style import levels, trained

from . import CRITERIA, SETTINGS, accuracy, audit
from .claims import Decided
from .tables import at, survival, values

ENDS = MULTIPLES[0], MULTIPLES[-1]
Answers = dict[str, float | int | str]


def answers(frames: Mapping[str, pd.DataFrame], decided: Sequence[Decided]) -> Answers:
    """What the page says in numbers: of TRI's tables, of what is collected, and of the claims."""
    found: Answers = {f"audit_{name}": value for name, value in audit.answers().items()}
    for name, frame in frames.items():
        found |= {f"{name}_{what}": value for what, value in of_data(frame).items()}
    tripled = [found[f"{name}_tripled_real_synthetic_{m}"] for name in frames for m in nfl.MODELS]
    found |= {"tripled_least": min(tripled), "tripled_most": max(tripled)}
    return {f"tri_{name}": value for name, value in (found | counts(decided)).items()}


def of_data(frame: pd.DataFrame) -> dict[str, float]:
    """Means over seeds on one data set; gains are points of accuracy over the private images."""
    last = levels(trained(frame))[-1]
    real = values(frame, nfl.MODELS[0], "sgd", accuracy("real"))
    geometric = values(frame, nfl.MODELS[0], "sgd", accuracy("geometric"))
    numbers = {"flips": 100 * (geometric - real).mean(), "sigma": float(last)}
    unseen = values(frame, "real", "none", "max_ssim")
    numbers["ssim_unseen"] = unseen.mean()
    for model in (*nfl.MODELS, "real"):
        level = at(model, "sgd")
        added = values(frame, model, level, accuracy("real_synthetic"))
        numbers[f"added_{model}"] = 100 * (added - real).mean()
        for setting in SETTINGS:
            one, three = (values(frame, model, level, accuracy(setting, k)) for k in ENDS)
            numbers[f"tripled_{setting}_{model}"] = 100 * (three - one).mean()
    for model in nfl.MODELS:
        for end, level in (("plain", "sgd"), ("noisy", last)):
            for metric in CRITERIA:
                numbers[f"{metric}_{model}_{end}"] = values(frame, model, level, metric).mean()
        numbers[f"epsilon_{model}"] = values(frame, model, last, "epsilon_1e-3").mean()
        numbers[f"beyond_{model}"] = (values(frame, model, "sgd", "max_ssim") - unseen).mean()
    for metric in ("precision", "recall"):
        numbers[f"{metric}_unseen"] = values(frame, "real", "none", metric).mean()
    numbers |= {f"attack_{name}": value for name, value in survival(frame).items()}
    return {name: float(value) for name, value in numbers.items()}


def counts(decided: Sequence[Decided]) -> Answers:
    """How many claims have which verdict, on TRI's tables and here, and each claim's."""
    paper, here = (Counter(getattr(d, side) for d in decided) for side in ("on_paper", "ours"))
    found: Answers = {
        "claims": len(decided),
        "paper_holds": paper["holds"],
        "paper_fails": paper["does not hold"],
        "paper_open": paper["cannot be decided"],
        "here_reproduced": here["reproduced"],
        "here_contradicted": here["contradicted at compact scale"],
        "here_open": here["cannot be decided"],
        "here_untestable": here[UNTESTABLE],
    }
    for one in decided:
        found[f"{one.claim.id.lower()}_paper"] = one.on_paper
        found[f"{one.claim.id.lower()}_here"] = one.ours
    return found
