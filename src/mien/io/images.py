"""Pictures: photographs and single frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.io._content import first_bytes

_EXPECTED = "a picture (.png, .jpg, .tif, .bmp, …)"
_PNG, _PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """A picture as uint8 (height, width, 3), RGB, turned as its EXIF entry says.

    Grey becomes three equal channels, transparency is dropped, 16 bits become 8.

    Raises
    ------
    InputError
        The file is missing, empty, cut off or no picture.
    """
    import cv2

    path = Path(path)
    head = first_bytes(path, 16, expected=_EXPECTED)
    content = path.read_bytes()
    end = {_PNG: _PNG_END, _JPEG: _JPEG_END}.get(head[:4] if head[:4] == _PNG else head[:3])
    if end is not None and end not in content[-4096:]:  # some programs write a little after the end
        raise InputError("is a picture cut off", file=path, expected=_EXPECTED, remedy="copy the file again")
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise InputError("cannot be read as a picture", file=path, expected=_EXPECTED)
    return np.ascontiguousarray(image[..., ::-1])
