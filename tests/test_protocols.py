"""Configurable, as_events, and the two protocols."""

import copy
import pickle

import pytest
import torch
from torch import nn

from gencourse.nets import MLP
from gencourse.protocols import Configurable, Density, Sampler, as_events


class Model(Configurable, nn.Module):
    def __init__(self, a, b, *, c=3, generator=None, **more):
        super().__init__()
        self.layer = nn.Linear(2, 2)


class Child(Model):
    def __init__(self, b):
        super().__init__(1, b)


class Bare(Configurable, nn.Module):
    pass


def test_config_names_every_argument_with_defaults():
    assert Model(1, 2, d=4).config == {
        "a": 1,
        "b": 2,
        "c": 3,
        "generator": None,
        "d": 4,
    }
    assert Model(1, b=2, c=5, generator=torch.Generator()).config == {"a": 1, "b": 2, "c": 5}
    assert Child(9).config == {"b": 9}, "the arguments of the class that was called"
    assert Bare().config == {}


def test_config_makes_the_same_model():
    model = MLP(3, 2, hidden=(4,))
    again = MLP(**model.config)
    assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]


def test_config_is_a_copy_and_survives_copy_and_pickle():
    hidden = [4, 5]
    model = MLP(3, 2, hidden=hidden)
    hidden.append(6)
    assert model.config["hidden"] == [4, 5]
    assert copy.deepcopy(model).config == model.config
    assert pickle.loads(pickle.dumps(model)).config == model.config


def test_arguments_without_a_name_are_refused_when_the_class_is_defined():
    with pytest.raises(TypeError, match="Nameless takes sizes by position"):

        class Nameless(Configurable):
            def __init__(self, *sizes):
                pass


def test_a_wrong_call_is_still_a_type_error():
    with pytest.raises(TypeError):
        MLP(3)
    with pytest.raises(TypeError):
        MLP(3, 2, depth=4)


def test_as_events_reshapes_and_keeps_the_order():
    x = torch.arange(24.0).reshape(2, 1, 3, 4)
    assert torch.equal(as_events(x, (12,)), x.flatten(1))
    assert torch.equal(as_events(x.flatten(1), (1, 3, 4)), x)
    assert as_events(torch.zeros(5), (1,)).shape == (5, 1)
    assert as_events(x[:0], (12,)).shape == (0, 12)
    assert as_events(x, (12,)).data_ptr() == x.data_ptr()


def test_as_events_names_both_shapes():
    with pytest.raises(ValueError, match=r"x has shape \(2, 5\).* 6 values .*\(2, 3\)"):
        as_events(torch.zeros(2, 5), (2, 3))
    with pytest.raises(ValueError, match=r"shape \(\)"):
        as_events(torch.tensor(1.0), (1,))


def test_a_model_without_log_prob_is_a_sampler_but_no_density():
    class Gan:
        event_shape = (2,)

        def sample(self, n, *, condition=None, generator=None):
            return torch.zeros(n, 2)

    assert isinstance(Gan(), Sampler) and not isinstance(Gan(), Density)
