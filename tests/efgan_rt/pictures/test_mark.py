"""An edited picture says that a network had a hand in it, and keeps what else its XMP says."""

import io
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL.JpegImagePlugin import JpegImageFile

from efgan_rt.pictures.mark import (
    DIGITAL_SOURCE_TYPE,
    EDITED_BY_AI,
    is_marked,
    marked,
    marked_original,
)
from efgan_rt.pictures.original import Metadata, Original
from efgan_rt.pictures.read import decode_original
from efgan_rt.pictures.write import encode_original
from efgan_rt.pictures.xmp import HAS_EXTENDED, RDF, values_of, with_property

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PIXELS = np.full((24, 32, 3), 90, np.uint8)
HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
FULL = f"""{HEAD}
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="A>B / C"><!-- a <rdf:RDF> in a comment -->
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about="uuid:7 &amp; 8" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:i="{IPTC}" dc:format='image/jpeg i:DigitalSourceType="no"'>
   <dc:creator><rdf:Seq><rdf:li>J\u00fcrgen</rdf:li></rdf:Seq></dc:creator>
   <i:ArtworkOrObject><rdf:Bag><rdf:li rdf:parseType="Resource">
    <i:DigitalSourceType>of something shown</i:DigitalSourceType></rdf:li></rdf:Bag>
   </i:ArtworkOrObject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
{" " * 3000}
<?xpacket end="w"?>"""


def with_xmp(text: str | bytes) -> Metadata:
    return Metadata(xmp=text.encode() if isinstance(text, str) else text)


def value_in(packet: bytes) -> list[str | None]:
    """The property as an XML library reads it."""
    root = ElementTree.fromstring(packet)
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")
    descriptions = [] if rdf is None else rdf.findall(f"{{{RDF}}}Description")
    name = f"{{{IPTC}}}DigitalSourceType"
    return [
        *(each.get(name) for each in descriptions if each.get(name) is not None),
        *(found.text for each in descriptions for found in each.findall(name)),
    ]


def test_a_picture_without_xmp_gets_a_packet_of_its_own() -> None:
    found = marked(Metadata())
    assert value_in(found.xmp) == [EDITED_BY_AI] and is_marked(found)
    assert EDITED_BY_AI == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    )


@pytest.mark.parametrize("packet", ["", FULL, f'<rdf:RDF xmlns:rdf="{RDF}"/>'])
def test_marking_twice_is_marking_once(packet: str) -> None:
    once = marked(with_xmp(packet))
    assert marked(once) == once and marked(once).xmp is once.xmp


def test_all_else_that_a_packet_says_stays_where_the_mark_is_added() -> None:
    after = marked(with_xmp(FULL)).xmp.decode()
    assert value_in(after.encode()) == [EDITED_BY_AI]
    assert after.startswith(HEAD) and after.endswith('<?xpacket end="w"?>')
    assert after.count('rdf:about="uuid:7 &amp; 8"') == 2  # a packet is about one thing
    for said in (
        "<!-- a <rdf:RDF> in a comment -->",
        "<dc:creator><rdf:Seq><rdf:li>J\u00fcrgen</rdf:li></rdf:Seq></dc:creator>",
        "<i:DigitalSourceType>of something shown</i:DigitalSourceType>",
        "image/jpeg i:DigitalSourceType=&quot;no&quot;",
        'x:xmptk="A&gt;B / C"',
    ):
        assert said in after


@pytest.mark.parametrize(
    "stated",
    [
        f"<i:DigitalSourceType>{CAPTURE}</i:DigitalSourceType>",
        f'<i:DigitalSourceType rdf:resource="{CAPTURE}"/>',
        f"<i:DigitalSourceType\n  ><![CDATA[{CAPTURE}]]></i:DigitalSourceType  >",
        f'<i:DigitalSourceType xmlns:i="{IPTC}" a=">">{CAPTURE}</i:DigitalSourceType>',
    ],
)
def test_a_source_type_that_is_no_longer_true_is_replaced(stated: str) -> None:
    packet = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="{RDF}" xmlns:rdf="{RDF}">'
        f'<r:Description r:about="" xmlns:i="{IPTC}">{stated}<i:City>Ulm</i:City></r:Description>'
        "</r:RDF></x:xmpmeta>"
    )
    assert values_of(packet.encode(), DIGITAL_SOURCE_TYPE) == (CAPTURE,)
    after = marked(with_xmp(packet)).xmp
    assert value_in(after) == [EDITED_BY_AI]
    assert b"<i:City>Ulm</i:City>" in after and CAPTURE.encode() not in after


def test_a_source_type_among_the_attributes_is_replaced() -> None:
    packet = (
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" xmlns:I="{IPTC}"\n'
        f" I:City='a I:DigitalSourceType=\"b\"'\n I:DigitalSourceType = '{CAPTURE}' I:Zone=''/>"
        "</rdf:RDF>"
    )
    after = marked(with_xmp(packet)).xmp
    assert value_in(after) == [EDITED_BY_AI]
    assert b'I:City="a I:DigitalSourceType=&quot;b&quot;" I:Zone=""/>' in after


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_picture_that_a_network_made_altogether_keeps_saying_so(scheme: str) -> None:
    value = MADE.replace("http", scheme)
    packet = with_property(b"", DIGITAL_SOURCE_TYPE, value, "Iptc4xmpExt")
    assert marked(with_xmp(packet)).xmp is packet
    assert is_marked(with_xmp(packet)) and not is_marked(with_xmp(FULL))


@pytest.mark.parametrize(
    "packet",
    [
        "<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:t='u' t:Orientation='1'>who</x:xmpmeta>",
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
        f"<x:xmpmeta xmlns:x='a'><rdf:RDF a='b>/' xmlns:rdf='{RDF}' /></x:xmpmeta>",
        f"<RDF xmlns='{RDF}'></RDF>",
    ],
)
def test_a_packet_without_descriptions_gets_one(packet: str) -> None:
    after = marked(with_xmp(packet)).xmp
    assert values_of(after, DIGITAL_SOURCE_TYPE) == (EDITED_BY_AI,)
    assert value_in(after) == [EDITED_BY_AI]
    assert b">who" in after or "who" not in packet


@pytest.mark.parametrize(
    "packet",
    [
        "no XML at all",
        "<x:xmpmeta xmlns:x='a'><open></x:xmpmeta>",
        f"<!DOCTYPE a [<!ENTITY e 'x'>]><rdf:RDF xmlns:rdf='{RDF}'>&e;</rdf:RDF>",
        "   \0\0",
        "\xff\xfe<".encode("latin-1") + b"\0x",
    ],
)
def test_what_nobody_can_read_gives_way_to_a_new_packet(packet: str | bytes) -> None:
    assert marked(with_xmp(packet)).xmp == marked(Metadata()).xmp
    assert values_of(with_xmp(packet).xmp, DIGITAL_SOURCE_TYPE) == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_packet_in_wide_characters_becomes_utf8(encoding: str) -> None:
    after = marked(with_xmp(FULL.removeprefix(HEAD).strip().encode(encoding))).xmp
    assert value_in(after) == [EDITED_BY_AI] and "J\u00fcrgen".encode() in after


def test_a_packet_that_is_deeper_than_any_should_be_gives_way_to_a_new_one() -> None:
    bindings = "".join(f"<a{n} xmlns:p{n}='{n}'>" for n in range(20_000))
    ends = "".join(f"</a{n}>" for n in reversed(range(20_000)))
    packet = f"<x>{bindings}{ends}</x>"
    assert marked(with_xmp(packet)).xmp == marked(Metadata()).xmp


def test_a_value_is_escaped() -> None:
    packet = with_property(b"", "{urn:n}P", "a < b & c", "n")
    assert values_of(packet, "{urn:n}P") == ("a < b & c",)


def through(extension: str, metadata: Metadata) -> tuple[bytes, Metadata]:
    data = bytes(encode_original(extension, marked_original(Original(PIXELS, metadata=metadata))))
    return data, decode_original(data, Path(f"x{extension}")).metadata


@pytest.mark.parametrize("packet", ["", FULL])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp", ".tif"])
def test_the_mark_is_in_the_file(extension: str, packet: str) -> None:
    data, found = through(extension, with_xmp(packet))
    assert value_in(found.xmp) == [EDITED_BY_AI] and EDITED_BY_AI.encode() in data
    again, _ = through(extension, found)
    assert again == data


def test_a_bmp_has_no_place_for_it() -> None:
    _, found = through(".bmp", Metadata())
    assert not is_marked(found)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_opencv_finds_the_marked_packet(extension: str) -> None:
    data, _ = through(extension, with_xmp(FULL))
    _, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8))
    found = {int(kind): bytes(np.asarray(block)) for kind, block in zip(kinds, blocks, strict=True)}
    assert EDITED_BY_AI.encode() in found[cv2.IMAGE_METADATA_XMP]


def long_packet(filling: Callable[[int], str]) -> bytes:
    return FULL.replace("image/jpeg", filling(70_000)).encode()


def test_a_packet_that_is_long_by_its_padding_fits_a_jpeg_without_it() -> None:
    packet = FULL.replace(" " * 3000, " " * 70_000)
    _, found = through(".jpg", with_xmp(packet))
    assert found.own == () and len(found.xmp) < 4000 and is_marked(found)


def test_a_packet_too_long_for_a_jpegs_segment_goes_on_in_further_ones() -> None:
    packet = long_packet(lambda count: "a" * count)
    data, found = through(".jpg", with_xmp(packet))
    first, *parts = (
        payload for name, payload in JpegImageFile(io.BytesIO(data)).applist if name == "APP1"
    )
    short = first.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
    assert value_in(short) == [EDITED_BY_AI] and len(short) < 2000
    (guid,) = values_of(short, HAS_EXTENDED)
    whole = b""
    for part in parts:
        body = part.removeprefix(b"http://ns.adobe.com/xmp/extension/\0")
        assert body[:32] == guid.encode()
        length, at = struct.unpack_from(">II", body, 32)
        assert at == len(whole)
        whole += body[40:]
    assert len(parts) == 2 and len(whole) == length
    assert value_in(whole) == [EDITED_BY_AI] and b"a" * 70_000 in whole
    # Read back, it is one packet again.
    assert set(value_in(found.xmp)) == {EDITED_BY_AI} and b"a" * 70_000 in found.xmp
    again, _ = through(".jpg", found)
    assert through(".jpg", decode_original(again, Path("x.jpg")).metadata)[0] == again
