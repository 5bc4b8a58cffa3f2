"""Generative adversarial nets: samplers without a likelihood, learnt from an opponent."""

from gencourse.gan.conditional import ConditionalGAN
from gencourse.gan.dcgan import DCGAN, DCGANDiscriminator, DCGANGenerator
from gencourse.gan.gan import GAMES, GAN, MLPGAN, normalise_spectrally
from gencourse.gan.lemmas import Lemma1, Lemma2, lemma_1, lemma_2
from gencourse.gan.patchgan import PatchGANDiscriminator

__all__ = [
    "DCGAN",
    "GAMES",
    "GAN",
    "MLPGAN",
    "ConditionalGAN",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Lemma1",
    "Lemma2",
    "PatchGANDiscriminator",
    "lemma_1",
    "lemma_2",
    "normalise_spectrally",
]
