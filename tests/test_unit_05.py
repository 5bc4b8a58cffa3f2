"""Unit 05's homework: what it covers, and its references against the library and known numbers."""

import itertools
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gencourse.authoring.contract import load_exercises
from gencourse.authoring.draws import as_tensors, run
from gencourse.course import Course
from gencourse.data import photographs, world
from gencourse.evaluate import knn_probe
from gencourse.exercises.adapter import KINDS
from gencourse.exercises.evaluators import frozen_probe
from gencourse.losses import (
    contrastive_loss,
    info_nce,
    mil_nce,
    nt_xent,
    triplet_loss,
)
from gencourse.pretext.bag_of_words import histogram
from gencourse.pretext.colorization import annealed_mean, rebalancing_weights
from gencourse.pretext.context_prediction import NEIGHBOURS, cut, project_colours
from gencourse.pretext.jigsaw import hamming, shuffle
from gencourse.pretext.lab import nearest_bins
from gencourse.pretext.relative_transform import affine_from_points
from gencourse.pretext.rotation import rotate
from gencourse.pretext.skip_gram import shifted_pmi
from gencourse.pretext.tracking_by_colorization import copy
from gencourse.pretext.watching_motion import iou

COURSE = Course(Path(__file__).parents[1])
UNIT = "05_pretext"
EXERCISES = {e.id: e for e in load_exercises(COURSE, UNIT)}
FILE = sys.modules[f"gencourse_exercises_{UNIT}"]
HOMEWORK = COURSE.source(UNIT, "homework").read_text()


def drawn(name, test, seeds=4):
    """Calls of a test, as the reference receives them."""
    inputs = EXERCISES[name].test(test).inputs
    return [as_tensors(inputs(np.random.default_rng(seed))) for seed in range(seeds)]


def fixed(name, test):
    """The call that was set by hand."""
    (call,) = EXERCISES[name].test(test).fixed
    return as_tensors(call)


def named(name):
    """The declared wrong answers of an exercise by their names."""
    declared = (*EXERCISES[name].mistakes, *EXERCISES[name].wrong)
    return {item.answer.__name__: item.answer for item in declared}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# -- what it covers --------------------------------------------------------------------------


def written():
    found = re.findall(r'written="(.+)" points=(\d+)', HOMEWORK)
    return {name: int(points) for name, points in found}


def test_forty_points_in_all_five_kinds():
    assert sum(e.points for e in EXERCISES.values()) + sum(written().values()) == 40
    assert len(EXERCISES) >= 8
    assert {e.kind for e in EXERCISES.values()} == set(KINDS)


def test_every_row_of_the_curriculum_is_asked():
    assert list(FILE.ROWS) == [f"5.{k}" for k in range(1, 20)]
    asked = {name for row in FILE.ROWS.values() for name in row}
    assert asked | set(FILE.EVALUATION) == {*EXERCISES, *written()}


def test_no_row_is_left_to_the_written_question_alone():
    assert all(set(names) & set(EXERCISES) for names in FILE.ROWS.values())


def test_headings_tell_titles_points_and_minutes_as_declared():
    headings = re.findall(r"^# ## \d+\. (.+) \((\d+) points?, about (\d+) minutes", HOMEWORK, re.M)
    declared = [(e.title, str(e.points), str(e.minutes)) for e in EXERCISES.values()]
    assert headings[:-1] == declared
    assert headings[-1][1] == str(sum(written().values()))
    assert 420 <= sum(int(minutes) for *_, minutes in headings) <= 480


# -- known numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(("negatives", "floor"), [(1, 0.3133), (255, 4.552)])
def test_a_softmax_too_many_has_a_floor(negatives, floor):
    keys = torch.eye(negatives + 1, dtype=torch.float64)
    call = {"queries": keys, "keys": keys, "index": torch.arange(negatives + 1)}
    call["temperature"] = 1e-3
    assert FILE.info_nce(**call) < 1e-6
    twice = named("info-nce")["nce_softmax_twice"](**call).item()
    assert twice == pytest.approx(floor, abs=5e-4)
    assert twice == pytest.approx(math.log(1 + negatives / math.e))
    assert f"{twice:.3f}" in HOMEWORK or negatives == 1


def test_the_visible_perfect_answer_betrays_the_slide():
    call = fixed("info-nce", "value")
    assert FILE.info_nce(**call) < 1e-6
    twice = named("info-nce")["nce_softmax_twice"](**call).item()
    assert twice == pytest.approx(0.3133, abs=5e-5)


def test_a_collapsed_encoder_costs_log_255():
    call = fixed("nt-xent", "collapse")
    right = FILE.nt_xent(**call).item()
    assert right == pytest.approx(math.log(255))
    assert f"{right:.4f}" == "5.5413"
    kept = named("nt-xent")["xent_self_kept"](**call).item()
    assert kept == pytest.approx(math.log(256))
    assert "| U | NT-Xent | B = 128 | 5.5413 | 5.5413 |" in HOMEWORK
    assert f"| V | NT-Xent | B = 128 | {kept:.4f} | {kept:.4f} |" in HOMEWORK


def test_one_good_candidate_is_enough():
    call = fixed("mil-nce", "candidates")
    assert FILE.mil_nce(**call).item() == pytest.approx(0.0178, abs=5e-5)
    logs = named("mil-nce")["mil_mean_of_logs"](**call).item()
    assert logs == pytest.approx(0.3556, abs=5e-5)
    assert "cost 0.0178" in HOMEWORK


def test_the_best_denoiser_of_one_pixel():
    found = run(FILE.restore, fixed("restore", "noise"))
    assert (found["x"].item(), found["error"].item()) == pytest.approx((0.8, 0.2))
    nothing = named("restore")["restore_nothing"](**fixed("restore", "noise"))
    assert (nothing["x"].item(), nothing["error"]) == (1.0, 0.25)


def test_a_ball_of_unknown_direction_is_half_a_ball_on_either_side():
    found = run(FILE.next_frame, fixed("next-frame", "frame"))
    assert found["frame"].tolist() == [0, 0.5, 0, 0.5, 0]
    assert found["error"].item() == 0.5


def test_nine_tiles_have_as_many_permutations_as_the_text_says():
    assert f"{math.factorial(9):,} permutations" in HOMEWORK


# -- the written question --------------------------------------------------------------------

SIDES = torch.tensor([(-1, 0), (0, -1), (0, 1), (1, 0)])


def facing_edges_rule(gap, patch=8, n=20_000):
    """How often the side whose facing edges agree best is the right one."""
    x, step, draw = photographs().x, patch + gap, generator()
    which = torch.randint(len(x), (n,), generator=draw)
    answer = torch.randint(4, (n,), generator=draw)
    first = torch.stack(
        [
            step + torch.randint(side - 2 * step - patch + 1, (n,), generator=draw)
            for side in x.shape[2:]
        ],
        1,
    )
    right = 0
    for i in range(len(x)):
        rows = which == i
        picture = x[i].expand(int(rows.sum()), -1, -1, -1)
        corners = first[rows], first[rows] + step * SIDES[answer[rows]]
        a, b = (cut(picture, *corner.T, patch) for corner in corners)
        edges = [
            a[:, :, 0] - b[:, :, -1],
            a[..., 0] - b[..., -1],
            a[..., -1] - b[..., 0],
            a[:, :, -1] - b[:, :, 0],
        ]
        cost = torch.stack([e.square().mean((1, 2)) for e in edges], 1)
        right += int((cost.argmin(1) == answer[rows]).sum())
    return right / n


def test_the_written_question_s_rule_of_edges_is_as_right_as_the_table_says():
    row = " | ".join(f"{facing_edges_rule(gap):.2f}" for gap in (0, 2, 4, 8, 16))
    assert "| gap | 0 | 2 | 4 | 8 | 16 |" in HOMEWORK
    assert f"| right answers (chance 0.25) | {row} |" in HOMEWORK


def brightest_edge_rule(background, n=4000):
    x = world(n, frames=1, background=background, seed=3).x[:, 0]
    turns = torch.randint(4, (n,), generator=generator(1))
    grey = rotate(x, turns).mean(1)
    sides = [grey[:, 0], grey[:, :, 0], grey[:, -1], grey[:, :, -1]]  # where turns take the top
    guess = torch.stack([s.mean(1) for s in sides], 1).argmax(1)
    return (guess == turns).float().mean().item()


def test_the_written_question_s_sky_gives_rotation_away():
    row = " | ".join(f"{brightest_edge_rule(b):.2f}" for b in ("black", "sky"))
    assert f"| right turns (chance 0.25) | {row} |" in HOMEWORK


# -- references against the library and other oracles ----------------------------------------


def test_turned_images_agree_with_the_library():
    for call in drawn("rotation", "batch"):
        found = FILE.rotation_batch(**call)
        torch.testing.assert_close(found["input"], rotate(call["x"], found["turns"]))
        again = FILE.rotation_batch(found["input"], (4 - found["turns"]) % 4 / 4)
        torch.testing.assert_close(again["input"], call["x"])


def test_all_four_answers_are_equally_likely():
    uniforms = (torch.arange(1000) + 0.5) / 1000
    found = FILE.rotation_batch(torch.zeros(1000, 1, 2, 2), uniforms)
    assert found["turns"].bincount().tolist() == [250] * 4


def test_a_solved_puzzle_is_the_picture():
    permutations = torch.tensor(list(itertools.permutations(range(4))))
    puzzle = FILE.Jigsaw(permutations)
    index = torch.arange(len(permutations))
    x = torch.rand(len(index), 6, 4, generator=generator())
    tiles = puzzle.shuffle(x, index)
    torch.testing.assert_close(puzzle.solve(tiles, index), x)
    in_order = puzzle.shuffle(x, torch.zeros_like(index))  # the identity is the first
    torch.testing.assert_close(tiles, shuffle(in_order, permutations))
    swapped = named("jigsaw")["JigsawShufflesInverse"](permutations).shuffle(x, index)
    own_inverse = (permutations.argsort(1) == permutations).all(1)
    assert (swapped == tiles).flatten(1).all(1).equal(own_inverse)


def test_distances_of_permutations_agree_with_the_library():
    for call in drawn("jigsaw", "distance"):
        table, candidates = call["init"]["permutations"], call["calls"][0][1]["candidates"]
        assert all(c.sort().values.tolist() == list(range(9)) for c in candidates)
        every = hamming(torch.cat([candidates, table]))[: len(candidates), len(candidates) :]
        found = FILE.Jigsaw(table).farthest(candidates)
        assert found["distances"].equal(every.amin(1))


def test_neighbouring_patches_agree_with_the_library():
    for call in drawn("neighbour-patches", "colours"):
        patches = FILE.neighbour_patches(**(call | {"project": False}))
        first = torch.stack([call["top"], call["left"]], 1)
        way = torch.tensor(NEIGHBOURS)[call["direction"]]
        second = first + (call["size"] + call["gap"]) * way + call["shift"]
        expected = [cut(call["x"], *c.T, call["size"]) for c in (first, second)]
        torch.testing.assert_close(patches, torch.stack(expected, 1))
        projected = FILE.neighbour_patches(**call)
        expected = project_colours(patches.flatten(0, 1)).view_as(patches)
        torch.testing.assert_close(projected, expected)


def test_the_affine_map_agrees_with_the_library():
    for call in drawn("relative-transform", "points"):
        expected = affine_from_points(call["a"][None], call["b"][None])[0]
        torch.testing.assert_close(FILE.affine_between(**call), expected)


@pytest.mark.parametrize("damage", ["noise", "hole"])
def test_no_other_affine_restoration_of_samples_does_better(damage):
    """Least squares on many samples finds the same answer and the same error."""
    (call,) = drawn("restore", damage, seeds=1)
    draws = torch.randn(2, 200_000, 4, generator=generator(), dtype=call["cov"].dtype)
    x, noise = call["mean"] + draws[0] @ torch.linalg.cholesky(call["cov"]).T, draws[1]
    y = x + noise * call["noise_var"] ** 0.5 if damage == "noise" else x
    lost = call["hole"] if damage == "hole" else torch.ones_like(call["hole"])
    seen = y[:, ~lost] if damage == "hole" else y
    columns = torch.cat([seen, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    fitted = columns @ torch.linalg.lstsq(columns, x[:, lost]).solution
    found = FILE.restore(**(call | {"x": y}))
    torch.testing.assert_close(found["x"][:, lost], fitted, rtol=0, atol=0.05)
    error = (found["x"] - x)[:, lost].square().mean()
    torch.testing.assert_close(found["error"], error, rtol=0.02, atol=0)


def test_colours_agree_with_the_library():
    for call in drawn("colour-bins", "weights"):
        centres, given = call["init"]["centres"], call["calls"][0][1]
        p = nearest_bins(given["ab"], centres).bincount(minlength=len(centres)) / len(given["ab"])
        found = FILE.ColourBins(centres).weights(**given)
        assert (p * found).sum().item() == pytest.approx(1)
        torch.testing.assert_close(found, rebalancing_weights(p.double(), mix=given["smoothing"]))
    for call in drawn("colour-bins", "decode"):
        centres, given = call["init"]["centres"], call["calls"][0][1]
        expected = annealed_mean(
            given["scores"][:, :, None, None], centres, temperature=given["temperature"]
        )
        found = FILE.ColourBins(centres).decode(**given)
        torch.testing.assert_close(found, expected[:, :, 0, 0])


def test_neither_half_of_the_brain_sees_what_it_guesses():
    for call in drawn("split-brain", "features"):

        def features(lab, call=call):
            return FILE.split_brain(**(call | {"lab": lab[None]}))[0]

        jacobian = torch.func.jacrev(features)(call["lab"][0])  # (2 D, 3)
        d = len(call["W_L"])
        assert (jacobian[:d, 1:] == 0).all() and (jacobian[d:, 0] == 0).all()
        assert (jacobian[:d, 0] != 0).all() and (jacobian[d:, 1:] != 0).all()


def test_a_brain_that_always_guesses_grey_costs_the_mean_squared_length_of_a_pixel():
    for call in drawn("split-brain", "loss"):
        blind = FILE.split_brain(**(call | {"V_L": 0 * call["V_L"], "V_ab": 0 * call["V_ab"]}))
        torch.testing.assert_close(blind, call["lab"].square().sum(1).mean())


def test_bags_agree_with_the_library_and_forget_the_order():
    for call in drawn("bag-of-words", "target"):
        found = FILE.bag_of_words(**call)
        words = torch.cdist(call["patches"], call["vocabulary"][None]).argmin(2)
        torch.testing.assert_close(found["target"].float(), histogram(words, 4))
        order = torch.randperm(words.shape[1], generator=generator())
        again = FILE.bag_of_words(**(call | {"patches": call["patches"][:, order]}))
        torch.testing.assert_close(again, found)
        at_best = FILE.bag_of_words(**(call | {"scores": (found["target"] + 1e-9).log()}))
        entropy = -torch.xlogy(found["target"], found["target"]).sum(1).mean()
        torch.testing.assert_close(at_best["loss"], entropy)


def test_info_nce_agrees_with_the_library():
    for call in drawn("info-nce", "value"):
        keys = F.normalize(call["keys"], dim=1)
        rows = range(len(call["index"]))
        others = [keys[torch.arange(len(keys)) != call["index"][n]] for n in rows]
        expected = info_nce(
            call["queries"],
            keys[call["index"]],
            negatives=torch.stack(others),
            temperature=call["temperature"],
        )
        torch.testing.assert_close(FILE.info_nce(**call), expected)


def test_nt_xent_agrees_with_the_library():
    for call in drawn("nt-xent", "views"):
        torch.testing.assert_close(FILE.nt_xent(**call), nt_xent(**call))


def test_losses_with_a_margin_agree_with_the_library():
    for call in drawn("metric-losses", "triplet"):
        rows = [call[k] for k in FILE.EMBEDDINGS]
        expected = triplet_loss(*rows, margin=call["margin"])
        torch.testing.assert_close(FILE.metric_loss(**call), expected)
    for call in drawn("metric-losses", "pairs"):
        anchor, positive, negative = (call[k] for k in FILE.EMBEDDINGS)
        n = len(anchor)
        expected = 2 * contrastive_loss(
            torch.cat([anchor, anchor]),
            torch.cat([positive, negative]),
            torch.arange(2 * n) < n,
            margin=call["margin"],
        )
        torch.testing.assert_close(FILE.metric_loss(**call), expected)


def test_the_context_sees_only_rows_above():
    """Three rows below in a grid of four: only row 0 has a context, and it is row 0 itself."""
    for call in drawn("predictive-coding", "loss", seeds=2):
        z, call = call["z"], call | {"step": 3}
        guesses = z[:, 0] @ call["W"].T  # (B, G, D)
        among_all = torch.logsumexp(guesses @ z.flatten(0, 2).T, dim=2)
        expected = (among_all - (guesses * z[:, 3]).sum(2)).mean()
        torch.testing.assert_close(FILE.cpc_loss(**call), expected)
        leaks = named("predictive-coding")["cpc_sees_next_row"](**call)
        assert (leaks - expected).abs() > 0.01


def test_a_predictive_coder_that_knows_nothing_guesses_among_all_patches():
    for call in drawn("predictive-coding", "loss", seeds=2):
        blind = FILE.cpc_loss(**(call | {"W": 0 * call["W"]}))
        assert blind.item() == pytest.approx(math.log(2 * 4 * 4))


def test_masks_of_what_moves_agree_with_what_was_drawn():
    for call in drawn("what-moved", "mask"):
        found = FILE.what_moved(**call)
        bright, dark = call["clip"] > 0.85, call["clip"] < 0.2
        resting = bright[1] & bright[2]  # of two frames: what stays, and what pauses
        assert found["mask"].equal(((bright | dark) & ~resting)[1:-1])
        torch.testing.assert_close(found["iou"], iou(found["mask"], call["guess"]))


def test_copied_labels_agree_with_the_library_and_a_permuted_frame_is_exact():
    for call in drawn("tracking", "chain"):
        keys = F.normalize(call["keys"], dim=2)
        found, expected = FILE.track(keys, call["labels"], call["temperature"]), call["labels"]
        for t in range(1, len(keys)):
            expected = copy(
                keys[None, t],
                keys[None, t - 1],
                expected[None],
                temperature=call["temperature"],
            )[0]
            torch.testing.assert_close(found[t - 1], expected)
        wide = FILE.track(3 * call["keys"], call["labels"], 9 * call["temperature"])
        same = FILE.track(call["keys"], call["labels"], call["temperature"])
        torch.testing.assert_close(wide, same)  # inner products, not cosines
        assert (same - found).abs().max() > 0.01
    order = torch.tensor([2, 0, 3, 1])
    keys = torch.stack([torch.eye(4), torch.eye(4)[order]])
    copied = FILE.track(keys, torch.eye(4), 0.01)
    torch.testing.assert_close(copied[0], torch.eye(4)[order])


def test_half_of_all_orders_of_three_frames_would_be_told_by_their_direction():
    orders = torch.tensor(list(itertools.permutations(range(3))))
    found = FILE.time_targets(orders, "order", 1, 2)
    assert found.sum() == 2  # of six: forwards and backwards
    backwards = FILE.time_targets(orders.flip(1), "order", 1, 2)
    assert found.equal(backwards)
    leaky = named("temporal-order")["order_forwards_only"]
    assert not leaky(orders, "order", 1, 2).equal(leaky(orders.flip(1), "order", 1, 2))


def test_near_and_far_pairs_are_those_of_a_clip_of_five():
    found = FILE.time_targets(torch.tensor([[0, 1, 2, 3, 4]]), "pairs", 1, 3)
    expected = [
        [0, 1, 0, -1, -1],
        [1, 0, 1, 0, -1],
        [0, 1, 0, 1, 0],
        [-1, 0, 1, 0, 1],
        [-1, -1, 0, 1, 0],
    ]
    assert found.tolist() == [expected]


def test_the_sound_s_loss_agrees_with_torch_and_a_silent_place_is_cold():
    for call in drawn("sound-and-sight", "correspondence"):
        found = FILE.hear_and_see(**call)
        maps, sounds = call["maps"], call["sounds"]
        cosines = F.cosine_similarity(maps[:, None], sounds[None, :, :, None, None], dim=2)
        torch.testing.assert_close(found["heat"], cosines[range(3), range(3)])
        logits = call["scale"] * cosines.amax((2, 3)) + call["bias"]
        target = torch.eye(3, dtype=logits.dtype)
        terms = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        expected = terms[target == 1].mean() / 2 + terms[target == 0].mean() / 2
        torch.testing.assert_close(found["loss"], expected)


def test_mil_nce_agrees_with_the_library():
    for call in drawn("mil-nce", "window"):
        inside = call["positives"].where(call["delays"].abs() <= call["window"], -torch.inf)
        expected = mil_nce(inside, call["negatives"])
        torch.testing.assert_close(FILE.mil_nce(**call), expected)


def test_the_next_frame_is_the_mean_of_many_balls():
    for call in drawn("next-frame", "frame", seeds=2):
        belief, n = call["belief"], 200_000
        state = torch.multinomial(belief.flatten(), n, replacement=True, generator=generator())
        at, step = state % 5, state // 5 * 2 - 1
        to = torch.where((at + step < 0) | (at + step > 4), at - step, at + step)
        frames = F.one_hot(to, 5).double()
        found = FILE.next_frame(belief)
        torch.testing.assert_close(found["frame"], frames.mean(0), rtol=0, atol=0.01)
        error = (frames - found["frame"]).square().sum(1).mean()
        torch.testing.assert_close(found["error"], error, rtol=0, atol=0.01)


def test_skip_gram_s_optimum_agrees_with_the_library_and_is_one():
    for call in drawn("skip-gram", "optimum"):
        found = FILE.skip_gram(**call)
        expected = shifted_pmi(call["counts"].double(), num_negatives=call["k"])
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    for call in drawn("skip-gram", "loss"):
        best = FILE.skip_gram(**(call | {"part": "optimum"})).clamp(min=-50).requires_grad_()
        loss = FILE.skip_gram(**(call | {"scores": best}))
        (slope,) = torch.autograd.grad(loss, best)
        assert slope.abs().max() < 1e-6  # scores are in single precision
        assert loss < FILE.skip_gram(**call)


def test_the_probe_is_at_its_minimum_and_its_encoder_has_not_moved():
    for call in drawn("frozen-probe", "frozen", seeds=2):
        found = FILE.train_probe(**call)
        assert found["W"].equal(call["W"])
        v, b = found["weight"].clone().requires_grad_(), found["bias"].clone().requires_grad_()
        h = torch.relu(call["x"] @ call["W"].T)
        loss = F.binary_cross_entropy_with_logits(h @ v + b, call["y"])
        loss = loss + call["l2"] / 2 * v.square().sum()
        assert max(g.abs().max() for g in torch.autograd.grad(loss, [v, b])) < 1e-9
        moved = named("frozen-probe")["probe_encoder_trained"](**call)["W"]
        assert (moved - call["W"]).abs().max() > 0.006


def test_neighbours_vote_as_in_the_library():
    """The library centres features first: points whose mean is 0 need none."""
    for call in drawn("nearest-neighbours", "votes"):
        train = call["train"] - call["train"].mean(0)
        call = call | {"train": train, "k": 3}
        winners = FILE.neighbour_votes(**call).argmax(1)
        estimate = knn_probe(
            torch.nn.Identity(),
            (train, call["y"]),
            (call["queries"], winners),
            k=3,
            temperature=call["temperature"],
        )
        assert estimate.mean == 1.0
        shares = FILE.neighbour_votes(**(call | {"temperature": 1e6}))
        counts = 3 * shares  # all votes weigh the same
        torch.testing.assert_close(counts, counts.round(), rtol=0, atol=1e-4)
        torch.testing.assert_close(shares.sum(1), torch.ones(3).double())


def test_the_evaluator_of_probes_notices_a_change_of_the_encoder_and_refuses_another_shape():
    (call,) = drawn("frozen-probe", "frozen", seeds=1)
    found = {k: v.numpy() for k, v in FILE.train_probe(**call).items()}
    call = {k: np.asarray(v) for k, v in call.items()}
    metrics = frozen_probe(found, call)
    h = np.maximum(call["x"] @ call["W"].T, 0)
    p = 1 / (1 + np.exp(-(h @ found["weight"] + found["bias"])))
    nll = -np.log(np.where(call["y"] == 1, p, 1 - p)).mean()
    assert metrics["moved"] == 0 and metrics["nll"] == pytest.approx(nll)
    penalty = call["l2"] / 2 * (found["weight"] ** 2).sum()
    assert metrics["objective"] == pytest.approx(nll + penalty)
    found["W"] = found["W"] + np.array([[0, 0], [0, -0.25], [0, 0]])
    assert frozen_probe(found, call)["moved"] == pytest.approx(0.25)
    with pytest.raises(ValueError, match="parameter W holds 4 numbers, expected 6"):
        frozen_probe(found | {"W": np.zeros((2, 2))}, call)
