"""Networks against the same computation by hand."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from gencourse.nets import (
    MLP,
    Classifier,
    ConvEncoder,
    KeyValueCache,
    MaskedConv2d,
    MaskedLinear,
    SelfAttention,
    TransformerBlock,
    classifier_loss,
)


def test_mlp_is_affine_tanh_affine():
    net = MLP(3, 2, hidden=(5,), activation="Tanh")
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    first, _, last = net.layers
    by_hand = torch.tanh(x @ first.weight.T + first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(net(x), by_hand)


def test_mlp_without_hidden_layers_is_linear():
    net, x = MLP(3, 2), torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(net(x[0] + x[1]) + net(torch.zeros(4, 3)), net(x[0]) + net(x[1]))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"hidden": (4, 0)}, r"widths are \[3, 4, 0, 2\]"),
        ({"activation": "Quux"}, "activation is 'Quux'"),
        ({"activation": "functional"}, "activation is 'functional'"),
    ],
)
def test_mlp_refuses(options, words):
    with pytest.raises(ValueError, match=words):
        MLP(3, 2, **options)


def test_a_masked_weight_never_counts_and_never_moves():
    mask = torch.tensor([[1, 0, 1], [0, 1, 0]])
    layer = MaskedLinear(mask)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer(x), x @ (layer.weight * mask).T + layer.bias)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
    moved = layer.weight.detach() != before
    assert torch.equal(moved, mask.bool())
    assert "mask" in layer.state_dict()
    assert MaskedLinear(mask, bias=False).bias is None


def test_masked_linear_in_double_precision():
    layer = MaskedLinear(torch.ones(2, 3)).double()
    assert layer(torch.ones(1, 3, dtype=torch.float64)).dtype == torch.float64


def test_masked_linear_refuses_what_is_no_mask():
    with pytest.raises(ValueError, match=r"shape \(2, 2\) and values .*0\.5"):
        MaskedLinear(torch.full((2, 2), 0.5))
    with pytest.raises(ValueError, match=r"mask has shape \(3,\)"):
        MaskedLinear(torch.ones(3))


def test_a_masked_kernel_never_counts_and_never_moves():
    mask = torch.zeros(2, 3, 3, 5)
    mask[0, 1, 0] = mask[1, :, 1, :3] = 1
    conv = MaskedConv2d(mask)
    x = torch.randn(2, 3, 6, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight * mask, conv.bias, padding=(1, 2)))
    assert conv(x).shape == (2, 2, 6, 4)
    before = conv.weight.detach().clone()
    optimizer = torch.optim.SGD(conv.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        conv(x).square().sum().backward()
        optimizer.step()
    assert torch.equal(conv.weight.detach() != before, mask.bool())
    assert "mask" in conv.state_dict()
    assert MaskedConv2d(mask, bias=False).bias is None
    assert conv.double()(x.double()).dtype == torch.float64


def test_masked_conv_refuses_what_is_no_mask():
    with pytest.raises(ValueError, match=r"mask has shape \(3, 3\)"):
        MaskedConv2d(torch.ones(3, 3))
    with pytest.raises(ValueError, match=r"values .*2\.0"):
        MaskedConv2d(torch.full((1, 1, 3, 3), 2.0))
    with pytest.raises(ValueError, match="kernel of 3x2, expected odd"):
        MaskedConv2d(torch.ones(1, 1, 3, 2))


def attention_by_hand(layer, x, *, causal):
    """One head and one place after the other."""
    size = x.shape[-1] // layer.num_heads
    q, k, v = layer.queries_keys_values(x).detach().chunk(3, -1)
    out = torch.zeros_like(x)
    for row, head, i in itertools.product(*map(range, (len(x), layer.num_heads, x.shape[1]))):
        part = slice(head * size, (head + 1) * size)
        seen = range(i + 1 if causal else x.shape[1])
        scores = torch.stack([q[row, i, part] @ k[row, j, part] / size**0.5 for j in seen])
        weights = scores.softmax(0)
        out[row, i, part] = sum(w * v[row, j, part] for w, j in zip(weights, seen, strict=True))
    return layer.out(out)


def random(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("num_heads", [1, 2, 6])
def test_attention_is_the_formula(num_heads, causal):
    layer, x = SelfAttention(6, num_heads).double(), random(2, 5, 6)
    torch.testing.assert_close(layer(x, causal=causal), attention_by_hand(layer, x, causal=causal))


def test_attention_is_pytorchs():
    layer, x = SelfAttention(8, 4).double(), random(3, 7, 8)
    other = torch.nn.MultiheadAttention(8, 4, batch_first=True).double()
    other.load_state_dict(
        {
            "in_proj_weight": layer.queries_keys_values.weight,
            "in_proj_bias": layer.queries_keys_values.bias,
            "out_proj.weight": layer.out.weight,
            "out_proj.bias": layer.out.bias,
        }
    )
    torch.testing.assert_close(layer(x), other(x, x, x)[0])
    hidden = torch.ones(7, 7, dtype=torch.bool).triu(1)
    torch.testing.assert_close(layer(x, causal=True), other(x, x, x, attn_mask=hidden)[0])


def test_a_block_is_pytorchs():
    block, x = TransformerBlock(8, 2).double(), random(3, 5, 8)
    other = torch.nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0, activation="gelu", norm_first=True, batch_first=True
    ).double()
    with torch.no_grad():  # norms that are not the identity
        for parameter in block.parameters():
            parameter.add_(0.1 * random(*parameter.shape))
    names = {"self_attn.in_proj_": "attention.queries_keys_values.", "norm1.": "attention_norm."}
    names |= {"self_attn.out_proj.": "attention.out.", "norm2.": "mlp_norm."}
    names |= {"linear1.": "mlp.layers.0.", "linear2.": "mlp.layers.2."}
    state = block.state_dict()
    other.load_state_dict(
        {theirs + p: state[ours + p] for theirs, ours in names.items() for p in ("weight", "bias")}
    )
    torch.testing.assert_close(block(x), other(x))


def test_without_a_mask_places_have_no_order():
    block, x = TransformerBlock(6, 3).double(), random(2, 5, 6)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(block(x)[:, order], block(x[:, order]))
    assert not torch.allclose(block(x, causal=True)[:, order], block(x[:, order], causal=True))


@pytest.mark.parametrize("causal", [False, True])
def test_what_a_place_sees(causal):
    block, x = TransformerBlock(4, 2).double(), random(1, 6, 4)
    jacobian = torch.autograd.functional.jacobian(lambda x: block(x, causal=causal), x)
    sees = (jacobian[0, :, :, 0] != 0).any(-1).any(1)  # (6, 6)
    assert torch.equal(sees, torch.ones(6, 6).tril().bool() if causal else torch.ones(6, 6).bool())


@torch.no_grad()
def test_steps_with_a_cache_are_one_causal_pass():
    block, x = TransformerBlock(6, 2).double(), random(3, 5, 6)
    cache = KeyValueCache(5)
    steps = torch.stack([block.step(place, cache) for place in x.unbind(1)], 1)
    torch.testing.assert_close(steps, block(x, causal=True))
    with pytest.raises(ValueError, match="the cache holds 5 places already"):
        block.step(x[:, 0], cache)


@pytest.mark.parametrize("make", [SelfAttention, TransformerBlock])
@pytest.mark.parametrize("width, num_heads", [(6, 4), (0, 1), (6, 0), (-6, 2)])
def test_attention_refuses(make, width, num_heads):
    with pytest.raises(ValueError, match=f"width is {width} and num_heads is {num_heads}"):
        make(width, num_heads)


def test_a_block_refuses_no_hidden_units():
    with pytest.raises(ValueError, match=r"widths are \[6, 0, 6\]"):
        TransformerBlock(6, 2, mlp_ratio=0)


def test_maps_and_features_of_the_encoder():
    torch.manual_seed(0)
    encoder = ConvEncoder(3, widths=(4, 8, 6)).eval()
    x = torch.rand(5, 3, 32, 16)
    assert encoder.maps(x).shape == (5, 6, 4, 2) and encoder.num_features == 6
    torch.testing.assert_close(encoder(x), encoder.maps(x).mean((2, 3)))
    torch.testing.assert_close(encoder(x[:1]), encoder(x)[:1])
    assert encoder.double()(x[:1].double()).dtype == torch.float64


def test_a_classifier_learns_what_is_plain_to_see():
    torch.manual_seed(0)
    y = torch.arange(90) % 3
    x = torch.rand(90, 3, 8, 8) * 0.2
    x[torch.arange(90), y] += 0.5  # the channel is the class
    model = Classifier((3, 8, 8), num_classes=3, widths=(4, 8))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    before = classifier_loss(model, (x, y))
    torch.testing.assert_close(before, -model(x).log_softmax(1)[torch.arange(90), y].mean())
    for _ in range(60):
        optimiser.zero_grad()
        classifier_loss(model, (x, y)).backward()
        optimiser.step()
    model.eval()
    assert (model.predict(x) == y).float().mean() > 0.95
    torch.testing.assert_close(model.head(model.features(x)), model(x))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ConvEncoder(0), "in_channels is 0"),
        (lambda: ConvEncoder(3, widths=()), "at least one width"),
        (lambda: Classifier((3, 8), num_classes=2), r"event_shape is \(3, 8\)"),
        (lambda: Classifier((3, 8, 8), num_classes=0), "num_classes is 0"),
    ],
)
def test_encoders_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()
