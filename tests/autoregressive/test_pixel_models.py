"""Every image model: a right density, a right sampler, a fast one, exact completions."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from gencourse.autoregressive import (
    DiagonalBiLSTM,
    GatedPixelCNN,
    PixelCNN,
    RowLSTM,
    complete_by_importance,
)
from tests.density_suite import CHECKS, Case, Finite, cells

MODELS = (PixelCNN, GatedPixelCNN, RowLSTM, DiagonalBiLSTM)


def make(model, event_shape, *, seed=0, **options):
    """A small model, far from the nearly uniform one that default initial values give."""
    options = {"num_layers": 2, "num_hidden": 6, "first_kernel": 3} | options
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = model(event_shape, **options)
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.mul_(2).add_(0.1 * torch.randn_like(parameter))
    return made


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Levels(nn.Module):
    """A model whose events are levels 0..K-1, as the shared checks enumerate them."""

    def __init__(self, model):
        super().__init__()
        self.model, self.event_shape = model, model.event_shape
        self.top = model.output.num_levels - 1

    def log_prob(self, x):
        return self.model.log_prob(x / self.top)

    def sample(self, n, **options):
        return (self.model.sample(n, **options) * self.top).round()


SUPPORTS = {
    "3x3 binary": ((1, 3, 3), 2),
    "2x2 in three binary colours": ((3, 2, 2), 2),
    "2x3 in 4 grey levels": ((1, 2, 3), 4),
}


def case(model, name):
    shape, levels = SUPPORTS[name]
    return Case(
        lambda seed: Levels(make(model, shape, seed=seed, num_levels=levels)),
        Finite((levels,) * torch.Size(shape).numel()),
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
@pytest.mark.parametrize("name", SUPPORTS)
@pytest.mark.parametrize("model", MODELS)
def test_density(model, name, check):
    check(case(model, name))


@pytest.mark.parametrize("model", MODELS)
def test_4096_binary_images_sum_to_1(model):
    made = make(model, (1, 3, 4)).double()
    images, _ = cells(Case(lambda seed: made, Finite((2,) * 12)))
    with torch.no_grad():
        assert abs(float(made.log_prob(images.double()).exp().sum()) - 1) < 1e-12


@pytest.mark.parametrize("shape, levels", [((1, 5, 6), 2), ((3, 4, 3), 3), ((1, 5, 1), 5)])
@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("model", MODELS)
def test_the_fast_sampler_draws_what_full_passes_draw(model, shape, levels, n):
    made = make(model, shape, num_levels=levels, num_layers=3, first_kernel=5).double()
    fast = made.sample(n, generator=generator(1))
    assert torch.equal(fast, made.sample_by_full_passes(n, generator=generator(1)))
    assert n == 1 or 0 < fast.mean() < 1, "constant images would prove nothing"

    given = torch.zeros(shape, dtype=torch.bool)
    given[:, :2] = given[0, 2, 0] = True
    options = {"condition": (fast[0], given), "generator": generator(2)}
    completed = made.sample(n, **options)
    options["generator"] = generator(2)
    assert torch.equal(completed, made.sample_by_full_passes(n, **options))
    assert (completed[:, given] == fast[0, given]).all()


@pytest.mark.parametrize("model", MODELS)
def test_completions_follow_the_conditional_distribution(model):
    made = make(model, (1, 3, 3))
    images, _ = cells(Case(lambda seed: made, Finite((2,) * 9)))
    images = images.float()
    given = torch.arange(9).reshape(1, 3, 3) < 5
    image = made.sample(1, generator=generator(3))[0]
    with torch.no_grad():
        fits = (images[:, given] == image[given]).all(1)
        p = torch.where(fits, made.log_prob(images).double().exp(), 0.0)
    p = (p / p.sum())[fits]
    drawn = made.sample(4000, condition=(image, given), generator=generator(4))
    assert (drawn[:, given] == image[given]).all()
    place = (drawn[:, ~given] * 2 ** torch.arange(3, -1, -1)).sum(1).long()  # in C order
    count = np.bincount(place.numpy(), minlength=16)
    expected = 4000 * p.numpy()
    rare = expected < 5
    count, expected = (np.append(v[~rare], v[rare].sum()) for v in (count, expected))
    keep = expected > 0
    assert stats.chisquare(count[keep], expected[keep]).pvalue > 1e-4


@pytest.mark.parametrize("model", MODELS)
def test_each_sample_may_have_an_image_of_its_own(model):
    made = make(model, (1, 3, 3))
    rows = torch.eye(3)[:, None, None].expand(3, 1, 3, 3)
    given = torch.tensor([True, False, False])[:, None]  # the first row
    drawn = made.sample(3, condition=(rows, given), generator=generator())
    assert torch.equal(drawn[:, 0, 0], torch.eye(3))
    everything = made.sample(3, condition=(rows, torch.tensor(True)), generator=generator())
    assert torch.equal(everything, rows)


def test_given_pixels_that_come_late_are_refused():
    made, image = make(PixelCNN, (3, 3, 4)), torch.zeros(3, 3, 4)
    below = torch.tensor([False, False, True])[:, None]
    words = r"\(channel 2, row 2, column 3\) but not the one at \(channel 0, row 0, column 0\)"
    for sample in (made.sample, made.sample_by_full_passes):
        with pytest.raises(ValueError, match=words):
            sample(2, condition=(image, below))
    green = torch.tensor([False, True, False])[:, None, None]
    with pytest.raises(ValueError, match="complete_by_importance"):
        made.sample(2, condition=(image, green))
    with pytest.raises(ValueError, match=r"pixel value 0\.5"):
        made.sample(2, condition=(image + 0.5, torch.tensor(True)))
    with pytest.raises(ValueError, match=r"shape \(3, 4\), expected \(3, 3, 4\)"):
        made.sample(2, condition=(image[0], torch.tensor(True)))


@pytest.mark.parametrize("model", MODELS)
def test_late_pixels_by_importance_sampling(model):
    made = make(model, (1, 2, 3))
    images, _ = cells(Case(lambda seed: made, Finite((2,) * 6)))
    given = torch.tensor([[[False, True, False], [False, False, True]]])
    with torch.no_grad():
        p = made.log_prob(images.float()).double().exp()
    fits = images[:, given].all(1)
    mean = (p[fits] / p[fits].sum()) @ images[fits].flatten(1).double()
    condition = (torch.ones(1, 2, 3), given)
    found = complete_by_importance(
        made, 20_000, condition, num_proposals=20_000, generator=generator()
    )
    assert abs(found.log_evidence - float(p[fits].sum().log())) < 0.03
    assert (found.samples.flatten(1).mean(0).double() - mean).abs().max() < 0.03


@pytest.mark.parametrize("model", MODELS)
def test_config_makes_the_same_model(model):
    made = make(model, (3, 4, 4), num_levels=4, num_hidden=5)
    again = model(**made.config)
    again.load_state_dict(made.state_dict())
    x = made.sample(2, generator=generator())
    assert torch.equal(again.log_prob(x), made.log_prob(x))


@pytest.mark.parametrize("model", MODELS)
def test_autocast_changes_little_and_adds_up_in_full_precision(model):
    made = make(model, (1, 6, 6))
    x = made.sample(4, generator=generator())
    with torch.no_grad():
        plain = made.log_prob(x)
        with torch.autocast("cpu", torch.bfloat16):
            low = made.log_prob(x)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, plain, rtol=0.03, atol=0.1)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "options, words",
    [
        ({"event_shape": (28, 28)}, r"event_shape is \(28, 28\), expected \(C, H, W\)"),
        ({"num_levels": 1}, "num_levels is 1"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"num_hidden": 0}, "num_hidden is 0"),
        ({"first_kernel": 4}, "first_kernel is 4, expected an odd number from 3"),
        ({"first_kernel": 1}, "first_kernel is 1"),
        ({"event_shape": (3, 4, 4), "num_hidden": 2}, "2 features, expected at least one"),
    ],
)
def test_constructors_refuse(model, options, words):
    with pytest.raises(ValueError, match=words):
        model(**({"event_shape": (1, 4, 4)} | options))


@pytest.mark.parametrize("model", MODELS)
def test_log_prob_refuses(model):
    made = make(model, (1, 4, 4))
    with pytest.raises(ValueError, match=r"x has shape \(2, 16\), expected .*\(1, 4, 4\)"):
        made.log_prob(torch.zeros(2, 16))
    with pytest.raises(ValueError, match=r"x holds the pixel value 0\.25"):
        made.log_prob(torch.full((2, 1, 4, 4), 0.25))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("model", MODELS)
def test_a_gpu_gives_the_same_numbers(model):
    made = make(model, (3, 5, 4), num_levels=3)
    x = made.sample(4, generator=generator())
    there = copy.deepcopy(made).cuda()
    torch.testing.assert_close(
        there.log_prob(x.cuda()).cpu(), made.log_prob(x), rtol=1e-3, atol=1e-3
    )
    given = torch.zeros(3, 5, 4, dtype=torch.bool)
    given[:, :3] = True
    drawn = there.double().sample(4, condition=(x, given), generator=torch.Generator("cuda"))
    assert torch.equal(drawn[:, given].cpu(), x[:, given].double())
