"""The generators: a record per family, the variants that single questions need, the references."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from . import presets
from .presets import CompactUNet

Preset = (
    presets.VAE
    | presets.GAN
    | presets.DDPM
    | presets.OneShot
    | presets.CVAE
    | presets.StyleGAN2
    | presets.LatentDiffusion
)


@dataclass(frozen=True)
class Family:
    """Generators of one kind. Adding one is adding its record to `FAMILIES`."""

    title: str  # as it is written in tables and figures
    colour: str  # in every figure
    marker: str
    presets: Mapping[str, Preset]  # by scale
    network: str  # module and class in this package, imported when one is built
    private: bool = True  # whether it can be trained with clipping and noise


@dataclass(frozen=True)
class Variant:
    """A family with another preset, at the scale `compact` alone."""

    family: str
    preset: Preset


FAMILIES = {
    "vae": Family("VAE", "#0173b2", "o", presets.VAE_PRESETS, "vae.VAE"),
    "gan": Family("GAN", "#de8f05", "s", presets.GAN_PRESETS, "gan.GAN"),
    "ddpm": Family("DDPM", "#029e73", "^", presets.DDPM_PRESETS, "ddpm.DDPM"),
    "one_shot": Family("One release", "#cc78bc", "P", presets.ONE_SHOT_PRESETS, "one_shot.OneShot"),
    "cvae": Family("Conditional VAE", "#56b4e9", "p", presets.CVAE_PRESETS, "cvae.CVAE", False),
    "stylegan2": Family(
        "StyleGAN2", "#ca9161", "D", presets.STYLEGAN2_PRESETS, "stylegan2.StyleGAN2", False
    ),
    "latent_diffusion": Family(
        "Latent diffusion",
        "#949494",
        "X",
        presets.LATENT_DIFFUSION_PRESETS,
        "latent_diffusion.LatentDiffusion",
        False,
    ),
}


def _variant(family: str, **changes: object) -> Variant:
    return Variant(family, replace(FAMILIES[family].presets["compact"], **changes))


# Each for one question. Sizes are noised parameters against those of the compact model, within
# 10 % (defect D7); the GAN's generator, un-noised, stays as it is.
VARIANTS = {
    "gan-plain": _variant("gan", instance_noise=0.0),  # collapses
    "gan-authors": _variant("gan", labels="batch", schedule="loss-gap"),  # defects D3 and D4
    "vae-quarter": _variant("vae", encoder=(8, 8, 4), hidden=12, decoder=(4, 8, 8, 4), groups=4),
    "vae-4x": _variant("vae", encoder=(32, 32, 16), hidden=60, decoder=(32, 32, 32, 16)),
    "vae-16x": _variant("vae", encoder=(64, 64, 32), hidden=136, decoder=(64, 64, 64, 32)),
    "gan-quarter": _variant("gan", discriminator=((8, 2), (24, 2), (24, 2))),
    "gan-4x": _variant("gan", discriminator=((48, 2), (112, 2), (104, 2))),
    "gan-16x": _variant("gan", discriminator=((104, 2), (240, 2), (208, 2))),
    "ddpm-quarter": _variant("ddpm", network=CompactUNet(8, 8, narrow=4, wide=4, width=14)),
    "ddpm-4x": _variant("ddpm", network=CompactUNet(32, 48, narrow=8, wide=16, width=80)),
    "ddpm-16x": _variant("ddpm", network=CompactUNet(64, 96, narrow=16, wide=32, width=168)),
    "one_shot-phantoms": _variant(
        "one_shot", simulator="phantoms", encoder=presets.COMMITTED["phantoms"]
    ),
}
REFERENCES = {  # generators that need no training, and how they are written
    "real": "other real images",
    "copies": "training copies",
    "means": "class means",
}


def family_of(model: str) -> str:
    """The family of a model of the study: itself, or a variant's; `ValueError` for another name."""
    if model in VARIANTS:
        return VARIANTS[model].family
    if model not in FAMILIES:
        known = [*FAMILIES, *VARIANTS]
        near = difflib.get_close_matches(str(model), known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"model {model!r} is unknown{hint} Allowed: {', '.join(known)}")
    return model


def check_arm(model: str, arm: str) -> None:
    """Raise `ValueError` for clipping or noise in a model that is not trained privately."""
    if arm != "sgd" and not FAMILIES[family_of(model)].private:
        private = ", ".join(name for name, family in FAMILIES.items() if family.private)
        raise ValueError(
            f"{model} is not trained privately, so its only level is 'sgd'; for noise or clipping "
            f"ask for one of {private}"
        )


def unaccounted(preset: Preset) -> str:
    """What of private records a model reads beside the noised gradients, in words; "" if nothing.

    Where there is anything, no noise gives a finite epsilon.
    """
    return getattr(preset, "unaccounted", "")


def preset(model: str, scale: str) -> Preset:
    """The preset of a family or variant at a scale. Raises `ValueError` naming what is allowed."""
    family = FAMILIES[family_of(model)]
    if scale not in presets.SCALES:
        raise ValueError(f"scale {scale!r} is unknown; allowed: {', '.join(presets.SCALES)}")
    if model in VARIANTS and scale != "compact":
        raise ValueError(f"the variant {model} exists at scale compact only, not at {scale}")
    return VARIANTS[model].preset if model in VARIANTS else family.presets[scale]
