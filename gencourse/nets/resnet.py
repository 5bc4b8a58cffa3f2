"""ResNet-18 (He et al., CVPR 2016) as an encoder: torchvision's, without its last layer.

Shapes: B batch, C channels, H and W the image in pixels, D = 512 features.
"""

from torch import Tensor, nn

from gencourse.protocols import Configurable


class ResNet18(Configurable, nn.Module):
    """torchvision's ResNet-18 with random weights, up to the mean over all places.

    Args:
        in_channels: C.
        small: start with a 3x3 convolution and without pooling, as SimCLR (Chen et al., ICML 2020,
            appendix B.9) does for 32x32 images: the maps are H / 8 instead of H / 32.

    Raises:
        ValueError: no channels.
    """

    num_features = 512

    def __init__(self, in_channels: int, *, small: bool = True) -> None:
        from torchvision.models import resnet18

        super().__init__()
        if in_channels < 1:
            raise ValueError(f"in_channels is {in_channels}, expected at least 1")
        net = resnet18(weights=None)
        kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
        net.conv1 = nn.Conv2d(in_channels, 64, kernel, stride, padding, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        stem = [net.conv1, net.bn1, net.relu, *([] if small else [net.maxpool])]
        self.layers = nn.Sequential(*stem, net.layer1, net.layer2, net.layer3, net.layer4)

    def maps(self, x: Tensor) -> Tensor:
        """Return the features of each place, (B, C, H, W) -> (B, 512, h, w)."""
        return self.layers(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of each image, (B, C, H, W) -> (B, 512)."""
        return self.maps(x).mean((2, 3))
