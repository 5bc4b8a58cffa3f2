import json

import pytest
import torch

from gencourse.gan import DCGAN, gallery
from gencourse.gan.guidelines import GUIDELINES, AblatedDCGAN
from gencourse.runs import exhibits
from gencourse.runs import gallery as workshop
from gencourse.runs.gallery import Exhibit, write_rows, write_weights

SMALL = {"event_shape": (3, 8, 8), "num_latents": 3, "width": 4}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "FOLDER", tmp_path / "out")
    gallery._facts.cache_clear()
    yield tmp_path / "out", tmp_path / "work"
    gallery._facts.cache_clear()


def exhibit(trained, settings=None, **options):
    def train(seed):
        trained.append(seed)
        return DCGAN(**SMALL).eval()

    return Exhibit(
        "thing",
        settings or {"steps": 1},
        train,
        lambda model: {"samples": torch.linspace(0, 1, 2 * 192).reshape(2, 3, 8, 8)},
        lambda model: {"width": float(model.config["width"])},
        **options,
    )


def test_a_piece_is_made_once_and_read_back(folders):
    trained = []
    thing = exhibit(trained, seeds=(0, 1), weights=True)
    assert workshop.make(thing, *folders) and trained == [0, 1]
    assert not workshop.make(thing, *folders) and trained == [0, 1]
    piece = gallery.piece("thing")
    assert piece.numbers == {"width": [4.0, 4.0]} and piece.facts["seeds"] == [0, 1]
    torch.testing.assert_close(
        piece.rows["samples"], torch.linspace(0, 1, 384).reshape(2, 3, 8, 8), atol=1 / 509, rtol=0
    )
    assert "commit" in piece.made and "thread" in piece.made
    assert gallery.pieces() == ["thing"]


def test_other_settings_make_a_piece_stale(folders):
    trained = []
    workshop.make(exhibit(trained), *folders)
    assert workshop.make(exhibit(trained, {"steps": 2}), *folders) and trained == [0, 0]


def test_an_interrupted_exhibit_goes_on_with_the_seed_that_is_missing(folders):
    trained = []

    def interrupted(model):
        if trained[-1] == 1 and len(trained) == 2:
            raise KeyboardInterrupt
        return {"one": 1.0}

    thing = Exhibit("thing", {}, exhibit(trained).train, None, interrupted, seeds=(0, 1, 2))
    with pytest.raises(KeyboardInterrupt):
        workshop.make(thing, *folders)
    assert not (folders[0] / "thing.json").exists()
    assert workshop.make(thing, *folders) and trained == [0, 1, 1, 2]


def test_pictures_that_were_lost_are_made_again(folders):
    trained = []
    workshop.make(exhibit(trained), *folders)
    for file in folders[0].iterdir():
        file.unlink()
    assert workshop.make(exhibit(trained), *folders) and trained == [0, 0]


def test_weights_come_back_in_half_precision(folders):
    model = DCGAN(**SMALL)
    model.train().generator(model.noise(8))  # moves the running means
    model.eval()
    folders[0].mkdir()
    made = write_weights(model, folders[0] / "m.safetensors")
    facts = {**made, "layout": None, "numbers": {}}
    (folders[0] / "m.json").write_text(json.dumps(facts))
    again = gallery.model("m")
    z = torch.randn(4, 3)
    torch.testing.assert_close(
        again.sample(4, condition=z), model.sample(4, condition=z), atol=2e-3, rtol=0
    )
    assert not again.training


def test_rows_of_other_shapes_are_refused(tmp_path):
    rows = {"a": torch.zeros(2, 3, 8, 8), "b": torch.zeros(3, 3, 8, 8)}
    with pytest.raises(ValueError, match="expected one"):
        write_rows(rows, tmp_path / "x.png")


def test_what_is_not_there_is_named(folders):
    folders[0].mkdir()
    (folders[0] / "known.json").write_text(json.dumps({"layout": None}))
    with pytest.raises(ValueError, match=r"no piece 'other', expected one of \['known'\]"):
        gallery.piece("other")
    with pytest.raises(ValueError, match="'known' has no weights"):
        gallery.model("known")


def test_the_command_makes_what_it_is_asked_for(folders, monkeypatch, capsys):
    trained = []
    monkeypatch.setattr(exhibits, "EXHIBITS", {"thing": lambda: exhibit(trained)})
    out, work = folders
    workshop.main(["thing", "--out", str(out), "--work", str(work)])
    assert (out / "thing.json").is_file() and capsys.readouterr().out == "thing: made\n"
    with pytest.raises(SystemExit):
        workshop.main(["nothing", "--out", str(out)])


# -- what ships with the package -------------------------------------------------------------


def test_every_exhibit_ships_with_the_settings_it_has_now():
    shipped = set(gallery.pieces())
    assert shipped == set(exhibits.EXHIBITS)
    for name in shipped:
        settings = json.loads(json.dumps(dict(exhibits.EXHIBITS[name]().settings)))
        assert gallery.piece(name).facts["settings"] == settings, name


def test_the_gallery_is_small():
    size = sum(f.stat().st_size for f in gallery.FOLDER.iterdir())
    assert size < 1_000_000


@pytest.mark.parametrize("name", ["dcgan", "dcgan_other", "style"])
def test_shipped_generators_draw_coloured_shapes_on_black(name):
    x = gallery.model(name).sample(64, generator=torch.Generator().manual_seed(0))
    assert x.shape == (64, 3, 16, 16)
    assert x[:, :, 0].mean() < 0.1 < x.amax((1, 2, 3)).mean()


# -- the guidelines --------------------------------------------------------------------------


def kinds(model):
    return {type(m).__name__ for m in model.modules()}


@pytest.mark.parametrize("removed", ["nothing", *GUIDELINES])
def test_a_network_without_one_guideline_still_plays(removed):
    model = AblatedDCGAN((3, 16, 16), removed=removed, num_latents=4, width=4)
    x = model.generator(model.noise(5))
    assert x.shape == (5, 3, 16, 16) and 0 <= x.min() and x.max() <= 1
    assert model.discriminator(x).shape == (5,)
    for player in ("discriminator", "generator"):
        getattr(model, f"{player}_loss")((torch.rand(5, 3, 16, 16),)).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_each_guideline_takes_away_what_it_says():
    made = {r: AblatedDCGAN(**SMALL, removed=r) for r in ("nothing", *GUIDELINES)}
    assert "BatchNorm2d" in kinds(made["nothing"]) and "Linear" not in kinds(made["nothing"])
    assert not kinds(made["batch norm"]) & {"BatchNorm2d", "BatchNorm1d"}
    assert "MaxPool2d" in kinds(made["strides"])
    strided = [m for m in made["strides"].modules() if getattr(m, "stride", 1) == (2, 2)]
    assert strided == []
    assert "Linear" in kinds(made["no hidden layer"])
    assert "ReLU" not in kinds(made["ReLU in G"].generator)
    assert "LeakyReLU" not in kinds(made["leaky ReLU in D"].discriminator)
    first = {
        r: float(m.generator[1].weight.std()) for r, m in made.items() if r != "no hidden layer"
    }
    assert first["nothing"] == pytest.approx(0.02, rel=0.2)
    assert first["small weights at first"] > 0.03
    assert made["tanh at the end"].generator[-1](torch.tensor([3.0])).item() == 1
    assert made["nothing"].generator[-1](torch.tensor([3.0])).item() < 1


def test_an_unknown_guideline_is_named():
    with pytest.raises(ValueError, match="removed is 'dropout', expected one of"):
        AblatedDCGAN((3, 8, 8), removed="dropout")
