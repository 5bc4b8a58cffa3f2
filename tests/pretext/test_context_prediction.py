"""Context prediction: labels from coordinates, and a lens that gives them away."""

import pytest
import torch
import torch.nn.functional as F

from gencourse.data import world
from gencourse.pretext import ContextPrediction, pretext_loss
from gencourse.pretext.context_prediction import (
    NEIGHBOURS,
    aberrate,
    cut,
    drop_colours,
    project_colours,
)
from gencourse.train import fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def coordinates(n, height, width):
    """Images whose pixels say where they are: channel 0 the row, channel 1 the column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns]).double().expand(n, -1, -1, -1).contiguous()


def smooth_noise(n, seed, side=32):
    """Grey noise that looks the same everywhere: white noise, blurred and cropped."""
    noise = torch.randn(n, 1, side + 8, side + 8, generator=seeded(seed))
    blurred = F.avg_pool2d(F.avg_pool2d(noise, 3, 1), 3, 1)
    return blurred[:, :, 2:-2, 2:-2].expand(-1, 3, -1, -1).contiguous()


@pytest.mark.parametrize(("gap", "jitter"), [(0, 0), (3, 0), (1, 2)])
def test_the_label_is_where_the_patch_was(gap, jitter):
    task = ContextPrediction((2, 24, 30), patch=4, gap=gap, jitter=jitter)
    patches, answer = task.make(coordinates(2000, 24, 30), generator=seeded())
    assert patches.shape == (2000, 2, 2, 4, 4) and patches.dtype == torch.float64
    corner = patches[..., 0, 0]  # (B, 2 patches, row and column)
    apart = corner[:, 1] - corner[:, 0]
    nominal = (4 + gap) * torch.tensor(NEIGHBOURS)[answer]
    assert (apart - nominal).abs().max() == jitter
    assert (answer.bincount(minlength=8) - 250).abs().max() < 4 * 15
    # whole patches, wherever they fit, and no pixel from outside
    assert torch.equal(patches - corner[..., None, None],
                       coordinates(1, 4, 4)[:, None].expand_as(patches))  # fmt: skip
    assert corner.amin((0, 1)).tolist() == [0, 0]
    assert corner.amax((0, 1)).tolist() == [20, 26]
    assert len(corner[:, 0].unique(dim=0)) == (24 - 12 - 2 * gap - 2 * jitter + 1) * (
        30 - 12 - 2 * gap - 2 * jitter + 1
    )


def test_each_cut_is_a_slice():
    x = torch.rand(5, 3, 9, 11, generator=seeded())
    top, left = torch.tensor([0, 1, 5, 2, 3]), torch.tensor([7, 0, 2, 3, 1])
    for image, found, t, s in zip(x, cut(x, top, left, 4), top, left, strict=True):
        assert torch.equal(found, image[:, t : t + 4, s : s + 4])


def test_a_lens_moves_green_outwards():
    x = torch.zeros(1, 3, 40, 40)
    x[..., 30, 20] = 1  # ten below the middle
    found = aberrate(x, 0.2)
    assert torch.equal(found[:, ::2], x[:, ::2]) and found[0, 1].argmax() // 40 == 32
    torch.testing.assert_close(aberrate(x, 0.0), x, atol=1e-5, rtol=0)


def test_dropping_keeps_one_channel_of_each_patch():
    x = torch.rand(900, 3, 4, 4, generator=seeded()) + 1
    found = drop_colours(x, generator=seeded(1))
    kept = (found == x).flatten(2).all(2)
    assert (kept.sum(1) == 1).all() and (kept.sum(0) - 300).abs().max() < 60
    others = found[~kept]
    assert 0.002 < float(others.std()) < 0.004  # a hundredth of a uniform's 0.289
    grey = x[:, :1]
    assert torch.equal(drop_colours(grey), grey), "one channel has no colour to drop"


def test_the_projection_removes_green_against_magenta():
    x = torch.rand(2, 3, 4, 4, generator=seeded(), dtype=torch.float64)
    found = project_colours(x)
    a = x.new_tensor([-1, 2, -1])
    assert torch.einsum("c,bchw->bhw", a, found).abs().max() < 1e-12
    torch.testing.assert_close(project_colours(found), found)
    torch.testing.assert_close(found.sum(1), x.sum(1))
    grey = x[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(project_colours(grey), grey)


def trained_on(make_data, colour):
    torch.manual_seed(0)
    task = ContextPrediction((3, 32, 32), colour=colour, widths=(16, 32))
    fit(task, make_data(3000, 1), loss=pretext_loss, steps=200, batch_size=100, lr=1e-2,
        progress=False)  # fmt: skip
    return task.score(make_data(3000, 2), generator=seeded())


def lens(n, seed):
    return aberrate(smooth_noise(n, seed), 0.2)


NOISE = 4 * (1 / 8 * 7 / 8 / 3000) ** 0.5  # four standard errors


def test_noise_leaves_chance():
    score = trained_on(smooth_noise, "keep")
    assert score.chance == 1 / 8 and score.num_rows == 3000
    assert abs(score.value - 1 / 8) < NOISE


def test_a_lens_gives_it_away_without_any_content():
    assert trained_on(lens, "keep").value > 0.8


def test_dropping_the_colours_mends_it():
    assert abs(trained_on(lens, "drop").value - 1 / 8) < NOISE


def test_the_projection_leaves_a_faint_second_image():
    """What remains of the lens is grey, 1 to 2, and still a little better than chance."""
    assert 1 / 8 + NOISE < trained_on(lens, "project").value < 0.3


@pytest.mark.parametrize("colour", ["keep", "drop", "project"])
def test_one_image_and_double_precision(colour):
    task = ContextPrediction((3, 16, 16), colour=colour, widths=(8, 16)).double()
    loss = pretext_loss(task, (torch.rand(1, 3, 16, 16, dtype=torch.float64),))
    loss.backward()
    assert loss.dtype == torch.float64 and all(p.grad is not None for p in task.parameters())


def test_a_gradient_reaches_every_parameter_and_the_generator_decides():
    x = world(24, seed=1, num_shapes=1, frames=1).x[:, 0]
    task = ContextPrediction((3, 16, 16), widths=(8, 16))
    pretext_loss(task, (x,)).backward()
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())
    losses = [float(task.eval().loss((x,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    assert task.features(x).shape == (24, 16)


def test_bad_input():
    with pytest.raises(ValueError, match=r"too small for 3x3 patches of 6 .* sides >= 20"):
        ContextPrediction((3, 16, 16), patch=6, gap=1, jitter=0)
    with pytest.raises(ValueError, match=r"\(3, 3, 9\), too small for 3x3 patches of 0"):
        ContextPrediction((3, 3, 9))
    with pytest.raises(ValueError, match="colour is 'grey'"):
        ContextPrediction((3, 16, 16), colour="grey")
    with pytest.raises(ValueError, match="colour is 'project' for 1 channels"):
        ContextPrediction((1, 16, 16), colour="project")
    with pytest.raises(ValueError, match="encoder is 'vit'"):
        ContextPrediction((3, 16, 16), encoder="vit")
    with pytest.raises(ValueError, match="expected \\(B, 3, H, W\\)"):
        aberrate(torch.zeros(1, 1, 8, 8), 0.1)
