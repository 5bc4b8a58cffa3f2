"""Jigsaw: permutation and inverse, distances by enumeration, tiles from coordinates."""

import itertools

import pytest
import torch

from gencourse.data import world
from gencourse.pretext import Jigsaw, pretext_loss
from gencourse.pretext.jigsaw import hamming, permutation_set, shuffle
from gencourse.train import fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def coordinates(n, height, width):
    """Images whose pixels say where they are: channel 0 the row, channel 1 the column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows, columns]).double().expand(n, -1, -1, -1).contiguous()


class TestPermutations:
    @pytest.mark.parametrize(("tiles", "n"), [(2, 2), (3, 6), (4, 4), (4, 24), (9, 100)])
    def test_they_are_different_permutations(self, tiles, n):
        found = permutation_set(tiles, n)
        assert found.shape == (n, tiles) and len(found.unique(dim=0)) == n
        assert torch.equal(found.sort(1).values, torch.arange(tiles).expand(n, -1))

    def test_distances_by_hand(self):
        p = torch.tensor([[0, 1, 2], [0, 2, 1], [2, 0, 1]])
        assert hamming(p).tolist() == [[0, 2, 3], [2, 0, 2], [3, 2, 0]]

    @pytest.mark.parametrize("n", [2, 3, 4])
    def test_the_smallest_distance_is_the_best_of_all_sets(self, n):
        """By enumeration of all sets of n of the 24 permutations of 2x2 tiles."""
        every = torch.tensor(list(itertools.permutations(range(4))))
        distance = hamming(every)
        off = ~torch.eye(n, dtype=torch.bool)
        sets = torch.tensor(list(itertools.combinations(range(24), n)))
        best = distance[sets[:, :, None], sets[:, None]][:, off].amin(1).max()
        assert hamming(permutation_set(4, n))[off].min() == best == 4

    def test_each_step_is_greedy(self):
        """The next one is as far from those before it as any permutation could be."""
        every = torch.tensor(list(itertools.permutations(range(4))))
        found = permutation_set(4, 24)
        for i in range(1, 24):
            nearest = (every[:, None] != found[:i]).sum(2).amin(1)
            assert (found[i] != found[:i]).sum(1).min() == nearest.max()

    def test_nine_tiles_are_far_apart(self):
        distance = hamming(permutation_set(9, 64))[~torch.eye(64, dtype=torch.bool)]
        drawn = torch.stack([torch.randperm(9, generator=seeded(i)) for i in range(64)])
        chance = hamming(drawn)[~torch.eye(64, dtype=torch.bool)]
        assert distance.min() == 7 and chance.min() < 6

    def test_then_the_inverse_is_the_identity(self):
        tiles = torch.rand(24, 4, 3, 2, 2, generator=seeded())
        p = permutation_set(4, 24)
        shuffled = shuffle(tiles, p)
        for image, order, found in zip(tiles, p, shuffled, strict=True):
            assert all(torch.equal(found[i], image[k]) for i, k in enumerate(order))
        assert torch.equal(shuffle(shuffled, p.argsort(1)), tiles)
        assert not torch.equal(shuffle(shuffled, p), tiles), "a cycle of three is not its inverse"

    def test_bad_input(self):
        with pytest.raises(ValueError, match="num_tiles is 4 and n is 25"):
            permutation_set(4, 25)
        with pytest.raises(ValueError, match=r"permutations have shape \(2, 3\), expected"):
            shuffle(torch.zeros(2, 4, 1), torch.zeros(2, 3).long())


@pytest.mark.parametrize(("grid", "margin"), [(2, 1), (3, 0), (3, 2)])
def test_tiles_from_coordinates(grid, margin):
    task = Jigsaw((2, 18, 24), grid=grid, margin=margin, num_permutations=20)
    x = coordinates(500, 18, 24)
    tiles, answer = task.make(x, generator=seeded())
    s = 18 // grid - margin
    assert tiles.shape == (500, grid**2, 2, s, s)
    corner = tiles[..., 0, 0]  # (B, N, row and column)
    assert torch.equal(tiles - corner[..., None, None],
                       coordinates(1, s, s)[:, None].expand_as(tiles))  # fmt: skip
    cell = corner // torch.tensor([18 // grid, 24 // grid])
    assert torch.equal((cell[..., 0] * grid + cell[..., 1]).long(), task.permutations[answer])
    inside = corner - cell * torch.tensor([18 // grid, 24 // grid])
    assert inside.amin((0, 1)).tolist() == [0, 0]
    assert inside.amax((0, 1)).tolist() == [margin, 24 // grid - s]
    assert answer.bincount(minlength=20).min() > 8


def test_normalised_tiles():
    task = Jigsaw((3, 16, 16), normalise=True)
    x = torch.rand(6, 3, 16, 16, generator=seeded()) * 0.2 + 0.5
    tiles, _ = task.make(x)
    torch.testing.assert_close(tiles.mean((2, 3, 4)), torch.zeros(6, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiles.std((2, 3, 4), correction=0), torch.ones(6, 4))
    assert task.make(torch.ones(2, 3, 16, 16))[0].abs().max() == 0, "a flat tile stays finite"
    torch.testing.assert_close(task.eval().features(x), task.features(2 * x + 1))


def test_noise_leaves_chance_and_four_greys_do_not():
    torch.manual_seed(0)
    noise = torch.rand(3000, 1, 8, 8, generator=seeded(1))
    greys = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).kron(torch.ones(4, 4)) + noise
    for x, solved in ((noise, False), (greys, True)):
        task = Jigsaw((1, 8, 8), num_permutations=4, widths=(16,))
        fit(task, x[:1500], loss=pretext_loss, steps=100, batch_size=100, lr=1e-2, progress=False)
        score = task.score(x[1500:], generator=seeded())
        assert score.chance == 1 / 4
        if solved:
            assert score.value > 0.95
        else:
            assert abs(score.value - 1 / 4) < 4 * (1 / 4 * 3 / 4 / 1500) ** 0.5


@pytest.mark.parametrize("grid", [2, 3])
def test_one_image_and_double_precision(grid):
    task = Jigsaw((3, 16, 16), grid=grid, widths=(8, 16)).double()
    loss = pretext_loss(task, (torch.rand(1, 3, 16, 16, dtype=torch.float64),))
    loss.backward()
    assert loss.dtype == torch.float64 and all(p.grad is not None for p in task.parameters())


def test_a_gradient_reaches_every_parameter_and_the_generator_decides():
    x = world(24, seed=1, num_shapes=1, frames=1).x[:, 0]
    task = Jigsaw((3, 16, 16), widths=(8, 16))
    pretext_loss(task, (x,)).backward()
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())
    losses = [float(task.eval().loss((x,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    assert task.features(x).shape == (24, 16)


def test_bad_input():
    with pytest.raises(ValueError, match=r"\(1, 5, 9\), too small for 3x3 tiles .* sides >= 6"):
        Jigsaw((1, 5, 9), grid=3)
    with pytest.raises(ValueError, match="grid is 4, expected 2 or 3"):
        Jigsaw((1, 16, 16), grid=4)
    with pytest.raises(ValueError, match="encoder is 'vit'"):
        Jigsaw((3, 16, 16), encoder="vit")
    with pytest.raises(ValueError, match="num_tiles is 4 and n is 30"):
        Jigsaw((3, 16, 16), num_permutations=30)
