"""The mark that says of an edited picture that a trained network had a hand in it.

It is IPTC's digital source type, a property of XMP that picture agencies, search engines and
platforms read. BMP has no place for anything of the kind. A mark is a word in a file and no
protection: whoever wants to can take it out.

Source: IPTC Photo Metadata Standard, "Digital Source Type", and IPTC's NewsCodes of that name.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from efgan_rt.pictures.original import Metadata, Original
from efgan_rt.pictures.xmp import values_of, with_property

DIGITAL_SOURCE_TYPE: Final = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
_PREFIX: Final = "Iptc4xmpExt"
_CODES: Final = "cv.iptc.org/newscodes/digitalsourcetype/"
EDITED_BY_AI: Final = f"http://{_CODES}compositeWithTrainedAlgorithmicMedia"
# A picture that a network made altogether says more than that one had a hand in it.
MADE_BY_AI: Final = "trainedAlgorithmicMedia"
UNMARKABLE_FORMATS: Final = ("BMP",)


def marked(metadata: Metadata) -> Metadata:
    """The metadata of a picture after an edit by a network; idempotent.

    What else its XMP packet holds stays. A source type such as `digitalCapture`, which is no longer
    true, is replaced; that of a picture made altogether by a network is kept.
    """
    return replace(metadata, xmp=marked_xmp(metadata.xmp))


def marked_original(original: Original) -> Original:
    """A picture after an edit by a network."""
    return replace(original, metadata=marked(original.metadata))


def marked_xmp(packet: bytes) -> bytes:
    """A packet with the mark."""
    if not packet:  # as of most face crops, which are many
        return _new_mark()
    made = tuple(f"{scheme}://{_CODES}{MADE_BY_AI}" for scheme in ("http", "https"))
    return with_property(packet, DIGITAL_SOURCE_TYPE, EDITED_BY_AI, _PREFIX, or_kept=made)


def is_marked(metadata: Metadata) -> bool:
    """Whether the metadata say that a network edited or made the picture."""
    return any(
        value.partition("://")[2].startswith(_CODES)
        and value.rpartition("/")[2] in (EDITED_BY_AI.rpartition("/")[2], MADE_BY_AI)
        for value in values_of(metadata.xmp, DIGITAL_SOURCE_TYPE)
    )


@lru_cache(maxsize=1)
def _new_mark() -> bytes:
    """A packet that holds nothing but the mark."""
    return with_property(b"", DIGITAL_SOURCE_TYPE, EDITED_BY_AI, _PREFIX)
