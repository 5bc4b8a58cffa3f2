"""Real tables that need no download: a row an example, a column a measured feature."""

import torch

from gencourse.data.array_data import ArrayData

TABLES = ("breast_cancer", "diabetes", "iris", "wine")


def tabular(name: str) -> ArrayData:
    """Return a table bundled with scikit-learn, x (N, D) in the units of its source, as float32.

    | name          | N   | D  | y                                          |
    |---------------|-----|----|--------------------------------------------|
    | breast_cancer | 569 | 30 | 2 classes: malignant, benign               |
    | diabetes      | 442 | 10 | progression after a year, a real number    |
    | iris          | 150 | 4  | 3 classes: setosa, versicolor, virginica   |
    | wine          | 178 | 13 | 3 classes: cultivars                       |

    The columns are not scaled (for diabetes too: age in years and so on).

    Raises:
        ValueError: an unknown name.
    """
    if name not in TABLES:
        raise ValueError(f"name is {name!r}, expected one of {', '.join(TABLES)}")
    from sklearn import datasets

    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    y = torch.from_numpy(bunch.target)
    return ArrayData(
        torch.from_numpy(bunch.data).float(),
        y.float() if y.is_floating_point() else y.long(),
        source=f"scikit-learn's {name}",
        class_names=[str(label) for label in bunch.get("target_names", [])],
        feature_names=[str(feature) for feature in bunch.feature_names],
    )
