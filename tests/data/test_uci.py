"""Wine quality from a file, and the columns that a density may be fitted to."""

import pytest
import torch

from gencourse.data import continuous_columns, wine_quality

ROWS = [
    "7.4;0.7;0;1.9;0.076;11;34;0.9978;3.51;0.56;9.4;5",
    "7.8;0.88;0;2.6;0.098;25;67;0.9968;3.2;0.68;9.8;6",
]
HEADER = '"fixed acidity";"volatile acidity";"citric acid";"residual sugar";"chlorides"'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "uci").mkdir()
    return tmp_path / "uci"


def test_both_forms_of_the_file_are_read(folder):
    (folder / "winequality-red.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    (folder / "winequality-white.csv").write_text("\n".join(ROWS).replace(";", ","))
    red, white = (wine_quality(colour, root=folder.parent) for colour in ("red", "white"))
    assert red.x.shape == (2, 11) and torch.equal(red.x, white.x)
    assert red.x[0, 7] == pytest.approx(0.9978) and red.y.tolist() == [5, 6]
    assert red.feature_names[7] == "density"


def test_the_folder_is_that_of_all_data(folder, monkeypatch):
    monkeypatch.setenv("GENCOURSE_DATA", str(folder.parent))
    (folder / "winequality-red.csv").write_text(ROWS[0])
    assert len(wine_quality()) == 1


def test_bad_input_is_named(folder):
    with pytest.raises(ValueError, match=r"rose.*red, white"):
        wine_quality("rose")
    with pytest.raises(FileNotFoundError, match=r"winequality-red\.csv.*GENCOURSE_DATA"):
        wine_quality(root=folder.parent)
    (folder / "winequality-red.csv").write_text("1;2;3\n")
    with pytest.raises(ValueError, match=r"shape \(1, 3\)"):
        wine_quality(root=folder.parent)
    (folder / "winequality-red.csv").write_text("sour;sweet\n")
    with pytest.raises(ValueError, match="no table of numbers"):
        wine_quality(root=folder.parent)


def test_discrete_and_doubled_columns_are_left_out():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 200, generator=generator)
    discrete = torch.arange(200) % 6
    x = torch.stack([a, discrete, -a + 0.01 * b, b, a + b], 1)
    assert continuous_columns(x) == [0, 3, 4]  # the third is the first one, turned round
    with pytest.raises(ValueError, match="none of 1 columns has 20"):
        continuous_columns(discrete[:, None].float())
    assert continuous_columns(a[:, None]) == [0]
    assert continuous_columns(x, least_values=2, most=1.0) == [0, 1, 2, 3, 4]
