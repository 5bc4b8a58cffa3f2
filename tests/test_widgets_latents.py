import re

import ipywidgets
import pytest
import torch

from gencourse import plots, vae, widgets


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    monkeypatch.setattr(plots.pictures, "DOTS_PER_INCH", 40)


def decode(z):
    """A picture whose first column follows z1 and whose three others follow z2."""
    return torch.sigmoid(z[:, [0, 1, 1, 1]])[:, None, :].expand(-1, 4, -1)  # (N, 4, 4)


def plane():
    return widgets.plane_explorer(
        decode, points=torch.randn(20, 2), classes=torch.arange(20) % 10, span=2.0
    )


EXPLORERS = {
    "factorised": lambda: widgets.factorised_explorer(vae.factorised_gaussian),
    "plane": plane,
    "plane without codes": lambda: widgets.plane_explorer(decode),
    "rotation": lambda: widgets.rotation_explorer(decode, latents=(0, 1), num_latents=3),
}


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_control_moves_its_picture(name):
    explorer = EXPLORERS[name]()
    first = explorer.picture
    for control in explorer.controls.values():
        assert isinstance(control, ipywidgets.FloatSlider)
        start = control.value
        for value in {control.min, control.max} - {start}:
            control.value = value
            assert explorer.picture.png != first.png and explorer.picture.alt != first.alt
            assert explorer.shown == explorer.picture.html
        control.value = start


def test_factorised_explorer_starts_at_the_slide_s_exercise():
    alt = widgets.factorised_explorer(vae.factorised_gaussian).picture.alt
    assert "least KL(q‖p) 0.8304 at variances 0.1900 and 0.1900" in alt
    assert "least KL(p‖q) 0.8304 at variances 1.0000 and 1.0000" in alt


def test_factorised_explorer_states_the_kl_of_torch():
    explorer = widgets.factorised_explorer(vae.factorised_gaussian)
    alt = explorer.draw(variance_1=2.0, variance_2=0.5, correlation=-0.6).alt
    p = torch.tensor([[2.0, -0.6], [-0.6, 0.5]], dtype=torch.float64)
    normal = torch.distributions.MultivariateNormal
    zero = torch.zeros(2, dtype=torch.float64)
    for name, direction in (("KL(q‖p)", "q||p"), ("KL(p‖q)", "p||q")):
        q = normal(zero, vae.factorised_gaussian(p, direction=direction).diag())
        pair = (q, normal(zero, p)) if direction == "q||p" else (normal(zero, p), q)
        expected = float(torch.distributions.kl_divergence(*pair))
        told = re.search(re.escape(f"least {name}") + r" (\d\.\d+)", alt).group(1)
        assert float(told) == pytest.approx(expected, abs=5e-5)


def test_plane_explorer_decodes_the_point_where_the_sliders_stand():
    explorer = plane()
    assert "z = (0, 0), mean brightness 0.500" in explorer.picture.alt
    explorer.controls["z_1"].value, explorer.controls["z_2"].value = 2.0, -1.0
    expected = float(torch.sigmoid(torch.tensor([2.0, -1.0, -1.0, -1.0])).mean())
    assert f"z = (2, -1), mean brightness {expected:.3f}" in explorer.picture.alt


def test_rotation_explorer_turns_one_axis_into_the_other():
    seen = []

    def watched(z):
        seen.append(z.clone())
        return decode(z)

    explorer = widgets.rotation_explorer(watched, latents=(2, 0), num_latents=3)
    first, second = seen[-2:]
    assert (first[:, :2] == 0).all() and torch.equal(first[:, 2], torch.linspace(-2, 2, 9))
    torch.testing.assert_close(second[:, 0], torch.linspace(-2, 2, 9))
    explorer.controls["angle"].value = 90.0
    torch.testing.assert_close(seen[-2], second)
    torch.testing.assert_close(seen[-1], -first, atol=1e-6, rtol=0)
