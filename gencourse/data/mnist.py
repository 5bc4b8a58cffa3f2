"""MNIST and Fashion-MNIST, read by torchvision from a local folder or downloaded."""

import logging
from pathlib import Path

import torch

from gencourse.data.array_data import ArrayData
from gencourse.data.binarise import Protocol
from gencourse.data.storage import check_part, data_root, fetch, missing

logger = logging.getLogger(__name__)


def mnist(
    part: str = "train",
    *,
    binarise: Protocol | None = None,
    root: Path | str | None = None,
    download: bool = True,
) -> ArrayData:
    """Return MNIST's digits (LeCun, Cortes & Burges, 1998): x (N, 1, 28, 28), y 0..9.

    Args:
        part: "train", the first 50,000 of the training file; "val", its last 10,000, as in
            Larochelle & Murray (AISTATS 2011); "test", the 10,000 of the test file.
        binarise: protocol that makes the images binary; grey when None. "static" is our own
            seeded draw, not the files of Salakhutdinov & Murray.
        root: the folder that holds `MNIST/raw`; `data_root()` when None.
        download: whether to download what is not there.

    Raises:
        ValueError: an unknown part or protocol, or a damaged file.
        FileNotFoundError: not there and not downloaded; the message says what to do.
    """
    return _read("MNIST", part, binarise, root, download)


def fashion_mnist(
    part: str = "train",
    *,
    binarise: Protocol | None = None,
    root: Path | str | None = None,
    download: bool = True,
) -> ArrayData:
    """Return Fashion-MNIST's clothes (Xiao, Rasul & Vollgraf, 2017): as `mnist`, 10 classes."""
    return _read("FashionMNIST", part, binarise, root, download)


def _read(
    name: str, part: str, binarise: Protocol | None, root: Path | str | None, download: bool
) -> ArrayData:
    from torchvision import datasets

    check_part(part)
    kind = getattr(datasets, name)
    root = Path(root) if root is not None else data_root()
    files = [Path(file).stem for file, _ in kind.resources]
    raw = root / name / "raw"
    if not all((raw / file).is_file() for file in files):
        place, offline = f"{', '.join(files)} in {raw}", "gencourse.data.digits()"
        if not download:
            raise missing(name, "was not to be downloaded", offline, place)
        url = f"{kind.mirrors[0]}{kind.resources[0][0]}"
        fetch(name, url, lambda: kind(root, download=True), offline=offline, place=place)
    try:
        stored = kind(root, train=part != "test")
        x = stored.data[:, None].float() / 255
        y = stored.targets.long()
    except Exception as error:  # what torchvision raises depends on how the file is damaged
        raise ValueError(f"{raw} holds a damaged file ({error}): remove it") from error
    source = f"{name} from {raw}"
    # drawn for the whole file before it is split: no two images share their random numbers
    generator = torch.Generator().manual_seed(int(part == "test"))
    names = [label.split(" - ")[0] for label in stored.classes]
    data = ArrayData(
        x, y, source=source, class_names=names, binarisation=binarise, generator=generator
    )
    if part != "test":
        first = len(x) - len(x) // 6
        data = data.subset(slice(0, first) if part == "train" else slice(first, None))
    logger.info("%s (%s): %d images", source, part, len(data))
    return data
