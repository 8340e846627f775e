"""How data sets, models and reference generators are written, in the order they are shown."""

DATASETS = {"mnist": "MNIST", "octmnist": "OCTMNIST", "organamnist": "OrganAMNIST"}
MODELS = {"vae": "VAE", "gan": "GAN", "ddpm": "DDPM"}
REFERENCES = {"real": "other real images", "copies": "training copies", "means": "class means"}
