"""Networks that more than one model is built from."""

from gencourse.nets.attention import KeyValueCache, SelfAttention, TransformerBlock
from gencourse.nets.conv_encoder import Classifier, ConvEncoder, classifier_loss
from gencourse.nets.masked import MaskedConv2d, MaskedLinear
from gencourse.nets.mlp import MLP

__all__ = [
    "MLP",
    "Classifier",
    "ConvEncoder",
    "KeyValueCache",
    "MaskedConv2d",
    "MaskedLinear",
    "SelfAttention",
    "TransformerBlock",
    "classifier_loss",
]
