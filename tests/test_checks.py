"""What measures accept is checked at the boundary, for grey and for colour."""

import pytest
import torch

from helpers.data import checks


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 64])
def test_grey_and_colour_images_are_accepted(channels, size):
    images = torch.rand(2, channels, size, size, dtype=torch.float64)
    assert torch.equal(checks.check_images(images), images.float())


@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 2, 28, 28), (2, 4, 28, 28), (2, 28, 28, 3)])
def test_other_shapes_are_refused(shape):
    said = (
        r"x: shape \(2, .*\); grey images \[N, 1, H, W\] or colour images \[N, 3, H, W\] are needed"
    )
    with pytest.raises(ValueError, match=said):
        checks.check_images(torch.zeros(shape), "x")


def test_grey_and_colour_are_not_compared():
    grey, colour = torch.zeros(2, 1, 28, 28), torch.zeros(2, 3, 28, 28)
    with pytest.raises(ValueError, match="of 1 and 3 channels; both must be grey or both colour"):
        checks.check_same_size(grey, colour, "a and b")
    with pytest.raises(ValueError, match=r"\(28, 28\) and \(32, 32\) pixels; resize them"):
        checks.check_same_size(grey, torch.zeros(2, 1, 32, 32), "a and b")
    checks.check_same_size(colour, colour[:1], "a and b")
