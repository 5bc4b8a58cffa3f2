"""Autoregressive models: p(x) as a product of one conditional for each variable."""

from gencourse.autoregressive.completion import ImportanceCompletion, complete_by_importance
from gencourse.autoregressive.diagonal_bilstm import DiagonalBiLSTM
from gencourse.autoregressive.fvsbn import FVSBN
from gencourse.autoregressive.gated_pixel_cnn import GatedPixelCNN
from gencourse.autoregressive.made import MADE, made_loss
from gencourse.autoregressive.made_masks import made_masks
from gencourse.autoregressive.nade import NADE
from gencourse.autoregressive.pixel_cnn import PixelCNN
from gencourse.autoregressive.rnade import RNADE
from gencourse.autoregressive.row_lstm import RowLSTM

__all__ = [
    "FVSBN",
    "MADE",
    "NADE",
    "RNADE",
    "DiagonalBiLSTM",
    "GatedPixelCNN",
    "ImportanceCompletion",
    "PixelCNN",
    "RowLSTM",
    "complete_by_importance",
    "made_loss",
    "made_masks",
]
