"""The offline data: exactly these numbers, in the promised form."""

import hashlib

import numpy as np
import pytest
import sklearn.datasets
import torch

from gencourse import data

# of the arrays' bytes in C order: a change of the data behind the course's figures must be seen
SHA256 = {
    "digits": "8b3b6ae90863430bdef06a3f7d1ec2f6a905a53d3375655b18cf63780ad98772",
    "breast_cancer": "f86286b06e0eb4fbbb699d6ba5df7f1432e65642369ae111d0e47b47d02338bc",
    "diabetes": "70a45af6bc04fb77f713e6aca86019c4707501ef0cbd17c743d74f7a9ca8bf11",
    "iris": "879b81724528964779983358162a724401de00141f8cb9c922d27f908396b8c7",
    "wine": "300d849b9eb766c3058bcebb4f806f42766e213cbcd8402c411d3d592747e011",
    "photographs": "d5fc03fa9365f63064afcef7d9932196f3f28543cb4e854a825ef705b4b5d02e",
    "shapes": "e0eddda1771aa216012110d6e7dd8f288c66de8a1afb49ba1990b1c71d74958e",
}


def made(name):
    if name in data.TABLES:
        return data.tabular(name)
    return data.shapes(200, seed=3) if name == "shapes" else getattr(data, name)()


@pytest.mark.parametrize("name", SHA256)
def test_the_numbers_are_these(name):
    dataset = made(name)
    content = b"".join(tensor.contiguous().numpy().tobytes() for tensor in dataset.tensors)
    assert hashlib.sha256(content).hexdigest() == SHA256[name]


@pytest.mark.parametrize("name", SHA256)
def test_the_form(name):
    dataset = made(name)
    x, y = dataset[0]
    assert dataset.x.dtype == torch.float32 and dataset.x.is_contiguous()
    assert len(dataset) == len(dataset.x) == len(dataset.y)
    assert torch.equal(x, dataset.x[0]) and torch.equal(y, dataset.y[0])
    batch = dataset[[3, 1]] if len(dataset) > 3 else dataset[[1, 0]]
    assert batch[0].shape == (2, *x.shape) and batch[1].shape == (2, *y.shape)
    assert dataset.source
    if name not in data.TABLES:
        assert x.ndim == 3 and dataset.x.min() == 0 and 0.9 < dataset.x.max() <= 1
    if name != "diabetes":
        assert dataset.y.dtype == torch.int64
        assert sorted(set(dataset.y.tolist())) == list(range(len(dataset.class_names)))


def test_digits_are_scikit_learns():
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    digits = data.digits()
    assert np.array_equal(digits.x.flatten(1).numpy() * 16, images)
    assert np.array_equal(digits.y.numpy(), labels)


@pytest.mark.parametrize("name", data.TABLES)
def test_tables_are_scikit_learns(name):
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(sklearn.datasets, f"load_{name}")(**options)
    table = data.tabular(name)
    np.testing.assert_allclose(table.x.numpy(), bunch.data, rtol=1e-7)
    assert np.array_equal(table.y.numpy(), bunch.target)
    assert len(table.feature_names) == table.x.shape[1]
    assert table.feature_names[0] == bunch.feature_names[0]


def test_an_unknown_table_names_the_known_ones():
    with pytest.raises(ValueError, match="name is 'boston', expected one of breast_cancer, diab"):
        data.tabular("boston")


def test_photographs_are_right_way_round():
    photographs = data.photographs()
    assert photographs.x.shape == (2, 3, 427, 640)
    china, flower = sklearn.datasets.load_sample_images().images
    assert photographs.class_names == ("china", "flower")
    for x, image in zip(photographs.x, (china, flower), strict=True):
        assert np.array_equal((x * 255).round().numpy().astype(np.uint8), image.transpose(2, 0, 1))
