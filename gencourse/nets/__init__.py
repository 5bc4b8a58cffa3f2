"""Networks that more than one model is built from."""

from gencourse.nets.attention import KeyValueCache, SelfAttention, TransformerBlock
from gencourse.nets.conv_encoder import Classifier, ConvEncoder, classifier_loss
from gencourse.nets.encoders import ENCODERS, make_encoder
from gencourse.nets.masked import MaskedConv2d, MaskedLinear
from gencourse.nets.mlp import MLP
from gencourse.nets.resnet import ResNet18
from gencourse.nets.vision_transformer import VisionTransformer

__all__ = [
    "ENCODERS",
    "MLP",
    "Classifier",
    "ConvEncoder",
    "KeyValueCache",
    "MaskedConv2d",
    "MaskedLinear",
    "ResNet18",
    "SelfAttention",
    "TransformerBlock",
    "VisionTransformer",
    "classifier_loss",
    "make_encoder",
]
