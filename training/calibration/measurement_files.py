"""Files of measurements: a long CSV with a reading a row, or an ``.npz`` with whole arrays.

CSV, UTF-8, ``.`` decimals::

    #unit: lsb
    #array_unit: 3.906
    layer,column,vector,repeat,ideal,measured[,x_norm][,wx2][,time_s][,temperature_c][,chip]

Lines ``#key: value`` say something of all readings (:class:`.Directives`); ``# text`` is a comment.

npz: ``ideal`` ``[vectors, columns]``, ``measured`` ``[repeats, vectors, columns]`` or ``[sessions,
repeats, vectors, columns]``; optional ``x_norm`` ``[vectors]`` or ``[vectors, columns]``, ``wx2``
``[vectors, columns]``, ``time_s`` and ``temperature_c`` ``[sessions]``, ``chip`` and ``layer``
``[columns]``, and the keys of the CSV's ``#`` lines as numbers or text.
"""

import hashlib
from pathlib import Path

from noisevote.models.errors import DataError
from noisevote.models.files import regular_content
from noisevote.training.calibration.measurement_csv import from_csv
from noisevote.training.calibration.measurement_format import MAX_BYTES
from noisevote.training.calibration.measurement_npz import from_npz
from noisevote.training.calibration.measurements import Measurements


def read_measurements(path: Path) -> Measurements:
    """Read a file of measurements.

    Raises:
        DataError: it cannot be read, is too large, or holds something else; the message names the
            line and column, or the array, and what is allowed.
    """
    try:
        content = regular_content(path, MAX_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if path.suffix.lower() == ".npz":
        return from_npz(content, sha256, str(path))
    if path.suffix.lower() == ".csv":
        return from_csv(content, sha256, str(path))
    raise DataError(f"{path} is neither a .csv nor a .npz")
