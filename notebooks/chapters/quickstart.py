"""The figure of the quickstart."""

import seaborn as sns
from matplotlib.figure import Figure

from helpers.metrics.records import record
from helpers.report.style import COLOURS, TITLES, panels, trained, with_level
from helpers.study.results import Results


def trade_off(results: Results, fidelity: str = "fd_lite0") -> Figure:
    """Utility against fidelity and against the leak at one image, one point per cell.

    Colour is the model, shape the level. Better is up and to the left in both panels.
    """
    index = ["model", "level", "seed"]
    wide = (
        with_level(trained(results.frame))
        .pivot_table(index=index, columns="metric", values="value", observed=True)
        .reset_index()
    )
    colours = {TITLES[model]: COLOURS[model] for model in wide["model"]}
    wide["model"] = wide["model"].map(TITLES)
    figure, ((left, right),) = panels(1, 2, size=(9, 3.8))
    for axis, x in ((left, fidelity), (right, "epsilon_hat")):
        sns.scatterplot(
            wide,
            x=x,
            y="accuracy",
            hue="model",
            style="level",
            palette=colours,
            s=90,
            ax=axis,
            legend=axis is right,
        )
        axis.set(xlabel=record(x).title, ylabel=record("accuracy").title)
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure
