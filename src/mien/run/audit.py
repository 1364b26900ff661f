"""The leakage audit of a run folder, from its own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mien import protocols
from mien.core import InputError
from mien.run.files import write_json


def audit_run(out: str | Path) -> dict[str, Any]:
    """Audit a run folder from its own files, and write ``audit.json``."""
    import pandas as pd

    out = Path(out)
    for name in ("samples.parquet", "predictions.parquet"):
        if not (out / name).exists():
            raise InputError(
                f"has no {name}", file=out, expected="a finished run", remedy="finish it with mien run"
            )
    try:
        samples = pd.read_parquet(out / "samples.parquet")
    except ValueError:  # pyarrow's error for what is no Parquet file
        raise InputError(
            "is damaged or not a Parquet file", file=out / "samples.parquet", remedy="run the study again"
        ) from None
    contents = {}
    for column in samples.columns:
        if column.startswith("content_"):
            stream = column.removeprefix("content_")
            here = samples[f"present_{stream}"].to_numpy(bool)
            contents[stream] = (samples["sample"][here].tolist(), samples[column][here].to_numpy()[:, None])
    found = protocols.audit(out, features=contents)
    result = {
        "verdict": found.verdict,
        "findings": [vars(f) for f in found.findings],
        "proven": {k: list(v) for k, v in found.proven.items()},
    }
    write_json(out / "audit.json", result)
    return result
