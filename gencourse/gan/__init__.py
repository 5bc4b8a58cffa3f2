"""Generative adversarial nets: samplers without a likelihood, learnt from an opponent."""

from gencourse.gan.bigan import BiGAN
from gencourse.gan.conditional import ConditionalGAN
from gencourse.gan.cycle_gan import CycleGAN, ResNetGenerator
from gencourse.gan.dcgan import DCGAN, DCGANDiscriminator, DCGANGenerator
from gencourse.gan.gan import GAMES, GAN, MLPGAN, normalise_spectrally
from gencourse.gan.grid_attention import GridSelfAttention
from gencourse.gan.info_gan import Codes, InfoGAN
from gencourse.gan.latents import (
    LatentSearch,
    analogy,
    attribute_direction,
    interpolate,
    latent_search,
)
from gencourse.gan.lemmas import Lemma1, Lemma2, lemma_1, lemma_2
from gencourse.gan.lipschitz import L2SelfAttention, normalise_to_initial
from gencourse.gan.patch_decoder import PatchDecoder
from gencourse.gan.patchgan import PatchGANDiscriminator
from gencourse.gan.picture_measures import perceptual_distance, sharpness
from gencourse.gan.pix2pix import Pix2Pix
from gencourse.gan.progressive_gan import ProgressiveGAN
from gencourse.gan.progressive_networks import ProgressiveDiscriminator, ProgressiveGenerator
from gencourse.gan.style_gan import StyleGAN
from gencourse.gan.style_generator import StyleGenerator
from gencourse.gan.transgan import TransGAN, TransGANDiscriminator, TransGANGenerator
from gencourse.gan.unet import UNetGenerator, squared_error_loss
from gencourse.gan.vitgan import (
    SelfModulatedNorm,
    ViTGAN,
    ViTGANDiscriminator,
    ViTGANGenerator,
)

__all__ = [
    "DCGAN",
    "GAMES",
    "GAN",
    "MLPGAN",
    "BiGAN",
    "Codes",
    "ConditionalGAN",
    "CycleGAN",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "GridSelfAttention",
    "InfoGAN",
    "L2SelfAttention",
    "LatentSearch",
    "Lemma1",
    "Lemma2",
    "PatchDecoder",
    "PatchGANDiscriminator",
    "Pix2Pix",
    "ProgressiveDiscriminator",
    "ProgressiveGAN",
    "ProgressiveGenerator",
    "ResNetGenerator",
    "SelfModulatedNorm",
    "StyleGAN",
    "StyleGenerator",
    "TransGAN",
    "TransGANDiscriminator",
    "TransGANGenerator",
    "UNetGenerator",
    "ViTGAN",
    "ViTGANDiscriminator",
    "ViTGANGenerator",
    "analogy",
    "attribute_direction",
    "interpolate",
    "latent_search",
    "lemma_1",
    "lemma_2",
    "normalise_spectrally",
    "normalise_to_initial",
    "perceptual_distance",
    "sharpness",
    "squared_error_loss",
]
