"""The mark that says of an edited picture that a trained network had a hand in it.

It is IPTC's digital source type, a property of XMP that picture agencies, search engines and
platforms read. JPEG, PNG, WebP and TIFF have a place for XMP; BMP has none for anything of the
kind. A mark is a word in a file and no protection: whoever wants to can take it out.

Source: IPTC Photo Metadata Standard, "Digital Source Type", and IPTC's NewsCodes of that name.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from efgan_rt.metadata.record import Metadata
from efgan_rt.metadata.xmp import Property, values_of, with_property

DIGITAL_SOURCE_TYPE: Final = Property(
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/", "DigitalSourceType", "Iptc4xmpExt"
)
_CODES: Final = "cv.iptc.org/newscodes/digitalsourcetype/"
EDITED_BY_AI: Final = f"http://{_CODES}compositeWithTrainedAlgorithmicMedia"
# A picture that a network made altogether says more than that one had a hand in it.
MADE_BY_AI: Final = "trainedAlgorithmicMedia"
UNMARKABLE_FORMATS: Final = ("BMP",)


def marked(metadata: Metadata) -> Metadata:
    """The metadata of a picture after an edit by a network; once is as good as twice.

    What else its XMP packet holds stays. A source type such as `digitalCapture`, which is no longer
    true, is replaced; that of a picture made altogether by a network is kept.
    """
    if not metadata.xmp:  # as of most face crops, which are many
        return replace(metadata, xmp=_new_mark())
    found = values_of(metadata.xmp, DIGITAL_SOURCE_TYPE)
    if len(found) == 1 and found[0].partition("://")[2] == f"{_CODES}{MADE_BY_AI}":
        return metadata
    return replace(metadata, xmp=with_property(metadata.xmp, DIGITAL_SOURCE_TYPE, EDITED_BY_AI))


def is_marked(metadata: Metadata) -> bool:
    """Whether the metadata say that a network edited or made the picture."""
    found = values_of(metadata.xmp, DIGITAL_SOURCE_TYPE)
    return any(
        value.partition("://")[2].startswith(_CODES)
        and value.rpartition("/")[2] in (EDITED_BY_AI.rpartition("/")[2], MADE_BY_AI)
        for value in found
    )


@lru_cache(maxsize=1)
def _new_mark() -> bytes:
    """A packet that holds nothing but the mark."""
    return with_property(b"", DIGITAL_SOURCE_TYPE, EDITED_BY_AI)
