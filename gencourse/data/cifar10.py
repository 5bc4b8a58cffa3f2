"""CIFAR-10 (Krizhevsky, 2009): the original batches, or the same pictures as JPEG in a zip."""

import logging
import os
import zipfile
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gencourse.data.array_data import ArrayData
from gencourse.data.storage import check_part, data_root, fetch, missing

logger = logging.getLogger(__name__)

JPEG_ZIP = "cifar10_jpeg.zip"
BATCHES = "cifar-10-batches-py"


class JpegZip(Dataset):
    """Pictures `FOLDER/CLASS/NAME.jpg` of a zip, decoded when they are asked for.

    Args:
        path: the zip.
        folder: the folder inside it.

    Raises:
        ValueError: no zip, or no pictures in that folder.
    """

    def __init__(self, path: Path | str, folder: str) -> None:
        self.path, self.source = Path(path), f"CIFAR-10 as JPEG (lossy) from {path}, {folder}/"
        try:
            with zipfile.ZipFile(path) as archive:
                entries = (name for name in archive.namelist() if name.endswith(".jpg"))
                self.names = sorted(name for name in entries if name.startswith(f"{folder}/"))
        except zipfile.BadZipFile:
            raise ValueError(f"{path} is no readable zip: remove it or place it again") from None
        labels = [name.split("/")[1] for name in self.names]
        self.class_names = tuple(sorted(set(labels)))
        if not labels:
            raise ValueError(f"{path} holds no pictures {folder}/CLASS/NAME.jpg")
        self.y = torch.tensor([self.class_names.index(label) for label in labels])
        self._open: tuple[int, zipfile.ZipFile] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Decode one picture, -> (3, H, W) in multiples of 1/255, and its class ()."""
        from PIL import Image

        if self._open is None or self._open[0] != os.getpid():  # workers must not share a file
            self._open = (os.getpid(), zipfile.ZipFile(self.path))
        with Image.open(BytesIO(self._open[1].read(self.names[index]))) as picture:
            rgb = np.array(picture.convert("RGB"))
        return torch.from_numpy(rgb).permute(2, 0, 1).float() / 255, self.y[index]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": None}

    def subset(self, rows: np.ndarray) -> "JpegZip":
        """Return the data set of these pictures, in this order."""
        part = object.__new__(JpegZip)
        part.__dict__ = self.__getstate__()
        part.names, part.y = [self.names[row] for row in rows], self.y[rows]
        return part

    def load(self) -> ArrayData:
        """Decode all pictures once and keep them in memory (12 KiB each)."""
        x = torch.stack([x for x, _ in self])
        return ArrayData(x, self.y, source=self.source, class_names=self.class_names)


def cifar10(
    part: str = "train", *, root: Path | str | None = None, download: bool = True
) -> ArrayData | JpegZip:
    """Return CIFAR-10: x (3, 32, 32) RGB, y 0..9; `source` says which files were read.

    The original batches come first; else the JPEG zip, which is lossy, so that likelihoods differ
    a little from the original's (a warning is logged) and pictures are decoded one by one
    (`.load()` keeps them all); else the original is downloaded.

    Args:
        part: "train" and "val", nine tenths and one tenth of the training pictures by a fixed
            random order (which is another selection for the JPEG zip: it is sorted by class);
            "test", the test pictures.
        root: the folder that holds `cifar-10-batches-py` or `cifar10_jpeg.zip`; `data_root()` when
            None.
        download: whether to download what is not there.

    Raises:
        ValueError: an unknown part, or a damaged file.
        FileNotFoundError: not there and not downloaded; the message says what to do.
    """
    check_part(part)
    root = Path(root) if root is not None else data_root()
    if not (root / BATCHES).is_dir() and (root / JPEG_ZIP).is_file():
        data = JpegZip(root / JPEG_ZIP, "test" if part == "test" else "train")
        logger.warning("%s: likelihoods differ from the original's", data.source)
    else:
        data = _read_batches(root, part, download)
        logger.info(data.source)
    if part == "test":
        return data
    order = np.random.default_rng(0).permutation(len(data))
    num_val = len(data) // 10
    return data.subset(order[:num_val] if part == "val" else order[num_val:])


def _read_batches(root: Path, part: str, download: bool) -> ArrayData:
    from torchvision.datasets import CIFAR10

    if not (root / BATCHES).is_dir():
        place = f"{BATCHES}/ (the original) or {JPEG_ZIP} in {root}"
        offline = "gencourse.data.shapes(n)"
        if not download:
            raise missing("CIFAR-10", "was not to be downloaded", offline, place)
        download_it = partial(CIFAR10, root, download=True)
        fetch("CIFAR-10", CIFAR10.url, download_it, offline=offline, place=place)
    try:
        stored = CIFAR10(root, train=part != "test")
    except RuntimeError as error:  # torchvision compares MD5 sums
        raise ValueError(f"{root / BATCHES} is damaged ({error}): remove it") from error
    x = torch.from_numpy(stored.data).permute(0, 3, 1, 2).contiguous().float() / 255
    y = torch.tensor(stored.targets)
    source = f"CIFAR-10, original batches from {root / BATCHES}"
    return ArrayData(x, y, source=source, class_names=stored.classes)
