"""The rendered world: its truths are read back from pixels and samples."""

import math

import pytest
import torch
from scipy import stats

from gencourse.data import COLOURS, SHAPES, WORLD_WORDS, world
from gencourse.data.bounce_sounds import PITCHES, RATE, SAMPLES_PER_FRAME
from gencourse.data.bouncing import WALLS, bounce

N, T, S = 60, 24, 32
WORLD = world(N, seed=1, size=S, frames=T)
TRUTH = WORLD.attributes
RGB = torch.tensor(list(COLOURS.values())) / 255


def test_shapes_and_ranges():
    assert WORLD.x.shape == (N, T, 3, S, S) and WORLD.x.dtype == torch.float32
    assert 0 <= WORLD.x.min() and WORLD.x.max() <= 1
    assert torch.equal(WORLD.y, TRUTH["shape"][:, 0])
    assert TRUTH["sound"].shape == (N, T, SAMPLES_PER_FRAME)
    assert TRUTH["sound"].abs().max() <= 1
    assert (TRUTH["colour"][:, 0] != TRUTH["colour"][:, 1]).all()
    again = world(N, seed=1, size=S, frames=T)
    assert torch.equal(again.x, WORLD.x)
    assert all(torch.equal(again.attributes[key], TRUTH[key]) for key in TRUTH)
    assert not torch.equal(world(N, seed=2, size=S, frames=T).x, WORLD.x)


def test_masks_show_where_a_colour_is():
    for thing in (0, 1):
        ink = RGB[TRUTH["colour"][:, thing]][:, None, :, None, None]
        same = ((WORLD.x - ink).abs().amax(2) < 1e-3).float()  # (N, T, S, S), fully covered
        mask = TRUTH["masks"] == thing + 1
        assert (mask | ~same.bool()).all(), "a pixel of full colour belongs to the thing"
        assert same.sum() > 0.6 * mask.sum()


def test_tracks_are_the_centres_of_mass():
    alone = world(N, seed=3, size=S, frames=T, num_shapes=1)
    covered = alone.x.amax(2) / RGB[alone.attributes["colour"][:, 0]].amax(1)[:, None, None, None]
    grid = (torch.arange(S) + 0.5) / S
    mass = covered.sum((2, 3))
    centre = torch.stack([covered.sum(2) @ grid / mass, covered.sum(3) @ grid / mass], 2)
    torch.testing.assert_close(centre, alone.attributes["tracks"][:, :, 0], atol=0.012, rtol=0)


def test_nothing_leaves_the_picture():
    area = (TRUTH["masks"] == 1).float().mean((2, 3)).sqrt()  # thing 0 is always in front
    expected = TRUTH["scale"][:, :1].expand_as(area)
    torch.testing.assert_close(area, expected, atol=0.03, rtol=0)


def simulate(start, velocity, low, high, frames, steps=2000):
    """The slow way: one thing on one axis, many small steps, turned round at the walls."""
    places, hits, place, speed = [start], [], start, velocity
    for _ in range(frames - 1):
        hit = [False, False]
        for _ in range(steps):
            place += speed / steps
            if place > high:
                place, speed, hit[1] = 2 * high - place, -speed, True
            if place < low:
                place, speed, hit[0] = 2 * low - place, -speed, True
        places.append(place)
        hits.append(hit)
    return places, hits


def test_bounces_are_those_of_a_simulation():
    start, velocity = torch.tensor([0.35, 0.6]).double(), torch.tensor([0.11, -0.083]).double()
    low, high = torch.tensor([0.2, 0.3]).double(), torch.tensor([0.8, 0.75]).double()
    at = {"low": low[None, None], "high": high[None, None], "frames": 30, "friction": 0.0}
    places, hits = bounce(start[None, None], velocity[None, None], **at)
    for axis in (0, 1):
        numbers = (float(t[axis]) for t in (start, velocity, low, high))
        path, walls = simulate(*numbers, frames=30)
        torch.testing.assert_close(places[0, :, 0, axis], torch.tensor(path).double())
        assert hits[0, 1:, 0, 2 * axis : 2 * axis + 2].tolist() == walls
    assert hits.any(1).all(), "each wall is hit at least once"


def test_friction_slows_down_along_the_same_path():
    kept = {"start": torch.full((1, 1, 2), 0.5).double(), "low": torch.zeros(1, 1, 2).double()}
    kept |= {"velocity": torch.full((1, 1, 2), 0.02).double(), "frames": 12}
    kept |= {"high": torch.ones(1, 1, 2).double()}
    places, _ = bounce(**kept, friction=0.25)
    steps = places[0, :, 0, 0].diff()
    torch.testing.assert_close(steps[1:] / steps[:-1], torch.full((10,), math.exp(-0.25)).double())
    with pytest.raises(ValueError, match="crosses its whole room"):
        bounce(**{**kept, "velocity": torch.full((1, 1, 2), 1.0).double()}, friction=0.0)


@pytest.mark.parametrize("friction, reversible", [(0.0, True), (0.1, False)])
def test_only_without_friction_can_time_run_backwards(friction, reversible):
    """Speed in the first and in the last step, each from clips of its own, tested for equality."""
    speeds = []
    for seed, first in ((4, True), (5, False)):
        data = world(300, seed=seed, size=8, frames=12, num_shapes=1, friction=friction)
        step = data.attributes["tracks"][:, :, 0].diff(dim=1).norm(dim=2)
        speeds.append(step[:, 0 if first else -1].numpy())
    p = stats.ks_2samp(*speeds).pvalue
    assert (p > 0.01) == reversible


def test_places_stay_uniform_between_the_walls():
    data = world(2000, seed=6, size=8, frames=10, num_shapes=1)
    circles = data.y == 0
    radius = data.attributes["scale"][circles, 0] / math.sqrt(math.pi)
    last = data.attributes["tracks"][circles, -1, 0]
    share = (last - radius[:, None]) / (1 - 2 * radius[:, None])
    for axis in (0, 1):
        assert stats.kstest(share[:, axis].numpy(), "uniform").pvalue > 0.01


def test_each_bounce_sounds_and_nothing_else_does():
    loud = TRUTH["sound"].abs().amax(2) > 0  # (N, T)
    bounced = TRUTH["bounces"].any(2)
    before = torch.cat([torch.zeros(N, 1, dtype=torch.bool), bounced[:, :-1]], 1)
    assert torch.equal(loud, bounced | before), "a tone lasts two frames"


def test_the_pitch_is_the_colour():
    data = world(200, seed=7, size=8, frames=16, num_shapes=1)
    n, t = (data.attributes["bounces"][:, :-1, 0] & (data.y == 0)[:, None]).nonzero().T
    clip = data.attributes["sound"][n].unflatten(0, (-1,))  # (events, T, samples)
    tone = torch.stack([clip[i, k : k + 2].flatten() for i, k in enumerate(t.tolist())])
    spectrum = torch.fft.rfft(tone, n=16 * tone.shape[1]).abs()
    heard = spectrum.argmax(1) * RATE / (16 * tone.shape[1])
    pitch = torch.tensor(PITCHES)[data.attributes["colour"][n, 0]]
    assert len(pitch) > 50
    # a tone that overlaps the next one is heard less exactly
    assert ((heard - pitch).abs() < 8).float().mean() > 0.9


def test_silent_shapes_are_never_heard():
    quiet = world(N, seed=1, size=8, frames=T, num_shapes=1, silent=["square", "circle"])
    heard = quiet.attributes["sound"].abs().amax((1, 2)) > 0
    bounced = quiet.attributes["bounces"].any((1, 2))
    # a sound that starts in the last frame is there too
    assert torch.equal(heard, bounced & (quiet.y == SHAPES.index("triangle")))
    assert not world(9, silent=SHAPES).attributes["sound"].any()


def test_sentences_are_about_what_happened():
    texts = [WORLD_WORDS.decode(tokens) for tokens in TRUTH["tokens"]]
    colours, said = list(COLOURS), 0
    for clip in range(N):
        events = set()
        for m, text in enumerate(texts[clip]):
            thing, frame = (int(TRUTH[key][clip, m]) for key in ("said_of", "happened"))
            if thing < 0:
                assert frame == -1 and "wall" not in text
                continue
            said += 1
            _, colour, shape, _, _, wall, _ = text.split()
            assert colours.index(colour) == TRUTH["colour"][clip, thing]
            assert SHAPES.index(shape) == TRUTH["shape"][clip, thing]
            assert TRUTH["hits"][clip, frame, thing, WALLS.index(wall)]
            assert abs(float(TRUTH["times"][clip, m]) - frame) <= 3
            events.add((thing, frame, wall))
        about = int((TRUTH["said_of"][clip] >= 0).sum())
        assert len(events) == about, "no hit is told twice"
        assert about == min(4, int(TRUTH["hits"][clip].sum())), "idle talk only for want of hits"
    assert said > 2 * N
    assert (TRUTH["times"].diff(dim=1) >= 0).all()


def test_some_sentences_come_early_and_some_late():
    about = TRUTH["said_of"] >= 0
    offset = (TRUTH["times"] - TRUTH["happened"])[about]
    assert stats.kstest(offset.numpy() / 6 + 0.5, "uniform").pvalue > 0.01
    exact = world(20, max_offset=0.0).attributes
    assert torch.equal(exact["times"][exact["said_of"] >= 0],
                       exact["happened"][exact["said_of"] >= 0].float())  # fmt: skip


def test_unmentioned_shapes_are_never_spoken_of():
    shy = world(N, seed=1, size=8, frames=T, unmentioned=["circle"])
    assert not any(
        "circle" in text for t in shy.attributes["tokens"] for text in WORLD_WORDS.decode(t)
    )
    idle = world(5, unmentioned=SHAPES).attributes
    assert (idle["said_of"] == -1).all()


def test_stationary_things_rest():
    data = world(400, seed=8, size=8, frames=6, stationary=0.3)
    rests = (data.attributes["tracks"].diff(dim=1) == 0).all(1).all(-1)
    assert stats.binomtest(int(rests.sum()), rests.numel(), 0.3).pvalue > 0.01
    assert not data.attributes["hits"][rests[:, None, :, None].expand(-1, 6, -1, 4)].any()


def test_backgrounds():
    still = world(5, seed=9, size=S, frames=3, background="texture")
    behind = still.attributes["masks"] == 0
    both = behind[:, 0] & behind[:, 2]  # what no thing covers in the first and the last frame
    inner = torch.nn.functional.max_pool2d((~both).float(), 3, 1, 1) == 0  # away from the edges
    change = (still.x[:, 0] - still.x[:, 2]).abs().amax(1)
    assert not change[inner].any() and inner.any()
    assert still.x[:, 0].amax(1)[inner[:, :]].std() > 0.02
    sky = world(50, seed=9, size=S, frames=1, background="sky").x[:, 0]
    top, bottom = sky[:, 2, 0].median(1).values, sky[:, 2, -1].median(1).values
    assert (top > bottom + 0.2).all(), "the sky is above"
    assert not world(3).x[:, :, :, 0, 0].flatten(1).max(1).values.median(), "black"


def test_rows_of_a_subset_stay_together():
    part = WORLD.subset([5, 2])
    assert torch.equal(part.attributes["tokens"], TRUTH["tokens"][[5, 2]])
    assert torch.equal(part.x, WORLD.x[[5, 2]])


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"n": 0}, "n is 0"),
        ({"size": 7}, "size is 7"),
        ({"frames": 0}, "frames is 0"),
        ({"num_sentences": 0}, "num_sentences is 0"),
        ({"num_shapes": 7}, "num_shapes is 7, expected 1..6"),
        ({"friction": -1.0}, "friction is -1"),
        ({"stationary": 1.5}, "stationary is 1.5"),
        ({"max_offset": -1.0}, "max_offset is -1"),
        ({"background": "sea"}, "background is 'sea', expected one of"),
        ({"silent": ["star"]}, "silent is"),
        ({"unmentioned": "circle"}, "unmentioned is 'circle', expected a list"),
    ],
)
def test_bad_input(arguments, match):
    with pytest.raises(ValueError, match=match):
        world(**{"n": 2, **arguments})
