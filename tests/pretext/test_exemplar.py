"""Exemplars: which picture is which class, and the last layer against scikit-learn."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from gencourse.data import digits, world
from gencourse.pretext import Exemplar, pretext_loss
from gencourse.train import fit, load

X = world(24, seed=1, num_shapes=1, frames=1).x[:, 0]  # (24, 3, 16, 16)
STILL = {"crop": 1.0, "flip": False, "jitter": 0.0, "grey": 0.0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(**options):
    torch.manual_seed(0)
    return Exemplar((3, 16, 16), widths=(8, 16), **{"num_exemplars": 30, **options})


class TestClasses:
    def test_each_picture_keeps_its_class(self):
        task = small()
        assert (task.classes(X) == -1).all()
        first = task.enrol(X[:10])
        assert sorted(first.tolist()) == list(range(10))
        order = torch.randperm(24, generator=seeded())
        rest = task.enrol(X[order])
        assert torch.equal(rest[order.argsort()][:10], first)
        assert sorted(rest.tolist()) == list(range(24)) and int(task.num_known) == 24
        assert torch.equal(task.enrol(X[order]), rest) and int(task.num_known) == 24

    def test_the_batch_and_the_precision_change_no_class(self):
        task = small()
        all_at_once = task.enrol(X)
        assert torch.equal(torch.cat([task.classes(row[None]) for row in X]), all_at_once)
        assert torch.equal(task.classes(X.double()), all_at_once)

    def test_equal_pictures_are_one_class_and_near_ones_are_not(self):
        task = small()
        near = X[:1].clone()
        near[0, 0, 3, 3] += 1 / 255
        found = task.enrol(torch.cat([X[:1], X[:1], near])).tolist()
        assert found[0] == found[1] != found[2] and int(task.num_known) == 2

    def test_a_full_book_passes_others_over(self):
        task = small(num_exemplars=6)
        assert task.enrol(X[:6]).min() == 0
        before = task.known.clone()
        assert (task.enrol(X[6:]) == -1).all() and torch.equal(task.known, before)
        some = float(task.eval().loss((X[:12],), generator=seeded()).detach())
        known = float(task.loss((X[:6],), generator=seeded()).detach())
        assert some == known
        with pytest.raises(ValueError, match="none of the 18 pictures is one of the 6 exemplars"):
            task.loss((X[6:],))


def test_the_loss_is_cross_entropy_over_all_exemplars():
    task = small(**STILL).eval()
    loss = float(task.loss((X,)).detach())
    log_p = task.classify(X).log_softmax(1).detach()
    assert log_p.shape == (24, 30)
    assert loss == pytest.approx(-float(log_p[torch.arange(24), task.classes(X)].mean()))
    torch.nn.init.zeros_(task.head.weight)
    torch.nn.init.zeros_(task.head.bias)
    assert float(task.loss((X,)).detach()) == pytest.approx(np.log(30), abs=1e-5)


def test_as_many_classes_as_rows_is_scikit_learns_regression():
    """With the encoder held still, the loss with a penalty has the minimum that they find."""
    n, l2 = 20, 0.05
    x = digits().x[:n].double()
    torch.manual_seed(0)
    task = Exemplar((1, 8, 8), num_exemplars=n, widths=(8, 16), **STILL).double().eval()
    y = task.enrol(x)
    features = task.features(x).detach()
    mean, scale = features.mean(0), features.std(0) + 1e-3
    standard = ((features - mean) / scale).numpy()
    theirs = LogisticRegression(C=1 / (l2 * n), solver="newton-cg", tol=1e-9, max_iter=1000)
    theirs.fit(standard, y.numpy())
    W, b = (torch.zeros_like(p, requires_grad=True) for p in task.head.parameters())

    def penalised():
        """The task's own loss with a head that standardises the features first."""
        head = {"task.head.weight": W / scale, "task.head.bias": b - W / scale @ mean}
        return torch.func.functional_call(Loss(task), head, (x,)) + l2 / 2 * W.square().sum()

    optimizer = torch.optim.LBFGS([W, b], max_iter=300, line_search_fn="strong_wolfe",
                                  tolerance_grad=1e-8, tolerance_change=0)  # fmt: skip

    def closure():
        optimizer.zero_grad()
        loss = penalised()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(W.detach(), theirs.coef_, atol=1e-5)
    bias = b.detach() - b.detach().mean()
    np.testing.assert_allclose(bias, theirs.intercept_ - theirs.intercept_.mean(), atol=1e-5)
    log_p = torch.from_numpy(theirs.predict_log_proba(standard))
    best = float(F.nll_loss(log_p, y)) + l2 / 2 * float(np.square(theirs.coef_).sum())
    assert float(penalised().detach()) == pytest.approx(best, rel=1e-8)
    assert float(log_p.argmax(1).eq(y).double().mean()) > 0.9


class Loss(torch.nn.Module):
    """A task whose call is its loss, so that its weights can be put in by name."""

    def __init__(self, task):
        super().__init__()
        self.task = task

    def forward(self, x):
        return self.task.loss((x,))


def test_unchanged_views_are_found_and_equal_pictures_leave_chance():
    task = small(**STILL)
    score = task.score(X)
    assert score.value == 1 and score.chance == pytest.approx(1 / 24)
    assert small().score(X[:1].expand(50, -1, -1, -1)).value <= 0.1
    assert int(task.num_known) == 0, "a score makes no exemplars"


def test_views_are_classified_after_training(tmp_path):
    task = small(crop=0.6, jitter=0.2, grey=0.0)
    fit(task, X, loss=pretext_loss, steps=120, batch_size=24, lr=2e-2, progress=False,
        checkpoint=tmp_path / "task.pt")  # fmt: skip
    task = load(tmp_path / "task.pt").eval()
    (views, _), _ = task.make(X.repeat(20, 1, 1, 1), generator=seeded())
    right = task.classify(views).argmax(1) == task.classes(X).repeat(20)
    assert float(right.double().mean()) > 0.7


def test_one_image_and_double_precision():
    task = small().double()
    loss = pretext_loss(task, (X[:1].double(),))
    loss.backward()
    assert loss.dtype == torch.float64 and all(p.grad is not None for p in task.parameters())


def test_a_gradient_reaches_every_parameter_and_the_generator_decides():
    task = small()
    pretext_loss(task, (X, torch.zeros(24))).backward()
    assert all(p.grad.abs().sum() > 0 for p in task.parameters())
    losses = [float(task.eval().loss((X,), generator=seeded(s)).detach()) for s in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_bad_input():
    with pytest.raises(ValueError, match="num_exemplars is 1"):
        Exemplar((3, 16, 16), num_exemplars=1)
    with pytest.raises(ValueError, match=r"got shape \(24, 3, 16, 8\)"):
        pretext_loss(small(), (X[..., :8],))
