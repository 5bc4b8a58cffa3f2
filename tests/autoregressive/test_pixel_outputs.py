"""Levels, logits and draws of single pixel values."""

import math

import pytest
import torch

from gencourse.autoregressive.pixel_outputs import PixelOutput


def test_levels_of_8_bits_survive_float32():
    output = PixelOutput(256)
    x = torch.arange(256, dtype=torch.uint8).float() / 255
    assert torch.equal(output.levels(x), torch.arange(256))
    assert torch.equal(PixelOutput(17).levels(torch.arange(17) / 16), torch.arange(17))


@pytest.mark.parametrize("bad", [0.5, -1.0, 2.0, math.nan, math.inf])
def test_a_value_between_the_levels_is_refused(bad):
    with pytest.raises(ValueError, match=f"pixel value {bad}, expected k / 1 for k in 0..1"):
        PixelOutput(2).levels(torch.tensor([0.0, bad, 1.0]))


def test_a_grey_image_of_255_levels_of_another_scale_is_refused():
    with pytest.raises(ValueError, match=r"pixel value 0\.5, expected k / 255"):
        PixelOutput(256).levels(torch.tensor([0.5]))
    with pytest.raises(ValueError, match=r"pixel value 200\.0"):
        PixelOutput(256).levels(torch.tensor([0, 200], dtype=torch.uint8))
    assert PixelOutput(2).levels(torch.tensor([False, True])).tolist() == [0, 1]
    with pytest.raises(ValueError, match="num_levels is 1"):
        PixelOutput(1)


def test_colours_of_the_last_features():
    features = torch.arange(2 * 6 * 4 * 5.0).reshape(2, 6, 4, 5)
    assert torch.equal(PixelOutput(2).logits(features, 6), features)
    logits = PixelOutput(3).logits(features, 2)
    assert logits.shape == (2, 2, 4, 5, 3)
    assert torch.equal(logits[1, 1, 2, 3], features[1, 3:, 2, 3])


def test_log_prob_by_hand():
    logits = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)
    found = PixelOutput(3).log_conditionals(torch.tensor([0.5]), logits[None])
    torch.testing.assert_close(found, logits.log_softmax(0)[1:2])
    found = PixelOutput(2).log_conditionals(torch.tensor([0.0, 1.0]), logits[1:])
    torch.testing.assert_close(
        found.exp(), torch.stack([1 - logits[1].sigmoid(), logits[2].sigmoid()])
    )


def test_draws_invert_the_distribution_function():
    p = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    uniform = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 1 - 1e-16], dtype=torch.float64)
    drawn = PixelOutput(3).draw(p.log().expand(6, 3), uniform)
    assert drawn.tolist() == [0, 0, 0.5, 0.5, 1, 1]
    logit = p[:1].logit().expand(6)
    assert PixelOutput(2).draw(logit, uniform).tolist() == [1, 1, 0, 0, 0, 0]


def test_an_impossible_level_is_never_drawn():
    logits = torch.tensor([-math.inf, 0.0, -math.inf, 0.0]).expand(5, 4)
    uniform = torch.tensor([0.0, 0.25, 0.5, 0.75, 0.9999999])
    drawn = PixelOutput(4).draw(logits, uniform) * 3
    assert torch.equal(drawn, torch.tensor([1.0, 1.0, 3.0, 3.0, 3.0]))
