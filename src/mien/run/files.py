"""Writing files whole or not at all, with the same bytes for the same content."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.core import write_whole


def write_json(path: Path, value: Any) -> Path:
    """JSON with sorted keys and two spaces."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return write_whole(path, (text + "\n").encode())


def write_npz(path: Path, arrays: Mapping[str, Any]) -> Path:
    """An ``.npz`` without dates, readable with ``allow_pickle=False``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), content.getvalue())
    return write_whole(path, buffer.getvalue())


def write_parquet(path: Path, frame: Any) -> Path:
    """A Parquet file without pandas' index and without anything that varies."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None), buffer)
    return write_whole(path, buffer.getvalue())
