"""The lost ball: the scene, its best prediction in closed form, the detector."""

import pytest
import torch

from gencourse.data import MOVES, expected_next_frame, find_balls, ping_pong, with_ball

DATA = ping_pong(400)
BACKGROUND = DATA.attributes["background"]


def test_two_frames_and_a_move():
    assert DATA.x.shape == DATA.y.shape == (400, 1, 16, 16)
    assert DATA.x.min() >= 0 and DATA.x.max() <= 1 and BACKGROUND.max() <= 0.6
    step = DATA.attributes["next_position"] - DATA.attributes["position"]
    assert torch.equal(step, torch.tensor(MOVES)[DATA.attributes["move"]])
    assert torch.equal(DATA.x, with_ball(BACKGROUND, DATA.attributes["position"]))
    assert torch.equal(DATA.y, with_ball(BACKGROUND, DATA.attributes["next_position"]))
    changed = (DATA.x != BACKGROUND).flatten(1).sum(1)
    assert (changed == 9).all()  # nothing but the ball, and all of it inside


def test_moves_are_as_likely_and_tell_nothing():
    data = ping_pong(8000, seed=3)
    counts = torch.bincount(data.attributes["move"], minlength=8)
    assert ((counts - 1000).abs() < 150).all()
    for c in (0, 1):
        assert set(data.attributes["position"][:, c].tolist()) == {5, 6, 7, 8, 9, 10}
    assert len({tuple(m) for m in MOVES}) == 8 and sum(map(sum, MOVES)) == 0


def test_seeds():
    assert torch.equal(ping_pong(5).y, ping_pong(5).y)
    assert not torch.equal(ping_pong(5).y, ping_pong(5, seed=1).y)
    assert ping_pong(3, size=24).x.shape == (3, 1, 24, 24)
    with pytest.raises(ValueError, match="size is 12"):
        ping_pong(3, size=12)


def test_the_mean_of_the_futures_is_the_best_by_squared_error():
    """Against the mean of many draws of the same scene, and against other predictions."""
    data = DATA.subset(slice(0, 1))
    n = 20_000
    drawn = torch.randint(8, (n,), generator=torch.Generator().manual_seed(0))
    place = data.attributes["position"] + torch.tensor(MOVES)[drawn]
    futures = with_ball(data.attributes["background"].expand(n, -1, -1, -1), place)
    best = expected_next_frame(data)
    torch.testing.assert_close(futures.mean(0), best[0], rtol=0, atol=0.01)

    def error(guess):
        return float((futures - guess).square().mean())

    assert error(best) < error(data.attributes["background"])  # no ball
    assert error(best) < error(futures[0])  # one ball, in one of the places
    # E‖y - E y‖²: each of 8 ghosts is on with probability 1/8, so (1/8)(7/8) of a ball's energy
    ball = (futures[0] - data.attributes["background"][0]).square()
    every = torch.stack(
        [
            with_ball(data.attributes["background"], data.attributes["position"] + torch.tensor(m))
            for m in MOVES
        ]
    )
    energy = (every - data.attributes["background"]).square().sum((1, 2, 3, 4))
    assert float(ball.sum()) > 1  # a ball has weight
    expected = float(energy.mean()) * 7 / 8 / 256
    assert error(best) == pytest.approx(expected, rel=0.02)


def test_the_best_prediction_has_eight_ghosts_and_no_ball():
    best = expected_next_frame(DATA)
    found = find_balls(best, BACKGROUND)
    assert (found.count == 0).all()
    torch.testing.assert_close(found.peak, torch.full((400,), 1 / 8))
    assert (find_balls(best, BACKGROUND, threshold=0.1).count == 8).all()


class TestDetector:
    def test_finds_the_ball(self):
        for frames, key in ((DATA.x, "position"), (DATA.y, "next_position")):
            found = find_balls(frames, BACKGROUND)
            assert (found.count == 1).all() and torch.equal(found.position, DATA.attributes[key])
            torch.testing.assert_close(found.peak, torch.ones(400))

    def test_counts(self):
        assert (find_balls(BACKGROUND, BACKGROUND).count == 0).all()
        both = with_ball(DATA.x, DATA.attributes["next_position"])
        assert (find_balls(both, BACKGROUND).count == 2).all()

    def test_what_touches_is_one(self):
        picture = torch.zeros(1, 1, 6, 6)
        snake = [(0, 0), (0, 1), (1, 2), (2, 3), (3, 2), (4, 1), (4, 0)]
        for row, column in [*snake, (5, 5), (2, 0)]:
            picture[0, 0, row, column] = 0.9
        assert find_balls(picture, torch.zeros_like(picture)).count.tolist() == [3]

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"frames have shape \(400, 1, 16, 16\)"):
            find_balls(DATA.x, BACKGROUND[0])
        with pytest.raises(ValueError, match="threshold is 0"):
            find_balls(DATA.x, BACKGROUND, threshold=0)
