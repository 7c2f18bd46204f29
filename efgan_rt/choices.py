"""What a user chooses among, for the command line and for what it asks; imports nothing of ours."""

from enum import StrEnum


class NoFace(StrEnum):
    """What becomes of a picture in which no face is found."""

    FAIL = "fail"
    COPY = "copy"
    SKIP = "skip"


class JpegCodec(StrEnum):
    """What decodes and encodes JPEGs."""

    LIBJPEG = "libjpeg"
    NVIMAGECODEC = "nvimagecodec"


class Pace(StrEnum):
    """What is even about the steps between frames."""

    SEEN = "seen"
    UNITS = "units"


class LabelFormat(StrEnum):
    """Formats that labels come in; AUTO looks at the columns."""

    AUTO = "auto"
    TABLE = "table"
    OPENFACE = "openface"
    PYFEAT = "pyfeat"
    LIBREFACE = "libreface"
    GANIMATION = "ganimation"
    AFFECTNET = "affectnet"


class Naming(StrEnum):
    """Conventions of picture names; AUTO knows RaFD's."""

    AUTO = "auto"
    RAFD = "rafd"
    FOLDERS = "folders"
    NONE = "none"


class FrameRule(StrEnum):
    """How a frame number tells its picture."""

    NUMBER = "number"
    ORDER = "order"
