"""Where a classifier looks (NFL, Fig. 12), by the grad-cam library.

Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) weighs each channel of the last convolution with
its mean gradient. For the authors' classifier, which takes the mean over the plane, that is exact.
For a head that sees the plane the mean throws places away; HiResCAM (Draelos and Carin 2020, arXiv
2011.08891) multiplies place by place instead, and equals Grad-CAM where there is a mean: so it is
used for both.
"""

import torch
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from ..data.checks import check_images, check_labels
from ..metrics.utility import Classifier


def grad_cam(classifier: Classifier, images: Tensor, classes: Tensor) -> Tensor:
    """What speaks for `classes` [N] in images [N, 1, H, W]: float32 [N, H, W], 0 to 1 per image.

    Taken at the last convolution and enlarged to the image. All 0 where nothing speaks for the
    class.
    """
    images = check_images(images)
    classes = check_labels(classes, len(images), "classes")
    with HiResCAM(classifier, [classifier.body[-1]]) as cam:
        maps = cam(images.clone(), [ClassifierOutputTarget(int(c)) for c in classes])
    classifier.zero_grad()
    return torch.from_numpy(maps).float()
