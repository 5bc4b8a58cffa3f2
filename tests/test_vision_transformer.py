"""The vision transformer against the same computation by hand."""

import pytest
import torch
import torch.nn.functional as F

from gencourse.nets import VisionTransformer

SMALL = {"patch": 4, "width": 8, "depth": 2, "num_heads": 2}
IMAGE = (3, 8, 12)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(**options):
    torch.manual_seed(0)
    return VisionTransformer(IMAGE, **{**SMALL, **options}).double()


def images(n=2):
    return torch.rand(n, *IMAGE, generator=seeded(), dtype=torch.float64)


@pytest.mark.parametrize("pooling", ["mean", "class"])
@pytest.mark.parametrize("n", [1, 3])
def test_the_members_of_an_encoder(pooling, n):
    encoder = made(pooling=pooling)
    assert encoder.maps(images(n)).shape == (n, 8, 2, 3)
    features = encoder(images(n))
    assert features.shape == (n, encoder.num_features) and features.dtype == torch.float64
    torch.testing.assert_close(encoder(images(3))[:n], features)  # rows on their own


def test_mean_pooling_is_the_mean_of_the_maps():
    encoder = made()
    torch.testing.assert_close(encoder(images()), encoder.maps(images()).mean((2, 3)))


@pytest.mark.parametrize("overlap", [0, 1])
def test_the_embedding_is_one_matrix_for_all_patches(overlap):
    encoder, x = made(overlap=overlap), images()
    patches = F.unfold(x, 4 + 2 * overlap, stride=4, padding=overlap)  # (B, C P², S)
    weight, bias = encoder.patches.weight.flatten(1), encoder.patches.bias
    by_hand = torch.einsum("dp,bps->bsd", weight, patches) + bias + encoder.positions
    torch.testing.assert_close(encoder.embed(x), by_hand)


def test_the_embedding_by_slices():
    encoder, x = made(positions=False), images(1)
    for s, (row, column) in enumerate((r, c) for r in (0, 4) for c in (0, 4, 8)):
        patch = x[0, :, row : row + 4, column : column + 4].flatten()
        expected = encoder.patches.weight.flatten(1) @ patch + encoder.patches.bias
        torch.testing.assert_close(encoder.embed(x)[0, s], expected)


def shuffled(x):
    """The same patches in another order."""
    patches = x.unflatten(3, (3, 4)).unflatten(2, (2, 4))  # (B, C, 2, 4, 3, 4)
    return patches.flip(2)[..., [2, 0, 1], :].flatten(4, 5).flatten(2, 3)


@pytest.mark.parametrize("pooling", ["mean", "class"])
def test_without_positions_an_image_is_a_bag_of_patches(pooling):
    x = images()
    assert not torch.equal(shuffled(x), x)
    bag = made(positions=False, pooling=pooling)
    torch.testing.assert_close(bag(shuffled(x)), bag(x))
    torch.testing.assert_close(bag.maps(shuffled(x)), bag.maps(x).flip(2)[..., [2, 0, 1]])
    ordered = made(pooling=pooling)
    assert (ordered(shuffled(x)) - ordered(x)).abs().max() > 1e-4


def test_where_class_token_and_patches_stand():
    """The maps leave the class token out, and the first place is the top left patch."""
    encoder, x = made(pooling="class", depth=1), images(1)
    tokens = encoder.encode(encoder.embed(x))
    assert tokens.shape == (1, 7, 8)
    torch.testing.assert_close(encoder(x), tokens[:, 0])
    torch.testing.assert_close(encoder.maps(x)[0, :, 0, 0], tokens[0, 1])
    torch.testing.assert_close(encoder.maps(x)[0, :, 1, 2], tokens[0, 6])


def test_some_of_the_tokens_can_be_encoded():
    encoder = made()
    tokens = encoder.embed(images())
    assert encoder.encode(tokens[:, [0, 4]]).shape == (2, 2, 8)
    torch.testing.assert_close(encoder.encode(tokens).mean(1), encoder(images()))


@pytest.mark.parametrize("pooling", ["mean", "class"])
def test_every_parameter_gets_a_gradient(pooling):
    encoder = made(pooling=pooling)
    encoder(images()).square().sum().backward()  # a plain sum of layer norm's output is constant
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_it_is_made_again_from_its_arguments_and_state():
    encoder = made(pooling="class", overlap=1)
    again = VisionTransformer(**encoder.config).double()
    assert not torch.allclose(again(images()), encoder(images()))
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(images()), encoder(images()))


@pytest.mark.parametrize(
    "shape, options, words",
    [
        ((3, 10, 8), {}, r"event_shape is \(3, 10, 8\) and patch is 4"),
        ((3, 8, 10), {}, r"event_shape is \(3, 8, 10\) and patch is 4"),
        ((8, 8), {}, r"event_shape is \(8, 8\)"),
        (IMAGE, {"patch": 0}, "patch is 0"),
        (IMAGE, {"depth": 0}, "depth is 0"),
        (IMAGE, {"overlap": -1}, "overlap is -1"),
        (IMAGE, {"width": 9}, "width is 9 and num_heads is 2"),
        (IMAGE, {"pooling": "max"}, "pooling is 'max', expected one of"),
    ],
)
def test_arguments_that_do_not_fit(shape, options, words):
    with pytest.raises(ValueError, match=words):
        VisionTransformer(shape, **{**SMALL, **options})


@pytest.mark.parametrize("shape", [(2, 3, 12, 8), (2, 1, 8, 12), (3, 8, 12), (2, 3, 16, 12)])
def test_images_of_another_size(shape):
    encoder = made()
    for method in (encoder, encoder.maps, encoder.embed):
        with pytest.raises(ValueError, match=r"x has shape .* \(3, 8, 12\), the size that"):
            method(torch.zeros(shape, dtype=torch.float64))
