"""What the chapters on No Free Lunch speak of: its data sets, models, levels of noise and seeds."""

from helpers.data.datasets import DATASETS
from helpers.models.families import FAMILIES

DATA = ("mnist", "octmnist", "organamnist")
MODELS = ("vae", "gan", "ddpm")
LEVELS = ("sgd", "clipped", 0.1, 0.2, 0.3, 0.4)
SEEDS = (0, 1, 2)

DATA_TITLES = {name: DATASETS[name].title for name in DATA}
MODEL_TITLES = {name: FAMILIES[name].title for name in MODELS}
