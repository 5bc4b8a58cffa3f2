"""Networks against the same computation by hand."""

import pytest
import torch
import torch.nn.functional as F

from gencourse.nets import MLP, MaskedConv2d, MaskedLinear


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
