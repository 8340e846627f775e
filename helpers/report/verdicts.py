"""From numbers to three answers in words, which never say more than the numbers do.

An accusation takes a test that is wrong in 1 of 400 cases; where too few images allow no verdict,
that is the verdict; and that no attack has succeeded is never called a proof of privacy.
"""

from typing import NamedTuple

from ..metrics.attacks import clopper_pearson
from ..metrics.statistics import Interval
from .judging import ALPHA, DELTA, DIFFERENT, FPR, MOST, Attack, Copies, Judged, Use

ENOUGH = 20  # images of a set, below which there is no verdict on looks or use
_PER_CLASS = 5  # test images of the rarest class, below which there is none on use
_FEW = 0.1  # a test that would miss such a share of copies has not looked
_PLACES = {"pixels": "pixels, mirrored or not", "features": "features"}


class Row(NamedTuple):
    """A number, and what it is to be read against."""

    measure: str
    value: str
    interval: str
    yardstick: str
    meaning: str


class Answer(NamedTuple):
    """One question's answer."""

    question: str
    verdict: str
    tone: str  # "good", "mixed", "bad" or "none": never "good" of privacy
    number: str  # the one to read first, with its yardstick
    said: list[str]
    rows: list[Row]
    missing: list[str]  # what could not be measured, and why


def answers(judged: Judged, classes: tuple[str, ...]) -> list[Answer]:
    """The three answers."""
    return [_looks(judged), _use(judged, classes), _privacy(judged, classes)]


# Do they look right?


def _looks(judged: Judged) -> Answer:
    question, looks = "Do they look right?", judged.looks
    missing = [
        "FID: below 2,048 images of each set it follows their number. The kernel distance does not."
    ]
    if "hold-out" not in judged.counts:
        missing.append(
            "Looks of images that nobody trained on: without a hold-out the reference is half of "
            "the private images, so copies pass for good images."
        )
    cut = [n for n, seen in judged.looked_at.items() if seen < judged.counts[n]]
    if cut:
        missing.append(f"The feature network saw {MOST} images at random of: {', '.join(cut)}.")
    if looks is None or looks.count < ENOUGH:
        there = looks.count if looks else 0
        said = [f"{there} images of each set can be compared; {ENOUGH} are needed."]
        return Answer(question, "No verdict", "none", "", said, [], missing)
    real, among, distance = looks.real_among, looks.among, looks.distance
    rows = [
        Row(
            "Kernel distance (KID of Lite0, times 1,000)",
            f"{1000 * distance.kid:.1f}",
            f"{1000 * distance.low:.1f} to {1000 * distance.high:.1f}",
            f"{1000 * looks.real_distance.kid:.1f}",
            "about 0 if both come from one source; as large by luck alone with a chance of "
            f"{distance.p_value:.3f}",
        ),
        *(_share(name, getattr(among, name), getattr(real, name), looks.count) for name in _SHARES),
    ]
    said = [
        f"{looks.count} synthetic images were compared with as many real ones, and the yardstick "
        "is what other real images score in their place."
    ]
    verdict, tone, first = _looks_verdict(judged)
    number = (
        f"{among.precision:.0%} of them lie among the real images; of other real images "
        f"{real.precision:.0%} do"
    )
    return Answer(question, verdict, tone, number, [first, *said], rows, missing)


_SHARES = {
    "precision": "of them lie among real images",
    "recall": "of the real images lie among them",
    "coverage": "of the real images have one of them nearby",
}


def _share(name: str, value: float, yardstick: float, count: int) -> Row:
    low, high = clopper_pearson(round(value * count), count)
    interval = f"{low:.0%} to {high:.0%}"
    return Row(name.capitalize(), f"{value:.0%}", interval, f"{yardstick:.0%}", _SHARES[name])


def _looks_verdict(judged: Judged) -> tuple[str, str, str]:
    looks = judged.looks
    real, among = looks.real_among, looks.among
    if among.precision < real.precision / 2:
        return "No", "bad", "Most of them do not look like the real images."
    if among.coverage < real.coverage / 2 or among.recall < real.recall / 2:
        return "In part", "mixed", "They miss much of what the real images show."
    if looks.distance.p_value >= DIFFERENT:
        return (
            "Yes, as far as seen",
            "good",
            "The network does not tell them from real images here.",
        )
    return "In part", "mixed", "They resemble the real images, but are told from them."


# Are they useful?


def _use(judged: Judged, classes: tuple[str, ...]) -> Answer:
    question, use, missing = "Are they useful?", judged.use, []
    if "hold-out" not in judged.counts and classes:
        missing.append(
            "Use on unseen images: without a hold-out a fifth of the private images is the test. "
            "The generator may have seen them, so read the result as an upper end."
        )
    if use is None:
        why = (
            "a class has no image in one of the sets"
            if classes
            else "not all folders hold the same class folders, so there is nothing to be taught"
        )
        return Answer(question, "No verdict", "none", "", [f"Not measured: {why}."], [], missing)
    yardstick = f"{use.private.mean:.0%} (private images), {use.chance:.0%} (guessing)"
    rows = [
        Row(
            "Accuracy, trained on them",
            f"{use.synthetic.mean:.0%}",
            _percents(use.synthetic),
            yardstick,
            f"of {use.tested} real images; classes count the same",
        ),
        Row(
            "Share of what the private images teach",
            f"{use.share.mean:.0%}",
            _percents(use.share),
            "100%",
            "beyond guessing, by the same network in as many steps",
        ),
    ]
    verdict, tone, said = _use_verdict(use)
    number = (
        f"A network taught by them tells {use.synthetic.mean:.0%} of real images right "
        f"({_percents(use.synthetic)}); taught by the private images {use.private.mean:.0%}, "
        f"guessing {use.chance:.0%}"
    )
    return Answer(question, verdict, tone, number, [said], rows, missing)


def _percents(value: Interval) -> str:
    return f"{value.low:.0%} to {value.high:.0%}"


def _use_verdict(use: Use) -> tuple[str, str, str]:
    if use.fewest < _PER_CLASS or use.tested < ENOUGH:
        return (
            "No verdict",
            "none",
            f"{use.tested} test images, {use.fewest} of the rarest class: {ENOUGH} and "
            f"{_PER_CLASS} are needed.",
        )
    if use.private.low <= use.chance:
        said = "The private images themselves teach hardly more than guessing, so nothing is told."
        return "No verdict", "none", said
    if use.synthetic.low > use.chance and use.share.low >= 0.5:
        said = "They alone teach a network at least half of what the private images teach it."
        return "Yes", "good", said
    if use.synthetic.low > use.chance:
        return "In part", "mixed", "They teach more than guessing, and less than private images."
    if use.share.high < 0.5:
        return "No", "bad", "They teach less than half of what the private images do, if anything."
    return "No verdict", "none", "The test images are too few to tell what they teach."


# What do they give away?


def _privacy(judged: Judged, classes: tuple[str, ...]) -> Answer:
    exact, missing = int(judged.exact.sum()), []
    count = judged.counts["synthetic"]
    other = "unseen real" if judged.yardstick == "hold-out" else "private"
    rows = [
        Row(
            "Exact copies",
            f"{exact} of {count}",
            "",
            "0",
            "equal a private image in every pixel, mirrored or not",
        ),
        *(_copies_row(name, found, other) for name, found in judged.copies.items()),
        *(_attack_row(name, found) for name, found in judged.attacks.items()),
    ]
    unlike = judged.alike is not None and judged.alike < DIFFERENT
    if "hold-out" not in judged.counts:
        missing.append(
            "The attack: it needs unseen real images of the same kind (--holdout). Copies were "
            "judged by how near private images lie to each other."
        )
    if unlike:
        missing.append(
            "The attack: the hold-out differs from the private images (a chance of "
            f"{judged.alike:.3f} by luck alone), and that would pass for the attack's success. "
            "Draw both from one pool."
        )
    missing.append("Stronger attacks: on the generator itself, or by knowledge of some images.")
    number = f"{exact} exact copies among {count}"
    if judged.attacks and not unlike:
        proved, most = (max(getattr(a, n) for a in judged.attacks.values()) for n in _PROVED)
        number += f"; an attack proved ε = {proved:.2f}, where {most:.2f} is the most it could"
    accusations = _accusations(judged, classes, unlike)
    if accusations:
        verdict, tone = "Private images", "bad"
        return Answer(_WHAT, verdict, tone, number, accusations, rows, missing)
    if not _looked(judged, unlike):
        said = ["There are too few images for any of these tests to find something."]
        return Answer(_WHAT, "No verdict", "none", number, said, rows, missing)
    said = [
        "These tests found nothing. That is no proof of privacy: other tests, or a better "
        "attacker, may find what these do not. Only a guarantee of how they were made covers all."
    ]
    return Answer(_WHAT, "Nothing found", "mixed", number, said, rows, missing)


_WHAT = "What do they give away?"
_PROVED = ("epsilon", "ceiling")


def _copies_row(name: str, found: Copies, other: str) -> Row:
    can = f"from {found.noticed} on it accuses" if found.noticed else "it can accuse of none"
    return Row(
        f"Near copies ({_PLACES[name]})",
        f"{found.near} of {found.count}",
        f"{found.low:.1%} to {found.high:.1%}",
        f"{1 / (found.others + 1):.1%}",
        f"lie nearer to one private image, for the distance to others, than any of {found.others} "
        f"{other} images does; as many by luck alone with a chance of {found.p_value:.2g}; {can}",
    )


def _attack_row(name: str, found: Attack) -> Row:
    return Row(
        f"Attack by {name}: proved ε",
        f"{found.epsilon:.2f}",
        f"99.75 % sure; at most {found.ceiling:.2f} could be proved by {found.pairs} pairs",
        "0",
        f"finds {found.tpr:.0%} ({found.tpr_low:.0%} to {found.tpr_high:.0%}) of the private "
        f"images where guessing finds {FPR:.0%}; AUC {found.auc:.2f}, of guessing 0.5; "
        f"δ {DELTA:g}, one image replaced",
    )


def _accusations(judged: Judged, classes: tuple[str, ...], unlike: bool) -> list[str]:
    exact, said = int(judged.exact.sum()), []
    if exact:
        said.append(f"{exact} of the synthetic images are private images, pixel by pixel.")
    near = {name: c for name, c in judged.copies.items() if c.p_value < ALPHA}
    if near:
        most = max(near.values(), key=lambda c: c.near)
        said.append(f"{most.near} of {most.count} lie too near to a private image to be new.")
    if said and classes and judged.by_class:
        worst = sorted(zip(judged.by_class, classes, strict=True), reverse=True)
        named = ", ".join(f"{name} ({k})" for k, name in worst[:5] if k)
        said += [f"Copies by class: {named}."] if named else []
    proved = max((a.epsilon for a in judged.attacks.values()), default=0.0)
    if proved and not unlike:
        said.append(
            "Whoever has the synthetic images can tell private images from unseen ones better than "
            f"an ε of {proved:.2f} allows."
        )
    return said


def _looked(judged: Judged, unlike: bool) -> bool:
    """Whether one of the tests could have found something."""
    copies = any(c.noticed and c.noticed <= _FEW * c.count for c in judged.copies.values())
    return copies or (not unlike and any(a.ceiling > 0 for a in judged.attacks.values()))


def remarks(judged: Judged, notes: dict[str, str], classes: tuple[str, ...]) -> list[str]:
    """What else is to be said of the sets: repeated images, public ones, files left out."""
    said = []
    if judged.repeated["private"]:
        said.append(f"{judged.repeated['private']} private images are there twice; counted once.")
    if judged.repeated.get("hold-out"):
        said.append(
            f"{judged.repeated['hold-out']} hold-out images are private ones; they were left out."
        )
    if judged.public:
        shown = judged.public["synthetic"] or "None"
        said.append(
            f"{shown} of the synthetic images are public ones to the bit; altered ones were not "
            "looked for. Their licence and the privacy of those they show are covered by no "
            "guarantee."
        )
    if judged.public.get("private"):
        said.append(f"{judged.public['private']} private images lie in the public folder as well.")
    absent = [name for name, k in zip(classes, judged.of_class or (), strict=False) if not k]
    if absent:
        said.append(f"There is no synthetic image of: {', '.join(absent)}.")
    return said + [f"{name} images: {note}" for name, note in notes.items() if note]
