"""Every hyper-parameter, by family and scale.

Scales: `smoke` (a second, for tests), `quick` (some seconds, to try things out), `compact` (the
default on a CPU) and `paper` (for a GPU: the widths and lengths of No Free Lunch, as its authors'
code has them, or of "Beyond the Generative Learning Trilemma", TRI, as it states them). Widths are
the same for images of any shape: the families noise equally many parameters, within 10 %, at grey
28x28 and scale `compact`; larger images or colour ask for more (see `accounting.noise_to_signal`).
"""

from dataclasses import dataclass

SCALES = ("smoke", "quick", "compact", "paper")


@dataclass(frozen=True)
class Training:
    """How long and how privately a model is trained; the same in every arm."""

    steps: int
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    sample_rate: float = 1.0  # 1: full batch; below 1: Poisson sampling
    max_grad_norm: float = 1.0  # C
    draws: int = 1  # noise multiplicity K: draws per record and step, averaged before clipping
    ema_decay: float = 0.0  # 0: no averaging of the released weights
    opponent_learning_rate: float = 0.0  # of a second network that reads no records
    annealed: bool = False  # the learning rate falls to 0 along a quarter cosine


@dataclass(frozen=True)
class Minibatches(Training):
    """How a model is trained that is not trained privately: on shuffled batches of fixed size."""

    batch: int = 32
    weight_decay: float = 0.0


@dataclass(frozen=True)
class VAE:
    """A class-conditional VAE: three encoder and three decoder convolutions around linear maps."""

    training: Training
    encoder: tuple[int, int, int]  # channels at half, quarter and quarter size
    latent: int
    hidden: int  # width of the decoder's first linear layer
    decoder: tuple[int, int, int, int]  # channels at quarter, quarter, half and full size
    groups: int = 8
    beta: float = 1.0  # weight of the KL term


@dataclass(frozen=True)
class GAN:
    """A generator of two upsampling convolutions and a strided convolutional discriminator."""

    training: Training  # of the discriminator; its steps are the private ones
    latent: int
    generator: tuple[int, int, int]  # channels at quarter, half and full size
    discriminator: tuple[tuple[int, int], ...]  # (channels, stride) of each convolution
    head: str = "class"  # or "mean", the authors': how the label enters the discriminator
    groups: int = 8
    batch: int = 100  # synthetic images per step, a public constant
    discriminator_steps: int = 1  # per step of the generator
    instance_noise: float = 0.0  # standard deviation of noise on all the discriminator sees
    labels: str = "uniform"  # or "batch", the authors' (defect D3)
    schedule: str = "fixed"  # or "loss-gap", the authors' (defect D4)

    @property
    def unaccounted(self) -> str:
        """What reaches the generator of private records without noise, in words; "" if nothing."""
        leaks = {"their labels": self.labels == "batch", "their losses": self.schedule != "fixed"}
        return " and ".join(leak for leak, there in leaks.items() if there)


@dataclass(frozen=True)
class PaperUNet:
    """The authors' U-Net."""

    features: int
    groups: int = 8


@dataclass(frozen=True)
class CompactUNet:
    """A two-level U-Net on 2x2 pixel blocks with a linear bottleneck."""

    fine: int  # channels at half size
    coarse: int  # channels at quarter size
    narrow: int  # channels at quarter size that enter the bottleneck
    wide: int  # channels at quarter size that leave it, raised to 4 per channel of the image
    width: int  # of the bottleneck
    groups: int = 8


@dataclass(frozen=True)
class DDPM:
    """A denoising diffusion model and its samplers."""

    training: Training
    network: PaperUNet | CompactUNet
    steps: int  # network calls of the few-step sampler
    timesteps: int = 400  # of ancestral sampling
    drop: float = 0.1  # probability of training without the label
    guidance: float = 2.0  # weight w of classifier-free guidance


@dataclass(frozen=True)
class Decoder:
    """How images are chosen from the library; chosen on public stand-ins, then left alone."""

    best: int = 300  # candidates of a class: these many of the best, or as many as are asked for
    affinity: float = 5.0  # weight of the cosine with the class's sum beside the log-odds
    herded_best: int = 500  # candidates where images are herded,
    herded_below: float = 0.5  # which they are at a sigma below this one
    herded_length: float = 0.75  # of the mean embedding that herding aims at
    smoothing: float = 0.95  # share of its neighbours in an image's class, in a folder,
    smoothing_rounds: int = 20  # passed on so many times,
    smoothed_affinity: float = 2.0  # and the cosine's weight beside it


@dataclass(frozen=True)
class OneShot:
    """One release of class sums in a public embedding, decoded by a public library."""

    training: Training  # one step over all records, of norm 1: what the accountant reads
    simulator: str  # of the library and of the classes that the encoder learned from
    encoder: str  # hash of its weights
    decoder: Decoder = Decoder()


@dataclass(frozen=True)
class CVAE:
    """TRI's conditional VAE; each convolution halves the plane while it is even and above 4."""

    training: Minibatches
    channels: tuple[int, ...]  # of the encoder's convolutions; the decoder mirrors them
    latent: int
    beta: float = 0.002  # weight of the KL term beside the mean squared error of a pixel


@dataclass(frozen=True)
class StyleGAN2:
    """A style-based GAN whose channels at a resolution are `base // resolution`, or `most`."""

    training: Minibatches  # of the discriminator; its opponent is the generator
    latent: int  # of z and of w
    layers: int  # of the mapping network
    base: int
    most: int
    r1: float  # weight gamma of R1
    mixing: float = 0.9  # probability that two latents share an image
    path: float = 2.0  # weight of the path length penalty
    r1_every: int = 16  # steps between two R1 penalties
    path_every: int = 8


@dataclass(frozen=True)
class LatentDiffusion:
    """An autoencoder to a quarter of the size, and a U-Net on its latents."""

    autoencoding: Minibatches  # of the autoencoder, first
    training: Minibatches  # of the U-Net
    autoencoder: tuple[int, int, int]  # channels at full, half and quarter size
    network: tuple[int, ...]  # channels of the U-Net's levels
    attention: tuple[bool, ...]  # which levels attend to the label
    head: int  # channels of an attention head
    label: int  # length of a label's embedding
    blocks: int = 1  # residual blocks of a level, of both
    groups: int = 8
    latent: int = 3  # channels
    kl: float = 1e-6
    timesteps: int = 1000
    steps: int = 50  # network calls of DDIM


_SMOKE_TRAINING = Training(steps=4, learning_rate=1e-3, opponent_learning_rate=1e-3)

VAE_PRESETS = {
    "smoke": VAE(_SMOKE_TRAINING, (8, 8, 8), 4, 16, (8, 8, 8, 8)),
    "quick": VAE(
        Training(steps=100, learning_rate=4e-3, ema_decay=0.97),
        encoder=(8, 16, 8),
        latent=8,
        hidden=32,
        decoder=(8, 16, 8, 8),
        beta=3.0,
    ),
    "compact": VAE(
        Training(steps=700, learning_rate=2e-3, ema_decay=0.99, annealed=True),
        encoder=(16, 16, 8),
        latent=8,
        hidden=24,
        decoder=(16, 16, 16, 8),
        beta=3.0,  # at 1 the code, not the label, decides the class once there is noise
    ),
    "paper": VAE(
        Training(steps=20_000, learning_rate=1e-4, sample_rate=0.64),
        encoder=(32, 64, 128),
        latent=128,
        hidden=256,
        decoder=(128, 256, 128, 64),
    ),
}

GAN_PRESETS = {
    "smoke": GAN(_SMOKE_TRAINING, 4, (8, 8, 8), ((8, 2), (8, 2)), batch=20),
    "quick": GAN(
        Training(
            steps=100,
            learning_rate=2e-3,
            betas=(0.5, 0.999),
            max_grad_norm=10.0,
            ema_decay=0.97,
            opponent_learning_rate=2e-3,
        ),
        latent=16,
        generator=(16, 16, 8),
        discriminator=((8, 2), (16, 2), (32, 2)),
        batch=50,
        instance_noise=0.3,
    ),
    "compact": GAN(
        Training(
            steps=500,
            learning_rate=5e-4,
            betas=(0.5, 0.999),
            max_grad_norm=10.0,  # at 1 every record weighs the same, however well it is told
            ema_decay=0.99,
            opponent_learning_rate=1e-3,
        ),
        latent=32,
        generator=(32, 16, 8),
        discriminator=((24, 2), (56, 2), (48, 2)),
        instance_noise=0.3,  # without it the arm `sgd` collapses to one image per class
    ),
    "paper": GAN(
        Training(
            steps=20_000,
            learning_rate=1e-4,
            betas=(0.5, 0.999),
            sample_rate=0.64,
            opponent_learning_rate=1e-4,
        ),
        latent=100,
        generator=(128, 128, 64),
        discriminator=((64, 2), (128, 2), (256, 2), (512, 1)),
        head="mean",
        groups=32,
        batch=64,
    ),
}

DDPM_PRESETS = {
    "smoke": DDPM(_SMOKE_TRAINING, CompactUNet(8, 8, 4, 4, 8), steps=4, timesteps=20),
    "quick": DDPM(
        Training(steps=100, learning_rate=4e-3, ema_decay=0.97, annealed=True),
        network=CompactUNet(fine=8, coarse=16, narrow=4, wide=4, width=24),
        steps=10,
    ),
    "compact": DDPM(
        Training(steps=700, learning_rate=5e-3, ema_decay=0.99, draws=2, annealed=True),
        network=CompactUNet(fine=16, coarse=24, narrow=4, wide=8, width=36),
        steps=20,
        guidance=0.5,
    ),
    "paper": DDPM(
        Training(steps=20_000, learning_rate=1e-4, sample_rate=0.64, ema_decay=0.999),
        network=PaperUNet(features=128),
        steps=50,
    ),
}

# The committed encoders, by simulator: `file_hash` of their weights for grey images of 28 pixels.
COMMITTED = {"strokes": "10fde0af9cba", "phantoms": "d8575ed5c241"}
_ONE_RELEASE = Training(steps=1, learning_rate=1.0)
ONE_SHOT_PRESETS = {
    scale: OneShot(_ONE_RELEASE, "strokes", COMMITTED["strokes"]) for scale in SCALES
}

# The models of TRI, its widths and lengths at scale `paper`: 100 epochs of its Corn set's 3,082
# images. Compact ones are sized for images of 32 pixels and minutes of one core.
_SMOKE_BATCHES = Minibatches(
    steps=4, learning_rate=1e-3, opponent_learning_rate=1e-3, ema_decay=0.9, batch=8
)
CVAE_PRESETS = {
    "smoke": CVAE(_SMOKE_BATCHES, (8, 8), 4),
    "quick": CVAE(Minibatches(200, 1e-3, weight_decay=0.01), (16, 32, 64), 32),
    "compact": CVAE(Minibatches(3000, 1e-3, weight_decay=0.01), (16, 32, 64), 128),
    "paper": CVAE(Minibatches(9600, 1e-3, weight_decay=0.01), (16, 32, 54, 128, 256, 1024), 128),
}

_STYLEGAN2 = {"betas": (0.0, 0.99), "ema_decay": 0.99}
STYLEGAN2_PRESETS = {
    "smoke": StyleGAN2(
        _SMOKE_BATCHES, latent=8, layers=2, base=64, most=8, r1=1.0, r1_every=2, path_every=2
    ),
    "quick": StyleGAN2(
        Minibatches(100, 2.5e-3, opponent_learning_rate=2.5e-3, **_STYLEGAN2),
        latent=32,
        layers=4,
        base=128,
        most=16,
        r1=1.0,
    ),
    "compact": StyleGAN2(
        Minibatches(3000, 2.5e-3, opponent_learning_rate=2.5e-3, **_STYLEGAN2),
        latent=64,
        layers=8,
        base=256,
        most=32,
        r1=1.0,
    ),
    "paper": StyleGAN2(
        Minibatches(9600, 2.5e-3, (0.0, 0.99), ema_decay=0.999, opponent_learning_rate=2.5e-3),
        latent=512,
        layers=8,
        base=16_384,
        most=512,
        r1=10.0,
    ),
}

LATENT_DIFFUSION_PRESETS = {
    "smoke": LatentDiffusion(
        _SMOKE_BATCHES,
        _SMOKE_BATCHES,
        (8, 8, 8),
        (8, 16),
        (False, True),
        8,
        8,
        timesteps=20,
        steps=4,
    ),
    "quick": LatentDiffusion(
        Minibatches(100, 2e-3, batch=16),
        Minibatches(200, 1e-3, ema_decay=0.97, annealed=True),
        autoencoder=(8, 16, 16),
        network=(8, 16),
        attention=(False, True),
        head=16,
        label=16,
        steps=20,
    ),
    "compact": LatentDiffusion(
        Minibatches(1000, 2e-3, batch=16, annealed=True),
        Minibatches(4000, 1.5e-3, ema_decay=0.99, annealed=True),
        autoencoder=(8, 16, 16),
        network=(16, 32),
        attention=(False, True),
        head=16,
        label=32,
    ),
    "paper": LatentDiffusion(
        Minibatches(9600, 4.5e-6, batch=16),
        Minibatches(19_300, 1e-6, batch=16, ema_decay=0.9999),
        autoencoder=(128, 256, 512),
        network=(224, 448, 672, 896),
        attention=(False, True, True, True),
        head=32,
        label=512,
        blocks=2,
        groups=32,
    ),
}
