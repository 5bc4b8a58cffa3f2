"""Autoregressive models: p(x) as a product of one conditional for each variable."""

from gencourse.autoregressive.causal_transformer import CausalTransformer
from gencourse.autoregressive.completion import ImportanceCompletion, complete_by_importance
from gencourse.autoregressive.diagonal_bilstm import DiagonalBiLSTM
from gencourse.autoregressive.fvsbn import FVSBN
from gencourse.autoregressive.gated_pixel_cnn import GatedPixelCNN
from gencourse.autoregressive.made import MADE, made_loss
from gencourse.autoregressive.made_masks import made_masks
from gencourse.autoregressive.mu_law import mu_law_decode, mu_law_encode
from gencourse.autoregressive.nade import NADE
from gencourse.autoregressive.pixel_cnn import PixelCNN
from gencourse.autoregressive.rnade import RNADE
from gencourse.autoregressive.rnn_language_model import RNNLanguageModel
from gencourse.autoregressive.row_lstm import RowLSTM
from gencourse.autoregressive.wavenet import WaveNet
from gencourse.autoregressive.wavenet_context import low_rate, super_resolution_loss

__all__ = [
    "FVSBN",
    "MADE",
    "NADE",
    "RNADE",
    "CausalTransformer",
    "DiagonalBiLSTM",
    "GatedPixelCNN",
    "ImportanceCompletion",
    "PixelCNN",
    "RNNLanguageModel",
    "RowLSTM",
    "WaveNet",
    "complete_by_importance",
    "low_rate",
    "made_loss",
    "made_masks",
    "mu_law_decode",
    "mu_law_encode",
    "super_resolution_loss",
]
