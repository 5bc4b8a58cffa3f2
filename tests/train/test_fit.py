"""fit: the same result every time, exact resume, and stops that say why."""

import signal

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, TensorDataset

from gencourse.data import digits
from gencourse.losses import nll_loss
from gencourse.nets import MLP
from gencourse.train import NonFiniteLossError, fit, load
from gencourse.train.loop import _batches

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(50, 3, generator=GENERATOR)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3
DATA = TensorDataset(X, Y)


def squares(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def noisy_squares(model, batch):
    """A loss that draws random numbers, as a VAE's does."""
    x, y = batch
    return (model(x + 0.1 * torch.randn_like(x)) - y).square().mean()


def mlp():
    torch.manual_seed(7)
    return MLP(3, 1, hidden=(8,), activation="Tanh")


def quiet_fit(model, data=DATA, *, loss=squares, **options):
    defaults = {"device": "cpu", "progress": False, "batch_size": 8}
    return fit(model, data, loss=loss, **defaults | options)


def same(a, b):
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_it_finds_the_least_squares_solution():
    model = MLP(3, 1)
    history = quiet_fit(model, epochs=150, lr=0.03)
    design = torch.cat([X, torch.ones(50, 1)], 1)
    exact = torch.linalg.lstsq(design, Y).solution[:, 0]
    found = torch.cat([model.layers[0].weight[0], model.layers[0].bias])
    torch.testing.assert_close(found.detach(), exact, rtol=0, atol=1e-3)
    assert len(history.loss) == 150 * 7 and history.stopped == "finished"
    assert not model.training


def test_one_step_is_one_step_of_adam():
    model, by_hand = mlp(), mlp()
    history = quiet_fit(model, steps=1, batch_size=50, lr=0.01)
    optimizer = torch.optim.Adam(by_hand.parameters(), lr=0.01)
    value = squares(by_hand, (X, Y))
    value.backward()
    optimizer.step()
    torch.testing.assert_close(history.loss, [float(value.detach())])
    for a, b in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_two_runs_agree_and_leave_the_callers_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, third = mlp(), mlp(), mlp()
    torch.set_rng_state(before)
    for model, seed in ((first, 1), (second, 1), (third, 2)):
        quiet_fit(model, loss=noisy_squares, epochs=2, seed=seed)
    assert torch.equal(before, torch.get_rng_state())
    assert same(first, second) and not same(first, third)


@pytest.mark.parametrize("at", [4, 7, 10])
def test_a_resumed_run_ends_bit_by_bit_like_an_uninterrupted_one(tmp_path, at):
    whole, broken = mlp(), mlp()
    options = {"loss": noisy_squares, "val": DATA, "lr": 0.01, "clip": 1.0}
    history = quiet_fit(whole, epochs=3, **options)
    path = tmp_path / "run.pt"
    quiet_fit(
        broken, steps=at, checkpoint=path, **options
    )  # 7 steps an epoch: 4 and 10 are inside
    assert not same(whole, broken)
    torch.manual_seed(99)  # nothing may depend on what happened in between
    fresh = MLP(3, 1, hidden=(8,), activation="Tanh")
    resumed = quiet_fit(fresh, epochs=3, checkpoint=path, resume=True, **options)
    assert same(whole, fresh)
    assert resumed == history


def test_dynamic_binarisation_resumes_exactly_too(tmp_path):
    data = digits(binarise="dynamic").subset(slice(0, 60))

    def reconstruction(model, batch):
        x = batch[0].flatten(1)
        return (model(x) - x).square().mean()

    def run(model, **options):
        quiet_fit(model, data, loss=reconstruction, **options)
        return model

    def make():
        torch.manual_seed(0)
        return MLP(64, 64)

    whole, path = run(make(), steps=12), tmp_path / "run.pt"
    run(make(), steps=5, checkpoint=path)
    assert same(whole, run(make(), steps=12, checkpoint=path, resume=True))


def test_resume_without_a_file_starts(tmp_path):
    a, b = mlp(), mlp()
    quiet_fit(a, steps=3, checkpoint=tmp_path / "new" / "run.pt", resume=True)
    quiet_fit(b, steps=3)
    assert same(a, b)


class Rows(Dataset):
    """Rows that are not in one tensor."""

    def __len__(self):
        return 50

    def __getitem__(self, index):
        return X[index], Y[index]


def test_the_order_depends_on_the_seed_alone():
    def order(data, **options):
        defaults = {"seed": 0, "start": 0, "num_workers": 0}
        batches = _batches(data, 8, **defaults | options)
        return torch.cat([next(batches)[0] for _ in range(14)])

    first = order(DATA)
    assert torch.equal(first, order(Rows()))
    assert torch.equal(first, order(Rows(), num_workers=2))
    assert torch.equal(first[24:], order(DATA, start=3)[: len(first) - 24])
    assert not torch.equal(first, order(DATA, seed=1))
    once, twice = first[:50], first[50:]
    for epoch in (once, twice):  # every row once an epoch
        assert torch.equal(epoch.sort(0).values, X.sort(0).values)
    assert not torch.equal(once, twice) and not torch.equal(once, X)


def test_a_tensor_is_data():
    class Coin(nn.Module):
        event_shape = (3,)

        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(3))

        def log_prob(self, x):
            return torch.distributions.Bernoulli(logits=self.logits).log_prob(x).sum(-1)

        def sample(self, n, *, condition=None, generator=None):
            raise NotImplementedError

    model, x = Coin(), (X > 0.2).float()
    quiet_fit(model, x[:, :, None], loss=nll_loss, epochs=300, lr=0.05, batch_size=50)
    torch.testing.assert_close(model.logits.sigmoid().detach(), x.mean(0), rtol=0, atol=1e-3)


def test_a_nan_stops_with_its_step_and_keeps_the_last_good_checkpoint(tmp_path):
    calls = 0

    def poisoned(model, batch):
        nonlocal calls
        calls += 1
        return squares(model, batch) * (float("nan") if calls == 6 else 1)

    model, clean, path = mlp(), mlp(), tmp_path / "run.pt"
    with pytest.raises(NonFiniteLossError, match=r"loss is nan at step 6.*run\.pt") as caught:
        quiet_fit(model, loss=poisoned, epochs=2, checkpoint=path, checkpoint_steps=4)
    assert caught.value.step == 6
    quiet_fit(clean, steps=4)
    assert same(load(path), clean)
    quiet_fit(clean := mlp(), steps=5)
    assert same(model, clean)


def test_an_infinite_gradient_stops_before_it_spoils_the_parameters():
    def steep(model, batch):
        return (model.layers[0].weight * 0).sqrt().sum()

    model = mlp()
    with pytest.raises(NonFiniteLossError, match=r"gradient's norm is (inf|nan) at step 1"):
        quiet_fit(model, loss=steep, steps=3)
    assert same(model, mlp())


def test_early_stop_puts_the_best_epoch_back(tmp_path):
    noise = TensorDataset(X[:8], torch.randn(8, 1, generator=torch.Generator().manual_seed(1)))
    model, path = mlp(), tmp_path / "run.pt"
    options = {"val": TensorDataset(X[40:], -Y[40:]), "lr": 0.05}  # what is learnt makes it worse
    history = quiet_fit(model, noise, epochs=100, patience=3, checkpoint=path, **options)
    assert history.stopped == "early stop"
    assert len(history.val_loss) == history.best_epoch + 3 < 100
    with torch.no_grad():
        value = float(squares(model, (X[40:], -Y[40:])))
    assert value == pytest.approx(min(history.val_loss))
    assert same(model, load(path))
    again = quiet_fit(
        mlp(), noise, epochs=100, patience=3, checkpoint=path, resume=True, **options
    )
    assert again == history  # it does not go on


def test_validation_changes_nothing_and_draws_the_same_numbers_each_time():
    with_val, without = mlp(), mlp()
    history = quiet_fit(with_val, loss=noisy_squares, epochs=2, val=DATA)
    quiet_fit(without, loss=noisy_squares, epochs=2)
    assert same(with_val, without)
    torch.manual_seed(0)
    with torch.no_grad():
        parts = [
            noisy_squares(with_val, (x, y)) * len(x)
            for x, y in zip(X.split(8), Y.split(8), strict=True)
        ]
    assert history.val_loss[-1] == pytest.approx(float(sum(parts)) / 50)


def test_ctrl_c_finishes_the_step_saves_and_returns(tmp_path):
    calls = 0

    def pressed(model, batch):
        nonlocal calls
        calls += 1
        if calls == 5:
            signal.raise_signal(signal.SIGINT)
        return noisy_squares(model, batch)

    before = signal.getsignal(signal.SIGINT)
    model, whole, path = mlp(), mlp(), tmp_path / "run.pt"
    history = quiet_fit(model, loss=pressed, epochs=4, checkpoint=path)
    assert history.stopped == "interrupted" and len(history.loss) == 5
    assert signal.getsignal(signal.SIGINT) is before
    quiet_fit(model, loss=noisy_squares, epochs=4, checkpoint=path, resume=True)
    quiet_fit(whole, loss=noisy_squares, epochs=4)
    assert same(whole, model)


def test_a_second_ctrl_c_interrupts_at_once():
    def pressed(model, batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return squares(model, batch)

    with pytest.raises(KeyboardInterrupt):
        quiet_fit(mlp(), loss=pressed, epochs=1)


def test_clip_bounds_the_gradient():
    seen = []

    def steep(model, batch):
        seen.append(
            nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        )
        return 1000 * squares(model, batch)

    quiet_fit(mlp(), loss=steep, steps=3, clip=0.5)
    assert all(norm == pytest.approx(0.5, rel=1e-4) for norm in seen[2:])


def test_runs_of_different_precision_in_one_process():
    model = mlp()
    for precision in ("no", "bf16", "no"):
        seen = []

        def loss(model, batch, seen=seen):
            seen.append(model(batch[0]).dtype)
            return squares(model, batch)

        quiet_fit(model, loss=loss, steps=1, mixed_precision=precision)
        assert seen == [torch.bfloat16 if precision == "bf16" else torch.float32]


@pytest.mark.parametrize(
    "options, words",
    [
        ({}, "epochs is None and steps is None"),
        ({"epochs": 1, "steps": 1}, "expected one of the two"),
        ({"epochs": 1, "batch_size": 0}, "batch_size is 0 and data has 50 rows"),
        ({"epochs": 1, "patience": 2}, "patience is 2 and val is NoneType"),
        ({"epochs": 1, "resume": True}, "checkpoint is None"),
        ({"epochs": 1, "mixed_precision": "half"}, "mixed_precision is 'half'"),
        ({"epochs": 1, "device": "meta"}, "device is 'meta', but this machine has"),
    ],
)
def test_arguments_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match=words):
        quiet_fit(mlp(), **options)


def test_a_loss_that_is_no_scalar():
    with pytest.raises(ValueError, match=r"loss has shape \(8, 1\), expected a scalar"):
        quiet_fit(mlp(), loss=lambda m, b: m(b[0]), steps=1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_a_gpu_trains_saves_and_resumes(tmp_path, precision):
    path, model = tmp_path / "run.pt", mlp()
    options = {"device": "cuda", "mixed_precision": precision, "lr": 0.02, "checkpoint": path}
    quiet_fit(model, steps=100, **options)
    history = quiet_fit(model, steps=400, resume=True, **options)
    assert len(history.loss) == 400 and history.loss[-1] < 0.1 * history.loss[0]
    assert next(model.parameters()).device.type == "cpu"
    assert same(model, load(path))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_is_the_default_and_a_model_that_is_there_stays():
    seen = []

    def loss(model, batch):
        seen.append(batch[0].device.type)
        return squares(model, batch)

    quiet_fit(mlp(), loss=loss, steps=1, device=None)
    quiet_fit(
        mlp().double(), TensorDataset(X.double(), Y.double()), loss=loss, steps=1, device=None
    )
    model = mlp().cuda()
    quiet_fit(model, loss=loss, steps=1, device=None)
    assert seen == ["cuda", "cpu", "cuda"]
    assert next(model.parameters()).device.type == "cuda"
