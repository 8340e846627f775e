"""The numbers that the prose of a data set's chapter speaks of."""

from helpers.report.style import levels, trained
from helpers.report.tables import leaked, value
from helpers.study.results import Results

TOLD = ("fid", "accuracy", "epsilon_hat", "conditional_consistency")  # at both ends of the noise


def answers(results: Results) -> dict[str, float]:
    """Means of each model without and with the most noise.

    `<metric>_<model>_plain` and `..._noisy`, of real images `<metric>_floor`, what they stand
    beside, and from three seeds on `leaks_<model>_<end>`: in how many a leak shows. Empty for a
    slice of the grid that lacks one of the two levels.
    """
    frame = results.frame
    rows, measured = trained(frame), set(frame["metric"])
    names = levels(rows)
    ends = {"plain": "sgd", "noisy": names[-1]}
    if names[0] != "sgd" or names[-1] in ("sgd", "clipped"):
        return {}
    found = {
        f"{metric}_{model}_{end}": value(frame, metric, model, name)
        for metric in TOLD
        for model in rows["model"].unique()
        for end, name in ends.items()
        if metric in measured
    }
    found |= {
        f"{metric}_floor": value(frame, metric, "real", "none")
        for metric in ("fid", "accuracy")
        if metric in measured
    }
    found |= {
        f"leaks_{model}_{end}": float(leak.beyond)
        for (model, at), leak in leaked(results).items()
        for end, name in ends.items()
        if at == name
    }
    model = rows["model"].iloc[0]
    return found | {
        "accuracy_real": value(frame, "accuracy_real", model, "sgd"),
        "epsilon_noisy": value(frame, "epsilon_1e-3", model, names[-1]),
        "chance": 1 / len(results.reference()["classes"]),
        "sigma": float(names[-1]),
        "seeds": float(rows["seed"].nunique()),
    }
