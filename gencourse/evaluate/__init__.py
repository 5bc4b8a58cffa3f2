"""Measures of a model: likelihoods, samples where there is no likelihood, features by a probe."""

from gencourse.evaluate.likelihoods import (
    Estimate,
    bits_per_dim,
    negative_log_likelihood,
    rank_p_values,
)
from gencourse.evaluate.probes import frozen_features, knn_probe, linear_probe
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
    "frozen_features",
    "knn_probe",
    "linear_probe",
    "negative_log_likelihood",
    "precision_recall",
    "rank_p_values",
    "two_sample_test",
]
