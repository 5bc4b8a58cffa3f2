"""Rotation: the group of four turns, and what cannot be told."""

import pytest
import torch

from gencourse.data import world
from gencourse.pretext import Rotation, pretext_loss
from gencourse.pretext.rotation import rotate
from gencourse.train import fit

X = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_image_is_turned_by_its_own_number():
    turns = torch.arange(12) % 4
    found = rotate(X, turns)
    for image, k, want in zip(X, turns.tolist(), found, strict=True):
        assert torch.equal(want, torch.rot90(image, k, (1, 2)))
    corner = torch.zeros(1, 1, 4, 4)
    corner[..., 0, 3] = 1  # top right; counter-clockwise it goes to the top left
    assert rotate(corner, torch.tensor([1]))[0, 0, 0, 0] == 1


def test_four_turns_are_the_identity():
    one = torch.ones(12, dtype=torch.long)
    turned = X
    for _ in range(4):
        turned = rotate(turned, one)
        assert turned is not X
    assert torch.equal(turned, X)
    turns = torch.randint(4, (12,), generator=seeded())
    assert torch.equal(rotate(rotate(X, turns), -turns), X)


def test_make_draws_all_turns_alike():
    question, turns = Rotation((3, 8, 8)).make(X.repeat(400, 1, 1, 1), generator=seeded())
    assert torch.equal(question, rotate(X.repeat(400, 1, 1, 1), turns))
    assert (turns.bincount(minlength=4) - 1200).abs().max() < 4 * 30


def symmetric(n, seed):
    """Images that are the same after a quarter turn."""
    x = torch.rand(n, 3, 8, 8, generator=seeded(seed))
    return sum(x.rot90(k, (2, 3)) for k in range(4)) / 4


def test_symmetric_images_leave_chance():
    torch.manual_seed(0)
    task = Rotation((3, 8, 8), widths=(16,))
    data = symmetric(400, 1)
    fit(task, data, loss=pretext_loss, epochs=5, batch_size=50, lr=1e-2, progress=False)
    score = task.score(symmetric(4000, 2), generator=seeded())
    assert score.chance == 0.25
    assert abs(score.value - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5


def test_a_sky_gives_the_rotation_away():
    """The shortcut: one number, where the blue is, solves it without a look at any shape."""
    task = Rotation((3, 16, 16), widths=(8, 8))
    skies = world(500, seed=1, num_shapes=1, frames=1, background="sky").x[:, 0]
    blank = skies[:, :, :, :1].expand(-1, -1, -1, 16)  # the left column only, no shape in most
    fit(task, blank, loss=pretext_loss, epochs=8, lr=1e-2, batch_size=50, progress=False)
    test = world(500, seed=2, num_shapes=1, frames=1, background="sky").x[:, 0]
    assert task.score(test, generator=seeded()).value > 0.9


def test_bad_input():
    with pytest.raises(ValueError, match=r"expected \(C, S, S\)"):
        Rotation((3, 8, 16))
    with pytest.raises(ValueError, match="expected square images"):
        rotate(X[..., :4], torch.zeros(12).long())
    with pytest.raises(ValueError, match=r"turns has shape \(3,\), expected \(12,\)"):
        rotate(X, torch.zeros(3).long())
