"""Autoencoders and variational autoencoders: latents z behind x, and bounds on log p(x).

One notation throughout: the encoder q_φ(z | x) has the parameters φ, the decoder p_θ(x | z) has θ.
"""

from gencourse.vae.active_units import ActiveUnits, active_units
from gencourse.vae.aggregate_posterior import AggregatePosterior, elbo_surgery
from gencourse.vae.autoencoder import Autoencoder, ConvAutoencoder, autoencoder_loss
from gencourse.vae.bounds import elbo, importance_weighted_nll, iwae_bound
from gencourse.vae.categorical_vae import CategoricalVAE, categorical_vae_loss, gumbel_softmax
from gencourse.vae.code_prior import CodePrior
from gencourse.vae.conditional_vae import ConditionalVAE, conditional_vae_loss
from gencourse.vae.denoising_autoencoder import DenoisingAutoencoder, denoising_loss
from gencourse.vae.factorised_gaussian import factorised_gaussian
from gencourse.vae.gradients import pathwise_gradient, score_function_gradient
from gencourse.vae.inference_gap import inference_gaps
from gencourse.vae.linear_autoencoder import LinearAutoencoder
from gencourse.vae.mixture_posterior_vae import MixturePosteriorVAE
from gencourse.vae.posteriors import MixturePosterior, NormalPosterior
from gencourse.vae.ppca import ProbabilisticPCA
from gencourse.vae.vae import VAE, iwae_loss, vae_loss
from gencourse.vae.vq_vae import VQVAE, code_prior_loss, vqvae_loss
from gencourse.vae.wake_sleep import wake_sleep_loss

__all__ = [
    "VAE",
    "VQVAE",
    "ActiveUnits",
    "AggregatePosterior",
    "Autoencoder",
    "CategoricalVAE",
    "CodePrior",
    "ConditionalVAE",
    "ConvAutoencoder",
    "DenoisingAutoencoder",
    "LinearAutoencoder",
    "MixturePosterior",
    "MixturePosteriorVAE",
    "NormalPosterior",
    "ProbabilisticPCA",
    "active_units",
    "autoencoder_loss",
    "categorical_vae_loss",
    "code_prior_loss",
    "conditional_vae_loss",
    "denoising_loss",
    "elbo",
    "elbo_surgery",
    "factorised_gaussian",
    "gumbel_softmax",
    "importance_weighted_nll",
    "inference_gaps",
    "iwae_bound",
    "iwae_loss",
    "pathwise_gradient",
    "score_function_gradient",
    "vae_loss",
    "vqvae_loss",
    "wake_sleep_loss",
]
