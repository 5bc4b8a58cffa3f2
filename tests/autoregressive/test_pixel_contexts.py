"""Which pixels each model sees: nothing ahead, and exactly what its construction promises."""

import itertools

import pytest
import torch

from gencourse.autoregressive import DiagonalBiLSTM, GatedPixelCNN, PixelCNN, RowLSTM
from tests.density_suite import check_causal, dependence

MODELS = (PixelCNN, GatedPixelCNN, RowLSTM, DiagonalBiLSTM)


def positive(model):
    """With positive parameters and pixels nothing cancels and no ReLU is dead."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.02 + 0.1 * torch.rand_like(parameter))
    return model.double()


def raster(event_shape):
    """Row by row, and within a pixel the colours in turn."""
    places = torch.arange(torch.Size(event_shape).numel()).reshape(event_shape)
    return places.movedim(0, -1).flatten().tolist()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("shape, levels", [((1, 6, 5), 2), ((3, 3, 3), 3), ((2, 3, 5), 2)])
@pytest.mark.parametrize("model", MODELS)
def test_no_model_sees_the_present_value_or_the_future(model, shape, levels, seed):
    torch.manual_seed(seed)
    made = model(shape, num_levels=levels, num_layers=2, num_hidden=7).double()
    check_causal(made.logits, shape, order=raster(shape), full=False)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("model, layers", [(GatedPixelCNN, 5), (DiagonalBiLSTM, 1)])
def test_full_context(model, layers, channels):
    shape = (channels, 8, 8)
    made = positive(model(shape, num_layers=layers, num_hidden=3))
    check_causal(made.logits, shape, order=raster(shape), full=True)


def test_the_last_pixel_of_a_row_needs_the_column_behind_it():
    """Without it, the features of no earlier place have seen that pixel."""
    made = positive(DiagonalBiLSTM((1, 8, 8), num_layers=2, num_hidden=3))
    blind = dependence(lambda x: made.head(made.layers(made.first(x.double()))), (1, 8, 8))
    missing = (torch.ones(64, 64).tril(-1).bool() & ~blind).nonzero()
    assert all(j % 8 == 7 and i // 8 == j // 8 + 1 for i, j in missing.tolist())
    assert len(missing) == 7 * 4  # from the columns whose 7x7 window does not reach it


def test_colours_of_one_pixel():
    """R sees no colour of its own pixel, G sees R, B sees R and G."""
    for model in MODELS:
        made = positive(model((3, 2, 2), num_layers=1, num_hidden=3))
        seen = dependence(made.logits, (3, 2, 2)).reshape(3, 4, 3, 4)
        for pixel in range(4):
            assert torch.equal(seen[:, pixel, :, pixel], torch.ones(3, 3).tril(-1).bool())


@pytest.mark.parametrize(
    "kernel, first_kernel, layers", [(3, 3, 1), (3, 7, 2), (5, 5, 1), (3, 5, 3)]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_row_lstm_sees_exactly_the_triangle(kernel, first_kernel, layers, channels):
    height, width = 5, 9
    s, p = kernel // 2, first_kernel // 2
    triangle = torch.zeros(height, width, height, width, dtype=torch.bool)
    for i, j in itertools.product(range(height), range(width)):
        triangle[i, j, i, max(j - p - s * layers, 0) : j] = True
        for q in range(1, i + 1):
            left, right = j - p - s * (q + layers), j + p + s * (q - 1)
            triangle[i, j, i - q, max(left, 0) : right + 1] = True
    shape = (channels, height, width)
    made = positive(
        RowLSTM(shape, num_layers=layers, num_hidden=3, kernel=kernel, first_kernel=first_kernel)
    )
    seen = dependence(made.logits, shape).reshape(channels, height, width, channels, height, width)
    for out, source in itertools.product(range(channels), repeat=2):
        own = torch.eye(height * width).bool().reshape(triangle.shape)
        expected = triangle | own if source < out else triangle
        assert torch.equal(seen[out, :, :, source], expected)


def steps(offsets, height, width):
    """Which pixels a convolution with these offsets reads, as a matrix (H W, H W)."""
    reads = torch.zeros(height, width, height, width, dtype=torch.bool)
    for (i, j), (di, dj) in itertools.product(
        itertools.product(range(height), range(width)), offsets
    ):
        if 0 <= i + di < height and 0 <= j + dj < width:
            reads[i, j, i + di, j + dj] = True
    return reads.reshape(height * width, -1).double()


@pytest.mark.parametrize("layers", [1, 3, 12])
def test_the_blind_spot_of_the_pixel_cnn_is_what_its_masks_leave_out(layers):
    height, width = 7, 9
    above = [(-1, dj) for dj in (-1, 0, 1)]
    context = steps([*above, (0, -1)], height, width)  # mask A, 3x3
    for _ in range(layers):
        context = (steps([*above, (0, -1), (0, 0)], height, width) @ context).clamp(max=1)
    shape = (1, height, width)
    made = positive(PixelCNN(shape, num_layers=layers, num_hidden=3, first_kernel=3))
    seen = dependence(made.logits, shape)
    assert torch.equal(seen, context.bool())
    before = torch.ones_like(context).tril(-1).bool()
    wedge = (before & ~seen).reshape(height, width, height, width)
    assert wedge[3, 2, 2, 4] and wedge[3, 2, 1, 5], "up and right of the slope 1: never seen"


def test_depth_widens_the_gated_context_without_a_wedge():
    shape = (1, 7, 9)
    before = torch.ones(63, 63).tril(-1).bool()
    made = {n: positive(GatedPixelCNN(shape, num_layers=n, num_hidden=3)) for n in (1, 3, 6)}
    seen = {n: dependence(model.logits, shape) for n, model in made.items()}
    for n in seen:
        # each layer adds one pixel to the 7x7 window of the first, upwards and to both sides
        i, j = torch.meshgrid(torch.arange(7), torch.arange(9), indexing="ij")
        up = (i[..., None, None] - i).reshape(63, 63)
        right = (j - j[..., None, None]).reshape(63, 63)
        reach = 3 + n - 1
        window = (up <= reach) & (right.abs() <= reach)
        assert torch.equal(seen[n], before & window)
    assert torch.equal(seen[6], before)
