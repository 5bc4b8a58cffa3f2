"""Unit 04's homework: what it covers, and its references against the library and known numbers."""

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gencourse import losses
from gencourse.authoring.contract import load_exercises
from gencourse.authoring.draws import as_tensors, run
from gencourse.course import Course
from gencourse.evaluate import frechet_distance, two_sample_test
from gencourse.exercises.adapter import KINDS
from gencourse.exercises.evaluators import discriminator
from gencourse.gan import DCGANGenerator, PatchGANDiscriminator

COURSE = Course(Path(__file__).parents[1])
UNIT = "04_gan"
EXERCISES = {e.id: e for e in load_exercises(COURSE, UNIT)}
FILE = sys.modules[f"gencourse_exercises_{UNIT}"]
HOMEWORK = COURSE.source(UNIT, "homework").read_text()


def drawn(name, test, seeds=4):
    """Calls of a test, as the reference receives them."""
    inputs = EXERCISES[name].test(test).inputs
    return [as_tensors(inputs(np.random.default_rng(seed))) for seed in range(seeds)]


def named(name):
    """The declared wrong answers of an exercise by their names."""
    declared = (*EXERCISES[name].mistakes, *EXERCISES[name].wrong)
    return {item.answer.__name__: item.answer for item in declared}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def simplex(n, seed=0):
    return torch.rand(n, generator=generator(seed), dtype=torch.float64).softmax(0)


# -- what it covers --------------------------------------------------------------------------


def written():
    found = re.findall(r'written="(.+)" points=(\d+)', HOMEWORK)
    return {name: int(points) for name, points in found}


def test_forty_points_in_all_five_kinds():
    assert sum(e.points for e in EXERCISES.values()) + sum(written().values()) == 40
    assert len(EXERCISES) >= 8
    assert {e.kind for e in EXERCISES.values()} == set(KINDS)


def test_every_row_of_the_curriculum_but_style_transfer_is_asked():
    assert list(FILE.ROWS) == [f"4.{k}" for k in range(1, 20) if k != 15]
    asked = {name for row in FILE.ROWS.values() for name in row}
    assert asked == {*EXERCISES, *written()}


def test_headings_tell_titles_points_and_minutes_as_declared():
    headings = re.findall(r"^# ## \d+\. (.+) \((\d+) points, about (\d+) minutes", HOMEWORK, re.M)
    declared = [(e.title, str(e.points), str(e.minutes)) for e in EXERCISES.values()]
    assert headings[:-1] == declared
    assert headings[-1][1] == str(sum(written().values()))
    assert 390 <= sum(int(minutes) for *_, minutes in headings) <= 480


def test_nobody_is_graded_where_every_logit_is_zero():
    """All logits that the drawn networks give are away from 0, where every loss is log 2."""
    for call in drawn("algorithm-1", "rounds"):
        game = FILE.AlgorithmOne(**call["init"])
        for _, batch in call["calls"]:
            assert (game.judge(game.generate(batch["z"])) - 0.5).abs().mean() > 0.02
        assert abs(call["init"]["c"].item()) > 0.2


# -- known numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "first"),
    [
        (FILE.optimal_game, 0.25),
        (named("optimal-discriminator")["optimal_swapped"], 0.75),
        (named("optimal-discriminator")["optimal_ratio"], 1 / 3),
    ],
)
def test_the_best_discriminator_of_the_lecture_s_example(answer, first):
    (call,) = EXERCISES["optimal-discriminator"].test("values").fixed
    assert run(answer, call)["best"][0].item() == pytest.approx(first)


def test_disjoint_supports_are_log_two_apart_at_any_shift():
    (call,) = EXERCISES["optimal-discriminator"].test("zeros").fixed
    found = run(FILE.optimal_game, call)
    assert found["jsd"].item() == pytest.approx(0.6931, abs=5e-5)
    assert found["value"].item() == pytest.approx(0)
    near, far = EXERCISES["wasserstein-distance"].test("same-size").fixed
    assert run(FILE.wasserstein, near) == pytest.approx(4)
    assert run(FILE.wasserstein, far) == pytest.approx(8)


def test_the_slopes_at_a_fake_that_is_seen_through():
    (call,) = EXERCISES["two-players"].test("saturation").fixed
    saturating, steep = (run(FILE.Players, call)[k].item() for k in (1, 3))
    assert (saturating, steep) == pytest.approx((-0.01, -0.99))
    wrong = run(named("two-players")["PlayersAllSaturating"], call)
    assert wrong[3].item() == pytest.approx(-0.01)


def test_sizes_and_fields_of_the_lecture_s_networks():
    (call,) = EXERCISES["conv-sizes"].test("generator").fixed
    assert run(FILE.conv_sizes, call) == {"sizes": [4, 8, 16, 32, 64]}
    (call,) = EXERCISES["conv-sizes"].test("patches").fixed
    found = run(FILE.conv_sizes, call)
    assert found["sizes"][-1] == 30 and found["fields"][-1] == 70
    assert run(named("conv-sizes")["fields_no_strides"], call)["fields"][-1] == 16
    assert run(named("conv-sizes")["fields_layer_lost"], call)["fields"][-1] == 46
    assert "30 x 30 scores" in HOMEWORK and "70 pixels: not 16, not 46" in HOMEWORK


def test_ten_codes_carry_at_most_the_logarithm_of_ten():
    sure = 50 * F.one_hot(torch.arange(10)).double()
    prior = torch.full((10,), 0.1, dtype=torch.float64)
    call = {"logits": sure, "codes": torch.arange(10), "prior": prior}
    assert FILE.info_bound(**call).item() == pytest.approx(2.3026, abs=5e-5)
    for call in drawn("info-bound", "uniform-code"):
        assert named("info-bound")["info_no_entropy"](**call) < 0


# -- the written question --------------------------------------------------------------------


def balls(prediction, weights):
    """Mean squared and absolute error of predicted frames, against the ball on each pixel."""
    frames = torch.eye(4, dtype=torch.float64)
    gaps = prediction[:, None] - frames[None]  # (predictions, true frames, pixels)
    return [float(weights @ cost.sum(2).mean(1)) for cost in (gaps**2, gaps.abs())]


def test_the_written_question_s_lost_ball():
    frames, uniform = torch.eye(4, dtype=torch.float64), torch.full((4,), 0.25).double()
    one, first = torch.ones(1, dtype=torch.float64), torch.tensor([1.0, 0, 0, 0]).double()
    no_frame = torch.tensor([0.0, 0, 0, 0, 1]).double()  # a fifth state that data never visit
    five = torch.cat([uniform, torch.zeros(1)])
    rows = [
        ("1/4 on each pixel", uniform[None], one, five, no_frame),
        ("no ball", torch.zeros(1, 4).double(), one, five, no_frame),
        ("the ball always on the first pixel", frames[:1], one, uniform, first),
        ("the ball on a pixel drawn at random", frames, uniform, uniform, uniform),
    ]
    for name, prediction, weights, p, q in rows:
        squared, absolute = balls(prediction, weights)
        jsd = FILE.optimal_game(p, q)["jsd"].abs().item()
        assert f"| {name} | {squared:.2f} | {absolute:.2f} | {jsd:.4f} |" in HOMEWORK


def test_the_written_question_s_two_gaussians():
    x = torch.linspace(-12, 12, 24_001, dtype=torch.float64)

    def normal(mean, sd):
        density = torch.distributions.Normal(mean, sd).log_prob(x).exp()
        return density / density.sum()

    def kl(a, b):
        return float(torch.where(a > 0, torch.xlogy(a, a / b), 0.0).sum())

    p = 0.6 * normal(-2.0, 0.6) + 0.4 * normal(2.0, 0.6)
    broad = math.sqrt(0.36 + 4 - 0.16)  # the best by KL(p || q) has p's mean and variance
    for mean, sd in ((-0.4, broad), (-2.0, 0.6)):
        q = normal(mean, sd)
        jsd = FILE.optimal_game(p, q)["jsd"].item()
        name = f"mean {mean:.2f}, standard deviation {sd:.2f}"
        assert f"| {name} | {kl(p, q):.2f} | {kl(q, p):.2f} | {jsd:.3f} |" in HOMEWORK


def test_the_written_question_s_generators_of_digits():
    from sklearn.datasets import load_digits

    x = torch.tensor(load_digits().data) / 16
    draw = generator()
    x = x[torch.randperm(len(x), generator=draw)]
    train, held_out = x[:898], x[898:1796]
    copies = train[torch.randint(898, (898,), generator=draw)]
    noise = torch.randn(copies.shape, generator=draw, dtype=x.dtype)
    root = torch.linalg.cholesky(torch.cov(train.T) + 1e-9 * torch.eye(64, dtype=x.dtype))
    cloud = train.mean(0) + torch.randn(898, 64, generator=draw, dtype=x.dtype) @ root.T
    rows = {
        "real digits that were held out": held_out,
        "generator R": copies,
        "generator S": copies + 0.05 * noise,
        "generator T": cloud,
    }
    for name, images in rows.items():
        exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
        nearest = torch.cdist(images, train, **exact).min(1).values.median()
        assert f"| {name} | {frechet_distance(train, images):.3f} | {nearest:.2f} |" in HOMEWORK


# -- references against the library and other oracles ----------------------------------------


def test_no_other_discriminator_is_worth_more():
    for call in drawn("optimal-discriminator", "values"):
        p, q = call["p"], call["q"]
        found = FILE.optimal_game(p, q)
        for seed in range(50):
            d = torch.rand(4, generator=generator(seed), dtype=torch.float64)
            assert (p * d.log() + q * (1 - d).log()).sum() < found["value"]
        torch.testing.assert_close(found["value"], -math.log(4) + 2 * found["jsd"])
        at_best = (p * found["best"].log() + q * (1 - found["best"]).log()).sum()
        torch.testing.assert_close(found["value"], at_best)
    never = torch.tensor([1.0, 0.0], dtype=torch.float64)
    assert FILE.optimal_game(never, never)["best"].tolist() == [0.5, 0.5]


def test_the_discriminator_s_loss_is_minus_the_value_of_the_library_s_game():
    for call in drawn("discriminator-loss", "loss"):
        real, fake = call["real_logits"], call["fake_logits"]
        found = FILE.discriminator_loss(real, fake, 1.0)
        torch.testing.assert_close(found, losses.minimax_loss.discriminator(real, fake))


def test_a_softened_label_is_a_cross_entropy_with_that_label_and_never_overflows():
    for test in ("loss", "large-logits"):
        for call in drawn("discriminator-loss", test):
            real, fake = (call[k].clone().requires_grad_() for k in ("real_logits", "fake_logits"))
            t = call["real_target"]
            found = FILE.discriminator_loss(real, fake, t)
            slopes = torch.autograd.grad(found, (real, fake))
            # -t log D - (1 - t) log(1 - D) = max(s, 0) - t s + log(1 + exp(-|s|))
            rest = [torch.log1p(torch.exp(-s.abs())) + s.clamp(min=0) for s in (real, fake)]
            expected = (rest[0] - t * real).mean() + rest[1].mean()
            torch.testing.assert_close(found, expected)
            torch.testing.assert_close(slopes[0], (real.sigmoid() - t).detach() / len(real))
            torch.testing.assert_close(slopes[1], fake.sigmoid().detach() / len(fake))


def test_both_players_agree_with_the_library_s_games():
    games = {
        "minimax": losses.minimax_loss,
        "non-saturating": losses.non_saturating_loss,
        "least-squares": losses.least_squares_loss,
        "wasserstein": losses.wasserstein_loss,
    }
    for call in drawn("two-players", "saturation"):
        real, fake = call["init"].values()
        players = FILE.Players(real, fake)
        for name, game in games.items():
            torch.testing.assert_close(players.generator_loss(name), game.generator(fake))
            s = fake.clone().requires_grad_()
            (slope,) = torch.autograd.grad(game.for_generator(s).sum(), s)
            torch.testing.assert_close(players.generator_slope(name), slope)
        for name in ("least-squares", "wasserstein"):
            expected = games[name].discriminator(real, fake)
            torch.testing.assert_close(players.discriminator_loss(name), expected)


def test_a_step_of_algorithm_1_is_a_step_down_the_library_s_losses():
    """Finite differences of the losses, without anybody's gradients."""
    for call in drawn("algorithm-1", "generator", seeds=2):
        (_, batch), (_, noise) = call["calls"][:2]
        before, after = (FILE.AlgorithmOne(**call["init"]) for _ in range(2))
        moved = after.discriminator_step(**batch)

        fake = before.generate(batch["z"])

        def d_loss(w, c, fake=fake, real=batch["real"]):
            return losses.minimax_loss.discriminator(real @ w + c, fake @ w + c)

        slope = differences(d_loss, before.w, before.c)
        torch.testing.assert_close(before.w - before.lr * slope[0], moved["w"])
        torch.testing.assert_close(before.c - before.lr * slope[1], moved["c"])

        def g_loss(A, b, z=noise["z"], w=moved["w"], c=moved["c"]):
            return losses.non_saturating_loss.generator(torch.tanh(z @ A.T + b) @ w + c)

        slope = differences(g_loss, after.A, after.b)
        expected = [v - after.lr * s for v, s in zip((after.A, after.b), slope, strict=True)]
        moved = after.generator_step(**noise)
        torch.testing.assert_close(list(moved.values()), expected)


def differences(f, *at, step=1e-5):
    """Return the derivatives of f by each entry of its arguments, from central differences."""
    found = []
    for k, value in enumerate(at):
        slope = torch.zeros_like(value)
        for i in range(value.numel()):
            sides = []
            for sign in (1, -1):
                changed = [v.clone() for v in at]
                changed[k].view(-1)[i] += sign * step
                sides.append(f(*changed))
            slope.view(-1)[i] = (sides[0] - sides[1]) / (2 * step)
        found.append(slope)
    return found


def test_no_plan_carries_the_points_over_with_less_work():
    from scipy.optimize import linear_sum_assignment

    for call in drawn("wasserstein-distance", "other-sizes"):
        x, y = call["x"].repeat_interleave(6), call["y"].repeat_interleave(4)
        cost = (x[:, None] - y[None]).abs().numpy()
        rows, columns = linear_sum_assignment(cost)
        assert FILE.wasserstein(**call).item() == pytest.approx(cost[rows, columns].mean())


def test_no_critic_of_slope_one_finds_more_than_the_distance():
    for call in drawn("wasserstein-distance", "same-size"):
        x, y = call["x"], call["y"]
        for seed in range(20):
            a, b = torch.randn(2, 5, generator=generator(seed), dtype=torch.float64)
            share = simplex(5, seed)

            def critic(v, a=a, b=b, share=share):
                return (share * torch.sin(v[:, None] * a.sign() + b)).sum(1)  # slope at most 1

            gap = -losses.wasserstein_loss.discriminator(critic(x), critic(y))
            assert gap <= FILE.wasserstein(x, y) + 1e-12


def test_the_penalty_agrees_with_the_library_s_at_the_same_places():
    for call in drawn("gradient-penalty", "between"):
        W, b, v = call["W"], call["b"], call["v"]

        def critic(x, W=W, b=b, v=v):
            return torch.tanh(x @ W.T + b) @ v

        draw = {"generator": generator(4)}
        u = torch.empty(4, 1, dtype=torch.float64).uniform_(**draw)[:, 0]
        expected = losses.gradient_penalty(
            critic, call["real"], call["fake"], generator=generator(4)
        )
        found = FILE.gradient_penalty(**(call | {"u": u}))
        torch.testing.assert_close(found, expected)


def test_the_penalty_s_gradient_is_that_of_its_value():
    for call in drawn("gradient-penalty", "between", seeds=2):
        at = [call[k].clone().requires_grad_() for k in ("W", "v")]
        value = FILE.gradient_penalty(**(call | dict(zip("Wv", at, strict=True))))

        def f(W, v, call=call):
            return FILE.gradient_penalty(**(call | {"W": W, "v": v}))

        expected = differences(f, call["W"], call["v"])
        found = torch.autograd.grad(value, at)
        torch.testing.assert_close(list(found), expected, rtol=1e-5, atol=1e-7)


def test_sizes_agree_with_the_library_s_networks():
    (call,) = EXERCISES["conv-sizes"].test("patches").fixed
    patch = PatchGANDiscriminator(3, width=2)
    found = run(FILE.conv_sizes, call)
    assert found["fields"][-1] == patch.receptive_field
    assert patch(torch.zeros(1, 3, 256, 256)).shape == (1, 1, *[found["sizes"][-1]] * 2)
    images = DCGANGenerator((1, 64, 64), num_latents=3, width=2)(torch.zeros(2, 3))
    (call,) = EXERCISES["conv-sizes"].test("generator").fixed
    assert images.shape[-1] == run(FILE.conv_sizes, call)["sizes"][-1]


def test_a_field_is_where_autograd_finds_a_gradient():
    for call in drawn("conv-sizes", "patches"):
        x = torch.zeros(1, 1, call["size"], requires_grad=True)
        h = x
        for depth, (k, s, p) in enumerate(call["layers"].tolist()):
            h = F.conv1d(h, torch.ones(1, 1, k), stride=s, padding=p)
            (slope,) = torch.autograd.grad(h[0, 0, h.shape[2] // 2], x, retain_graph=True)
            found = FILE.conv_sizes(**call)
            assert int((slope != 0).sum()) == found["fields"][depth]
            assert h.shape[2] == found["sizes"][depth]


def test_labels_are_planes_of_their_class_behind_the_image():
    for call in drawn("conditions", "inputs"):
        (_, noisy), (_, pictures) = call["calls"]
        conditional = FILE.Conditional(**call["init"])
        z, x, y = noisy["z"], pictures["x"], pictures["y"]
        for_g, for_d = conditional.generator_input(z, y), conditional.discriminator_input(x, y)
        assert torch.equal(for_g[:, :2], z) and torch.equal(for_d[:, :2], x)
        for row, label in enumerate(y.tolist()):
            expected = [float(c == label) for c in range(4)]
            assert for_g[row, 2:].tolist() == expected
            for c in range(4):
                assert (for_d[row, 2 + c] == expected[c]).all()


def test_the_loss_of_captions_is_a_cross_entropy_over_three_kinds_of_pairs():
    for call in drawn("conditions", "captions"):
        real, fake, t = call["calls"][0][1].values()
        pairs = [(real[n], t[n], 1.0) for n in range(3) for _ in range(2)]  # count twice
        pairs += [(real[0], t[1], 0.0), (real[1], t[2], 0.0), (real[2], t[0], 0.0)]
        pairs += [(fake[n], t[n], 0.0) for n in range(3)]
        logits = torch.stack([caption @ call["init"]["V"] @ phi for phi, caption, _ in pairs])
        labels = torch.tensor([label for *_, label in pairs], dtype=torch.float64)
        expected = 2 * F.binary_cross_entropy_with_logits(logits, labels)
        given = call["calls"][0][1]
        torch.testing.assert_close(
            FILE.Conditional(**call["init"]).caption_loss(**given), expected
        )


def test_a_discriminator_that_cannot_read_pays_for_wrong_captions():
    """With features that ignore the image, right and wrong captions cannot be told apart."""
    for call in drawn("conditions", "captions"):
        given = call["calls"][0][1]
        same = given | {k: torch.ones_like(given["real"]) for k in ("real", "fake")}
        reader = FILE.Conditional(**call["init"])
        assert reader.caption_loss(**same) >= 2 * math.log(2) - 1e-9


def test_the_bound_is_below_the_information_that_a_table_holds():
    """c and x are discrete here: I(c; x) is exact, and the exact posterior reaches it."""
    prior = simplex(4, 1)
    likelihood = torch.stack([simplex(5, k + 2) * 1 for k in range(4)]).pow(3)
    likelihood = likelihood / likelihood.sum(1, keepdim=True)  # p(x | c)
    joint = prior[:, None] * likelihood
    evidence = joint.sum(0)
    information = (joint * (joint / (prior[:, None] * evidence)).log()).sum()

    def bound(log_q):  # (x, c)
        parts = [
            joint[c, x] * FILE.info_bound(log_q[x][None], torch.tensor([c]), prior)
            for c in range(4)
            for x in range(5)
        ]
        return sum(parts)

    logits, codes = torch.randn(3, 4, generator=generator()).double(), torch.tensor([2, 0, 1])
    once = FILE.info_bound(logits, codes, prior)
    torch.testing.assert_close(FILE.info_bound(logits.repeat(2, 1), codes.repeat(2), prior), once)
    uneven = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    sure = FILE.info_bound(torch.tensor([[99.0, 0, 0]]).double(), torch.tensor([0]), uneven)
    assert sure.item() == pytest.approx(1.5 * math.log(2))  # the entropy of the code
    exact = (joint / evidence).T.log()
    torch.testing.assert_close(bound(exact), information)
    for seed in range(10):
        other = exact + torch.randn(5, 4, generator=generator(seed), dtype=torch.float64)
        assert bound(other) < information


def test_f_bounds_agree_with_the_library_and_are_tight_at_the_best():
    for test, name in (("kl", "kl"), ("reverse-kl", "reverse_kl")):
        for call in drawn("f-bound", test):
            p, q, v = call["p"], call["q"], call["outputs"]
            found = FILE.f_bound(**call)
            game = losses.f_gan_loss(name)
            expected = -(p * game.on_real(v)).sum() - (q * game.on_fake(v)).sum()
            torch.testing.assert_close(found["bound"], expected)
            assert found["bound"] < found["divergence"]
            best = found["best"] if test == "kl" else -(-found["best"]).log()
            at_best = FILE.f_bound(**(call | {"outputs": best}))
            torch.testing.assert_close(at_best["bound"], found["divergence"])


def test_distances_of_samples_agree_with_the_library():
    for call in drawn("two-samples", "frechet"):
        expected = frechet_distance(call["x"], call["y"])
        assert FILE.distance_of_samples(**call).item() == pytest.approx(expected)
    for call in drawn("two-samples", "mmd"):
        x, y, h = call["x"], call["y"], call["bandwidth"]
        expected = two_sample_test(x, y, bandwidth=h, num_permutations=1).mmd
        assert FILE.distance_of_samples(**call).item() == pytest.approx(expected)


def test_the_unbiased_estimate_centres_on_zero_and_the_biased_one_does_not():
    biased = named("two-samples")["mmd_biased"]
    draw = generator(2)
    pairs = [torch.randn(2, 6, 2, generator=draw, dtype=torch.float64) for _ in range(800)]
    means = []
    for answer in (FILE.distance_of_samples, biased):
        values = torch.stack([answer(x, y, "mmd", 1.0) for x, y in pairs])
        means.append((values.mean() / values.std() * len(values) ** 0.5).item())
    assert abs(means[0]) < 3.5 and means[1] > 20


def test_truncated_latents_are_those_that_rejection_leaves():
    n, limit = 100_000, 0.8
    draw = {"generator": generator(3), "dtype": torch.float64}
    kept = torch.randn(3 * n, **draw)
    kept = kept[kept.abs() < limit][:n].sort().values
    (call,) = drawn("truncation", "latents", seeds=1)
    u = torch.rand(2, n, 1, **draw)
    call |= {"uniforms": u, "limit": limit, "M": call["M"][:, :1]}
    z = FILE.truncated_styles(**call)["z"]
    assert z.abs().max() < limit
    gap = (z[0, :, 0].sort().values[: len(kept)] - kept).abs().max()
    assert gap < 0.02
    assert (z[0, :, 0][u[0, :, 0].argsort()].diff() >= 0).all()  # a larger u is a larger z


def test_psi_zero_gives_one_style_for_any_noise_and_mixing_keeps_the_coarse_layers():
    for call in drawn("truncation", "styles"):
        one = FILE.truncated_styles(**(call | {"psi": 0.0}))["styles"]
        torch.testing.assert_close(one, call["mean_w"].expand_as(one))
        two = [FILE.truncated_styles(**(call | {"psi": s}))["styles"] for s in (-0.7, 0.7)]
        torch.testing.assert_close((two[0] + two[1]) / 2, one)  # either side of the mean
        whole = FILE.truncated_styles(**(call | {"psi": 1.0, "crossover": 4}))
        mapped = torch.tanh(whole["z"][0] @ call["M"].T + call["m"])
        torch.testing.assert_close(whole["styles"][:, 0], mapped)
        other = call["uniforms"].clone()
        other[1] = 1 - other[1]
        k = call["crossover"]
        before, after = (
            FILE.truncated_styles(**(call | {"uniforms": u}))["styles"]
            for u in (call["uniforms"], other)
        )
        assert torch.equal(before[:, :k], after[:, :k])
        assert not torch.isclose(before[:, k:], after[:, k:]).all(2).any()


def test_arcs_keep_the_length_and_the_pace():
    between = FILE.Between()
    a, b = (
        v / v.norm(dim=1, keepdim=True)
        for v in torch.randn(2, 20, 4, generator=generator(), dtype=torch.float64)
    )
    points = torch.stack([between.slerp(a, b, t) for t in torch.linspace(0, 1, 9).tolist()])
    torch.testing.assert_close(points.norm(dim=2), torch.ones(9, 20, dtype=torch.float64))
    steps = (points[1:] * points[:-1]).sum(2)
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))
    torch.testing.assert_close((points[0], points[-1]), (a, b))
    middle = between.slerp(3 * a, 3 * b, 0.5)  # the angle does not depend on the lengths
    torch.testing.assert_close(middle, 3 * points[4])
    torch.testing.assert_close(between.slerp(3 * a, 2 * b, 0.0), 3 * a)
    torch.testing.assert_close(between.slerp(3 * a, 2 * b, 1.0), 2 * b)


def test_fading_ends_at_either_network():
    for call in drawn("in-between", "fade-in"):
        given = call["calls"][0][1]
        ends = [FILE.Between().fade_in(**(given | {"alpha": alpha})) for alpha in (0.0, 1.0)]
        enlarged = F.interpolate(given["small"], scale_factor=2)
        torch.testing.assert_close(ends, [enlarged, given["large"]])
        middle = FILE.Between().fade_in(**(given | {"alpha": 0.5}))
        torch.testing.assert_close(middle, (enlarged + given["large"]) / 2)


def test_the_loss_of_two_maps_by_hand():
    """x = 1 becomes 3 and comes back as -1.5; y = 2 becomes -1 and comes back as -3."""
    ones, eye = torch.ones(2, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    call = {
        "x": ones,
        "y": 2 * ones,
        "A": 3 * eye,
        "B": -0.5 * eye,
        "cycle": 10.0,
        "identity": 5.0,
    }
    call |= {"judge_x": ones[0], "judge_y": -ones[0]}  # say -2 to the fake x, -6 to the y
    expected = (49 + 9) + 10 * (2.5 + 5) + 5 * (4 + 1.5)
    assert FILE.translation_loss(**call).item() == pytest.approx(expected)


def test_the_gradient_by_both_maps_is_that_of_the_loss():
    for call in drawn("unpaired", "fooling", seeds=2):
        call = call | {"cycle": 2.0, "identity": 0.5}
        at = [call[k].clone().requires_grad_() for k in "AB"]
        value = FILE.translation_loss(**(call | dict(zip("AB", at, strict=True))))

        def f(A, B, call=call):
            return FILE.translation_loss(**(call | {"A": A, "B": B}))

        expected = differences(f, call["A"], call["B"])
        found = torch.autograd.grad(value, at)
        torch.testing.assert_close(list(found), expected, rtol=1e-5, atol=1e-7)


def test_a_cycle_costs_nothing_where_one_map_undoes_the_other():
    for call in drawn("unpaired", "cycle"):
        inverse = torch.linalg.inv(call["A"])
        closed = call | {"B": inverse, "identity": 0.0}
        torch.testing.assert_close(FILE.translation_loss(**closed).item(), 2.0)
        identity = torch.eye(2, dtype=torch.float64)
        alone = FILE.translation_loss(**(call | {"A": identity, "B": identity}))
        torch.testing.assert_close(alone.item(), 2.0)


def test_no_other_detector_has_a_lower_objective():
    for test in ("equal", "unequal"):
        for call in drawn("fake-detector", test, seeds=2):
            best = FILE.train_detector(**call)
            arrays = {k: np.asarray(v) for k, v in call.items()}
            value = discriminator({k: v.numpy() for k, v in best.items()}, arrays)
            logits = [call[k] @ best["weight"] + best["bias"] for k in ("real", "fake")]
            expected = losses.minimax_loss.discriminator(*logits).item()
            assert value["loss"] == pytest.approx(expected)
            for seed in range(20):
                step = 0.1 * torch.randn(4, generator=generator(seed), dtype=torch.float64)
                other = {"weight": best["weight"] + step[:3], "bias": best["bias"] + step[3]}
                other = {k: v.numpy() for k, v in other.items()}
                assert discriminator(other, arrays)["objective"] > value["objective"]


def test_the_evaluator_refuses_weights_that_do_not_fit():
    (call,) = drawn("fake-detector", "equal", seeds=1)
    with pytest.raises(ValueError, match="holds 2 numbers, expected 3"):
        discriminator({"weight": np.zeros(2), "bias": 0.0}, call)


def test_one_cell_is_plain_attention_and_cells_do_not_see_each_other():
    for call in drawn("grid-attention", "one-cell"):
        flat = call["x"].flatten(1, 2)
        q, k, v = (flat @ call[name] for name in ("Wq", "Wk", "Wv"))
        expected = F.scaled_dot_product_attention(q, k, v)
        torch.testing.assert_close(FILE.grid_attention(**call).flatten(1, 2), expected)
    for call in drawn("grid-attention", "grid"):
        changed = call["x"].clone()
        changed[0, :2, 2:] += 1  # the upper right cell of the first image
        before, after = FILE.grid_attention(**call), FILE.grid_attention(**(call | {"x": changed}))
        moved = ~torch.isclose(before, after).all(3)
        expected = torch.zeros_like(moved)
        expected[0, :2, 2:] = True
        assert torch.equal(moved, expected)
