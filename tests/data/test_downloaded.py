"""Readers of MNIST, Fashion-MNIST and CIFAR-10, on tiny files in the same formats."""

import gzip
import hashlib
import http.server
import io
import logging
import pickle
import threading
import time
import urllib.error
import zipfile
from functools import partial

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader

from gencourse import data
from gencourse.data.storage import _reach

RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8)
TEST = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10
CLASSES = ("airplane", "automobile", "cat")
COLOURS = {"airplane": (200, 30, 40), "automobile": (20, 180, 60), "cat": (70, 80, 210)}


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.fixture(params=["MNIST", "FashionMNIST"])
def idx_root(tmp_path, request, monkeypatch):
    raw = tmp_path / request.param / "raw"
    raw.mkdir(parents=True)
    for name, images, labels in (("train", TRAIN, LABELS), ("t10k", TEST, LABELS[:5])):
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    monkeypatch.setenv("GENCOURSE_DATA", str(tmp_path))
    return {"MNIST": data.mnist, "FashionMNIST": data.fashion_mnist}[request.param], raw


def test_idx_files_become_images(idx_root):
    read, raw = idx_root
    train, val, test = (read(part) for part in ("train", "val", "test"))
    assert [len(train), len(val), len(test)] == [10, 2, 5]
    both = torch.cat([train.x, val.x])
    assert both.shape == (12, 1, 28, 28) and both.dtype == torch.float32
    assert np.array_equal((both[:, 0] * 255).round().numpy(), TRAIN)
    assert np.array_equal((test.x[:, 0] * 255).round().numpy(), TEST)
    assert torch.cat([train.y, val.y]).tolist() == LABELS.tolist()
    assert str(raw) in train.source and len(train.class_names) == 10


def test_a_static_draw_is_one_for_the_whole_file(idx_root):
    read, raw = idx_root
    same = np.repeat(TRAIN[:1], 12, axis=0)  # so that only the draws differ
    (raw / "train-images-idx3-ubyte").write_bytes(idx(same))
    (raw / "t10k-images-idx3-ubyte").write_bytes(idx(same[:5]))
    parts = [read(part, binarise="static") for part in ("train", "val", "test")]
    draws = torch.cat([part.x for part in parts]).flatten(1)
    assert len(draws.unique(dim=0)) == 17, "no two images share their random numbers"
    assert torch.equal(parts[1].x, read("val", binarise="static").x)
    assert all(part.binarisation == "static" for part in parts)


def test_a_damaged_file_is_named(idx_root):
    read, raw = idx_root
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="raw holds a damaged file"):
        read()


@pytest.mark.parametrize(
    "read, offline, place",
    [
        (data.mnist, "digits()", "train-images-idx3-ubyte, .*MNIST/raw"),
        (data.fashion_mnist, "digits()", "t10k-labels-idx1-ubyte in .*FashionMNIST/raw"),
        (data.cifar10, "shapes(n)", "cifar-10-batches-py/ .* or cifar10_jpeg.zip in "),
    ],
)
def test_without_a_network_it_says_what_to_do(read, offline, place, tmp_path, monkeypatch):
    monkeypatch.setenv("GENCOURSE_DATA", str(tmp_path / "empty"))
    start = time.monotonic()
    for options in ({}, {"download": False}):
        with pytest.raises(FileNotFoundError, match=place) as caught:
            read(**options)
        message = str(caught.value)
        assert f"gencourse.data.{offline}" in message and "GENCOURSE_DATA" in message
        assert "\n" not in message
        assert ("no network in tests" in message) == (not options)
    assert time.monotonic() - start < 10
    assert not (tmp_path / "empty").exists()


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    forever = threading.Event()

    def wait(*_, **__):
        forever.wait()
        raise OSError

    monkeypatch.setattr("urllib.request.urlopen", wait)
    with pytest.raises(TimeoutError, match=r"no answer in 0\.2 s"):
        _reach("https://example.org", seconds=0.2)
    forever.set()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_what_is_not_there_is_downloaded(tmp_path, monkeypatch):
    files = {
        "train-images-idx3-ubyte": TRAIN,
        "train-labels-idx1-ubyte": LABELS,
        "t10k-images-idx3-ubyte": TEST,
        "t10k-labels-idx1-ubyte": LABELS[:5],
    }
    served = tmp_path / "served"
    served.mkdir()
    resources = []
    for name, array in files.items():
        packed = gzip.compress(idx(array))
        (served / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.undo()  # this machine may be asked
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(QuietHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [address])
        monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
        found = data.mnist("test", root=tmp_path / "new")
        server.shutdown()
    assert np.array_equal((found.x[:, 0] * 255).round().numpy(), TEST)


def jpeg(colour, size=32):
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(buffer, format="JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def zip_root(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "cifar10_jpeg.zip", "w") as archive:
        for folder, number in (("test", 2), ("train", 10)):
            archive.writestr(f"{folder}/", "")
            for name in reversed(CLASSES):
                archive.writestr(f"{folder}/{name}/", "")
                for i in range(number):
                    archive.writestr(f"{folder}/{name}/{i:04}.jpg", jpeg(COLOURS[name]))
    monkeypatch.setenv("GENCOURSE_DATA", str(tmp_path))
    return tmp_path


def test_the_jpeg_zip_is_read_lazily_and_says_so(zip_root, caplog):
    with caplog.at_level(logging.WARNING):
        test = data.cifar10("test")
    assert "cifar10_jpeg.zip" in caplog.text and "lossy" in test.source
    assert len(test) == 6 and test.class_names == CLASSES
    for i in range(6):
        x, y = test[i]
        assert x.shape == (3, 32, 32) and x.dtype == torch.float32
        expected = torch.tensor(COLOURS[CLASSES[y]]) / 255
        torch.testing.assert_close(x.mean((1, 2)), expected, rtol=0, atol=0.02)
    assert test.y.tolist() == [0, 0, 1, 1, 2, 2]
    kept = test.load()
    assert torch.equal(kept.x[3], test[3][0]) and torch.equal(kept.y, test.y)
    assert kept.source == test.source


def test_the_zips_parts_share_no_picture(zip_root):
    train, val = data.cifar10("train"), data.cifar10("val")
    assert (len(train), len(val)) == (27, 3)
    assert not set(train.names) & set(val.names) and len(set(train.names + val.names)) == 30
    assert train.names == data.cifar10("train").names
    labels = [CLASSES[y] for y in train.y]
    assert labels == [name.split("/")[1] for name in train.names]


def test_workers_do_not_share_the_open_zip(zip_root, monkeypatch):
    train = data.cifar10("train")
    first = train[0][0]
    loaded = torch.cat([x for x, _ in DataLoader(train, batch_size=4, num_workers=2)])
    assert torch.equal(loaded, train.load().x) and torch.equal(loaded[0], first)
    again = pickle.loads(pickle.dumps(train))
    assert torch.equal(again[5][0], train[5][0])
    opened = train._open
    monkeypatch.setattr("os.getpid", lambda: -1)  # as after a fork
    assert torch.equal(train[0][0], first) and train._open is not opened


def test_a_broken_or_empty_zip_is_named(zip_root):
    path = zip_root / "cifar10_jpeg.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/", "")
    with pytest.raises(ValueError, match=r"holds no pictures test/CLASS/NAME\.jpg"):
        data.cifar10("test")
    path.write_bytes(b"PK, or not")
    with pytest.raises(ValueError, match="no readable zip"):
        data.cifar10()


@pytest.fixture
def batches_root(tmp_path, monkeypatch):
    """Write CIFAR-10's own format, two training batches of ten pictures."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = RNG.integers(0, 256, (25, 3072), dtype=np.uint8)
    labels = [int(i % 10) for i in range(25)]

    def put(name, content):
        packed = pickle.dumps(content)
        (folder / name).write_bytes(packed)
        return hashlib.md5(packed).hexdigest()

    kind = torchvision.datasets.CIFAR10
    parts = {
        "data_batch_1": slice(0, 10),
        "data_batch_2": slice(10, 20),
        "test_batch": slice(20, 25),
    }
    sums = [
        [name, put(name, {"data": pixels[rows], "labels": labels[rows]})]
        for name, rows in parts.items()
    ]
    names = [f"class {i}" for i in range(10)]
    meta = {**kind.meta, "md5": put("batches.meta", {"label_names": names})}
    monkeypatch.setattr(kind, "train_list", sums[:2])
    monkeypatch.setattr(kind, "test_list", sums[2:])
    monkeypatch.setattr(kind, "meta", meta)
    monkeypatch.setenv("GENCOURSE_DATA", str(tmp_path))
    return folder, pixels, labels


def test_the_original_batches_come_first(batches_root, caplog):
    folder, pixels, labels = batches_root
    with zipfile.ZipFile(folder.parent / "cifar10_jpeg.zip", "w") as archive:
        archive.writestr("test/cat/0000.jpg", jpeg((0, 0, 0)))
    with caplog.at_level(logging.INFO):
        test = data.cifar10("test")
    assert "original" in test.source and test.source in caplog.text
    assert np.array_equal((test.x * 255).round().numpy().reshape(5, -1), pixels[20:])
    assert test.y.tolist() == labels[20:] and test.class_names[3] == "class 3"
    train, val = data.cifar10("train"), data.cifar10("val")
    together = torch.cat([train.x, val.x]).flatten(1)
    rows = {tuple(row) for row in (together * 255).round().int().tolist()}
    assert (len(train), len(val)) == (18, 2)
    assert rows == {tuple(row) for row in pixels[:20].tolist()}


def test_a_damaged_batch_is_named(batches_root):
    folder, _, _ = batches_root
    (folder / "test_batch").write_bytes(b"something else")
    with pytest.raises(ValueError, match="cifar-10-batches-py is damaged"):
        data.cifar10()


@pytest.mark.parametrize("read", [data.mnist, data.fashion_mnist, data.cifar10])
def test_an_unknown_part(read):
    with pytest.raises(ValueError, match="part is 'valid', expected one of train, val, test"):
        read("valid")
