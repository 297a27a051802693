"""The handwritten digits that ship with scikit-learn: 1,797 pictures of 8 x 8 levels of 0 to 16.

They are the test set of another data set, from 13 writers, and have no split of their own. The
halves are those of scikit-learn's example "Recognizing hand-written digits": the first 898 to
learn from, the others to be judged on. Values are as ``sklearn.datasets.load_digits`` gives them.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998.
"""

import importlib.util
import io
from pathlib import Path

import numpy as np

from noisevote.models.data.dataset import Dataset, Examples, LoadedDataset
from noisevote.models.data.files import DatasetFile, check_digest, read_or_download
from noisevote.models.errors import DataError, how_to_install

FILE = DatasetFile("digits.csv", "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8")
PIXELS = (64,)
LEVELS = (0.0, 16.0)


def read_scikit_digits(about: Dataset, _: Path, allow_unknown: bool) -> LoadedDataset:
    """Read the digits from the installed scikit-learn, which is not imported.

    Raises:
        DataError: it is not installed, or holds other digits.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError(
            f"the data set {about.name} ships with scikit-learn, which is missing; "
            + how_to_install("train")
        )
    folder = Path(package.origin).parent / "datasets" / "data"
    content = read_or_download(folder, FILE, mirrors=())
    digest = check_digest(folder, FILE, content, allow_unknown)
    rows = np.loadtxt(io.BytesIO(content), np.float32, delimiter=",", ndmin=2)
    inputs, labels = rows[:, :-1], rows[:, -1].astype(np.int64)
    if inputs.shape[1:] != PIXELS:
        raise DataError(f"{folder / FILE.name} has {inputs.shape[1]} numbers a digit; needed: 64")
    half = len(labels) // 2
    return LoadedDataset(
        about,
        Examples(inputs[:half], labels[:half]),
        Examples(inputs[half:], labels[half:]),
        digests={FILE.name: digest},
        is_official=digest == FILE.sha256,
    )


def seems_there(_: Dataset, __: Path) -> bool:
    """Return whether scikit-learn is installed."""
    return importlib.util.find_spec("sklearn") is not None
