"""Measures of a model: likelihoods, and samples against data where there is no likelihood."""

from gencourse.evaluate.likelihoods import (
    Estimate,
    bits_per_dim,
    negative_log_likelihood,
    rank_p_values,
)
from gencourse.evaluate.samples import (
    PrecisionRecall,
    TwoSampleTest,
    frechet_distance,
    precision_recall,
    two_sample_test,
)

__all__ = [
    "Estimate",
    "PrecisionRecall",
    "TwoSampleTest",
    "bits_per_dim",
    "frechet_distance",
    "negative_log_likelihood",
    "precision_recall",
    "rank_p_values",
    "two_sample_test",
]
