"""fit_adversarial: Algorithm 1 step by step, exact resume, and stops and warnings that say why."""

import logging
import signal

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from gencourse.losses import non_saturating_loss
from gencourse.nets import MLP
from gencourse.protocols import Configurable
from gencourse.train import NonFiniteLossError, fit, fit_adversarial, load

X = 2 + 0.5 * torch.randn(50, 1, generator=torch.Generator().manual_seed(0))


class Game(Configurable, nn.Module):
    """x = G(z) for one number z; dropout and batch norm, whose state a resumed run needs."""

    event_shape = (1,)

    def __init__(self, hidden=8):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(1, hidden), nn.BatchNorm1d(hidden), nn.ReLU(),
                                       nn.Linear(hidden, 1))  # fmt: skip
        self.discriminator = nn.Sequential(nn.Dropout(0.2), MLP(1, 1, hidden=(hidden,)))

    def discriminator_loss(self, batch):
        fake = self.generator(torch.randn(len(batch[0]), 1))  # held fixed by the loop
        return non_saturating_loss.discriminator(
            self.discriminator(batch[0]), self.discriminator(fake)
        )

    def generator_loss(self, batch):
        fake = self.generator(torch.randn(len(batch[0]), 1))
        return non_saturating_loss.generator(self.discriminator(fake))

    @torch.no_grad()
    def sample(self, n, *, condition=None, generator=None):
        return self.generator(torch.randn(n, 1, generator=generator))


def game(kind=Game, **options):
    torch.manual_seed(7)
    return kind(**options)


def play(model, data=X, **options):
    defaults = {"device": "cpu", "progress": False, "batch_size": 8, "lr": 1e-2}
    return fit_adversarial(model, data, **defaults | options)


def same(a, b):
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def by_hand(model, batches, *, k, lr):
    """Algorithm 1, written out, with the order of random numbers of the loop."""
    adams = [
        torch.optim.Adam(player.parameters(), lr=lr, betas=(0.5, 0.999))
        for player in (model.discriminator, model.generator)
    ]
    model.train()
    for i in range(0, len(batches), k):
        for batch in batches[i : i + k]:
            adams[0].zero_grad()
            model.discriminator_loss(batch).backward()
            adams[0].step()
        adams[1].zero_grad()
        model.generator_loss(batch).backward()
        adams[1].step()


@pytest.mark.parametrize("k", [1, 3])
def test_it_is_algorithm_1(k):
    seen = []

    class Noted(Game):
        def discriminator_loss(self, batch):
            seen.append(batch)
            return super().discriminator_loss(batch)

    loop, hand = game(Noted), game()
    history = play(loop, steps=4, discriminator_steps=k)
    assert len(seen) == len(history.discriminator_loss) == 4 * k
    assert len(history.generator_loss) == 4 and history.stopped == "finished"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        by_hand(hand, seen, k=k, lr=1e-2)
    assert same(loop, hand)
    assert not loop.training


def test_a_player_moves_alone():
    """Each learns only in its own step, and what the caller froze stays."""
    moved = []

    class Watched(Game):
        def note(self):
            moved.append([p.detach().clone() for p in self.parameters()])

        def discriminator_loss(self, batch):
            self.note()
            assert all(p.requires_grad for p in self.discriminator.parameters())
            assert not any(p.requires_grad for p in self.generator.parameters())
            return super().discriminator_loss(batch)

        def generator_loss(self, batch):
            self.note()
            assert not any(p.requires_grad for p in self.discriminator.parameters())
            return super().generator_loss(batch)

    model = game(Watched)
    model.generator[3].bias.requires_grad_(False)
    names = [name for name, _ in model.named_parameters()]
    play(model, steps=1)
    moved.append([p.detach().clone() for p in model.parameters()])
    for before, after, player in ((0, 1, "discriminator"), (1, 2, "generator")):
        different = {
            name for name, a, b in zip(names, moved[before], moved[after], strict=True)
            if not torch.equal(a, b)
        }  # fmt: skip
        assert different and all(name.startswith(player) for name in different)
    assert "generator.3.bias" not in different
    assert not model.generator[3].bias.requires_grad
    assert all(p.requires_grad for p in model.discriminator.parameters())


def test_the_generator_finds_the_data():
    model = game()
    before = abs(float(model.eval().sample(500, generator=torch.Generator()).mean()) - 2)
    play(model, epochs=60, batch_size=25)
    x = model.sample(500, generator=torch.Generator())
    assert before > 1 and abs(float(x.mean()) - float(X.mean())) < 0.35


def test_two_runs_agree_and_leave_the_callers_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, third = game(), game(), game()
    torch.set_rng_state(before)
    for model, seed in ((first, 1), (second, 1), (third, 2)):
        play(model, epochs=2, seed=seed)
    assert torch.equal(before, torch.get_rng_state())
    assert same(first, second) and not same(first, third)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("at", [4, 7, 10])
def test_a_resumed_run_ends_bit_by_bit_like_an_uninterrupted_one(tmp_path, at, k):
    whole, broken, path = game(), game(), tmp_path / "run.pt"
    options = {"discriminator_steps": k, "clip": 1.0, "discriminator_lr": 0.02}
    history = play(whole, steps=14, **options)
    play(broken, steps=at, checkpoint=path, **options)
    assert not same(whole, broken) and same(load_here(path), broken)
    torch.manual_seed(99)
    fresh = Game()
    resumed = play(fresh, steps=14, checkpoint=path, resume=True, **options)
    assert same(whole, fresh) and resumed == history


def load_here(path):
    """`load` refuses classes that are not the package's; take the tensors."""
    with pytest.raises(ValueError, match="only classes of gencourse"):
        load(path)
    model = Game()
    model.load_state_dict(torch.load(path, weights_only=True)["model"])
    return model


def parameters_after(steps):
    """The generator's parameters after each step of a plain run."""
    found = []
    for n in range(1, steps + 1):
        model = game()
        play(model, steps=n)
        found.append([p.detach().clone() for p in model.generator.parameters()])
    return found


def test_the_average_is_of_the_parameters_and_does_not_touch_the_game():
    averaged, plain = game(), game()
    want = [p.detach().clone() for p in averaged.generator.parameters()]
    history = play(averaged, steps=5, average=0.3)
    for t, parameters in enumerate(parameters_after(5)):
        d = min(0.3, (1 + t) / (10 + t))
        want = [d * a + (1 - d) * p for a, p in zip(want, parameters, strict=True)]
    for got, expected in zip(averaged.generator.parameters(), want, strict=True):
        torch.testing.assert_close(got.detach(), expected)
    assert play(plain, steps=5) == history  # the same losses
    assert same(averaged.discriminator, plain.discriminator)
    assert not same(averaged.generator, plain.generator)
    buffers = zip(averaged.generator.buffers(), plain.generator.buffers(), strict=True)
    assert all(torch.equal(a, b) for a, b in buffers)


def test_an_average_without_memory_is_the_last_step():
    averaged, plain = game(), game()
    play(averaged, steps=4, average=0.0)
    play(plain, steps=4)
    assert same(averaged, plain)


@pytest.mark.parametrize("at", [4, 7, 10])
def test_a_resumed_average_ends_bit_by_bit_like_an_uninterrupted_one(tmp_path, at):
    whole, broken, path = game(), game(), tmp_path / "run.pt"
    options, seen = {"average": 0.9, "sample_steps": 2}, []
    history = play(whole, steps=14, on_samples=lambda step, x: seen.append(x), **options)
    play(broken, steps=at, checkpoint=path, **options)
    state = torch.load(path, weights_only=True)
    for name, tensor in broken.state_dict().items():
        assert torch.equal(state["best"][name], tensor)  # what `load` takes
    torch.manual_seed(99)
    fresh = Game()
    resumed = play(fresh, steps=14, checkpoint=path, resume=True, **options)
    assert same(whole, fresh) and resumed == history
    expected = whole.sample(64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(seen[-1], expected)  # samples come from the average


def test_epochs_are_passes_over_the_data():
    # 7 batches a pass, k of them a step
    assert len(play(game(), epochs=3).generator_loss) == 21
    history = play(game(), epochs=3, discriminator_steps=2)
    assert len(history.generator_loss) == 11
    assert list(history.spread) == [4, 7, 11]


def test_samples_come_from_the_same_noise_and_change_nothing():
    seen, watched, plain = {}, game(), game()
    history = play(
        watched, steps=6, sample_steps=2, num_samples=5,
        on_samples=lambda step, x: seen.update({step: x}),
    )  # fmt: skip
    play(plain, steps=6, sample_steps=100)
    assert same(watched, plain)
    assert list(seen) == list(history.spread) == [2, 4, 6]
    assert all(x.shape == (5, 1) for x in seen.values())
    expected = watched.sample(5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(seen[6], expected)
    assert not torch.equal(seen[2], seen[4])


def test_a_model_that_needs_more_than_a_number_to_sample():
    seen = []

    def draw(model, noise):
        assert not model.training
        return model.sample(3, generator=noise) + 1

    play(game(), steps=1, sample_steps=1, draw=draw, on_samples=lambda _, x: seen.append(x))
    assert seen[0].shape == (3, 1)


def test_a_draw_that_takes_numbers_of_its_own_changes_nothing_either():
    watched, plain = game(), game()
    options = {"steps": 4, "sample_steps": 1}
    play(watched, draw=lambda model, _: torch.randn(8, 1), **options)
    play(plain, steps=4, sample_steps=100)
    assert same(watched, plain)


def test_collapse_is_noticed(caplog):
    class Stuck(Game):
        def sample(self, n, *, condition=None, generator=None):
            return torch.full((n, 1), 2.0) + 1e-4 * torch.randn(n, 1, generator=generator)

    with caplog.at_level(logging.WARNING, "gencourse.train.adversarial"):
        history = play(game(Stuck), steps=4, sample_steps=2)
    assert history.collapsed == [2, 4] and history.spread[2] < 1e-3
    assert "at step 2 all 64 samples are nearly equal" in caplog.text
    caplog.clear()
    assert play(game(), steps=4, sample_steps=2).collapsed == [] and not caplog.text


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_a_nan_stops_with_its_step_and_keeps_the_last_good_checkpoint(tmp_path, player):
    class Poisoned(Game):
        calls = 0

        def poison(self, who, value):
            if who == player:
                type(self).calls += 1
            return value * (float("nan") if self.calls == 6 else 1)

        def discriminator_loss(self, batch):
            return self.poison("discriminator", super().discriminator_loss(batch))

        def generator_loss(self, batch):
            return self.poison("generator", super().generator_loss(batch))

    model, clean, path = game(Poisoned), game(), tmp_path / "run.pt"
    with pytest.raises(NonFiniteLossError, match=rf"{player}'s loss is nan at step 6.*run\.pt"):
        play(model, steps=20, checkpoint=path, checkpoint_steps=4)
    play(clean, steps=4)
    assert same(clean, load_here(path))
    assert all(p.isfinite().all() for p in model.parameters())
    assert all(p.requires_grad for p in model.parameters()), "nothing stays frozen"


def test_ctrl_c_finishes_the_step_saves_and_returns(tmp_path):
    class Pressed(Game):
        calls = 0

        def discriminator_loss(self, batch):
            type(self).calls += 1
            if self.calls == 5:
                signal.raise_signal(signal.SIGINT)
            return super().discriminator_loss(batch)

    before = signal.getsignal(signal.SIGINT)
    model, whole, path = game(Pressed), game(), tmp_path / "run.pt"
    history = play(model, steps=12, checkpoint=path)
    assert history.stopped == "interrupted" and len(history.generator_loss) == 5
    assert signal.getsignal(signal.SIGINT) is before
    play(model, steps=12, checkpoint=path, resume=True)
    play(whole, steps=12)
    assert same(whole, model)


def test_a_checkpoint_of_another_run_is_refused_by_what_differs(tmp_path):
    path = tmp_path / "run.pt"
    play(game(), steps=1, checkpoint=path)
    with pytest.raises(ValueError, match="discriminator_steps is 2, but 1 in"):
        play(game(), steps=2, discriminator_steps=2, checkpoint=path, resume=True)
    fit(MLP(1, 1), X, loss=lambda m, b: m(b[0]).square().mean(), steps=1, device="cpu",
        checkpoint=path, progress=False)  # fmt: skip
    with pytest.raises(ValueError, match=r"holds a gencourse\.nets\.mlp:MLP, expected"):
        play(game(), steps=2, checkpoint=path, resume=True)


def test_lower_precision_runs():
    dtypes = []

    class Noted(Game):
        def generator_loss(self, batch):
            dtypes.append(self.generator(torch.randn(4, 1)).dtype)
            return super().generator_loss(batch)

    history = play(game(Noted), steps=2, mixed_precision="bf16")
    assert dtypes == [torch.bfloat16] * 2 and len(history.generator_loss) == 2


class OneSided(Game):
    def __init__(self):
        super().__init__()
        self.generator = nn.Identity()


class Loose(Game):
    def __init__(self):
        super().__init__()
        self.third = nn.Linear(1, 1)


class Shared(Game):
    def __init__(self):
        super().__init__()
        self.generator.append(self.discriminator[1])


class Unreduced(Game):
    def generator_loss(self, batch):
        return self.generator(batch[0])


@pytest.mark.parametrize(
    "kind, options, words",
    [
        (Game, {}, "epochs is None and steps is None"),
        (Game, {"epochs": 1, "steps": 1}, "expected one of the two"),
        (Game, {"steps": 1, "batch_size": 0}, "batch_size is 0 and data has 50 rows"),
        (Game, {"steps": 1, "discriminator_steps": 0}, "discriminator_steps is 0"),
        (Game, {"steps": 1, "num_samples": 1}, "num_samples is 1"),
        (Game, {"steps": 1, "resume": True}, "checkpoint is None"),
        (Game, {"steps": 1, "mixed_precision": "fp16"}, "mixed_precision is 'fp16'"),
        (Game, {"steps": 1, "average": 1.0}, "average is 1.0"),
        (OneSided, {"steps": 1}, "generator of OneSided has no parameters to train"),
        (Loose, {"steps": 1}, "third.weight belongs to neither or both"),
        (Shared, {"steps": 1}, "belongs to neither or both"),
        (Unreduced, {"steps": 1}, r"generator_loss has shape \(8, 1\), expected a scalar"),
    ],
)
def test_bad_input(kind, options, words):
    with pytest.raises(ValueError, match=words):
        play(game(kind), **options)


def test_a_model_without_players():
    with pytest.raises(ValueError, match="discriminator of MLP is None, expected a module"):
        play(MLP(1, 1), TensorDataset(X), steps=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_saves_and_resumes(tmp_path):
    class OnDevice(Game):
        def noise(self, n, generator=None):
            return self.generator[0].weight.new_empty(n, 1).normal_(generator=generator)

        def discriminator_loss(self, batch):
            fake = self.generator(self.noise(len(batch[0])))
            return non_saturating_loss.discriminator(
                self.discriminator(batch[0]), self.discriminator(fake)
            )

        def generator_loss(self, batch):
            fake = self.generator(self.noise(len(batch[0])))
            return non_saturating_loss.generator(self.discriminator(fake))

        @torch.no_grad()
        def sample(self, n, *, condition=None, generator=None):
            return self.generator(self.noise(n, generator))

    model, path = game(OnDevice), tmp_path / "run.pt"
    play(model, steps=8, device="cuda", checkpoint=path)
    history = play(model, steps=16, device="cuda", checkpoint=path, resume=True)
    assert len(history.generator_loss) == 16 and history.spread
    assert next(model.parameters()).device.type == "cpu"
