"""XMP packets: one property set, and what holds or promises pictures taken out.

lxml does the reading and writing, with entities and the network off. What is no XML, or defines a
document type, which XMP knows nothing of, nobody can read, and a new packet takes its place.

Source: XMP specification, part 1 (ISO 16684-1), sections 7.3 (packet) and 7.4 (RDF).
"""

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PHOTOS: Final = "http://ns.google.com/photos/1.0/"
_TIFF_ORIENTATION: Final = "{http://ns.adobe.com/tiff/1.0/}Orientation"
HAS_EXTENDED: Final = "{http://ns.adobe.com/xmp/note/}HasExtendedXMP"
GAIN_MAP, DEPTH_MAP = "gain map left out", "depth map left out"
FILM, THUMBNAIL = "motion photo's film left out", "XMP thumbnail left out"
EMBEDDED: Final = "picture inside the XMP left out"
# What is gone, or was never true of the edited picture, by the beginning of a property's name.
_PROMISES: Final = {
    f"{{{_PHOTOS}image/": EMBEDDED,
    f"{{{_PHOTOS}depthmap/": DEPTH_MAP,
    "{http://ns.google.com/photos/dd/": DEPTH_MAP,
    f"{{{_PHOTOS}audio/": "sound left out",
    f"{{{_PHOTOS}camera/}}MotionPhoto": FILM,
    f"{{{_PHOTOS}camera/}}MicroVideo": FILM,
    f"{{{_PHOTOS}container/": "",  # the note is on what it lists
    "{http://ns.adobe.com/hdr-gain-map/": GAIN_MAP,
    "{http://ns.apple.com/HDRGainMap/": GAIN_MAP,
    "{http://ns.apple.com/pixeldatainfo/": GAIN_MAP,
    "{http://ns.adobe.com/xap/1.0/}Thumbnails": THUMBNAIL,
    HAS_EXTENDED: "",
}
_LISTED: Final = {"GainMap": GAIN_MAP, "MotionPhoto": FILM, "Depth": DEPTH_MAP}
# JPEG, PNG, WebP, HEIF and GIF in base64.
_PICTURE_TEXT: Final = re.compile(r"\s*(/9j/|iVBORw|UklGR|AAAA[A-Za-z0-9+/]{2}ZnR5c|R0lGOD)")


def _parsed(packet: bytes) -> Any:
    """The root of a packet; None where it is no XML."""
    from lxml import etree

    try:
        text = packet.decode(json.detect_encoding(packet)).strip("\ufeff\0 \t\r\n")
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        root = etree.fromstring(text.encode(), parser)
    except (ValueError, etree.XMLSyntaxError):
        return None
    return None if root.getroottree().docinfo.doctype else root


def _serialised(root: Any) -> bytes:
    """A packet; the blanks that wait at its end for somebody to write into are gone."""
    from lxml import etree

    return bytes(etree.tostring(root.getroottree(), encoding="utf-8"))


def _rdf(root: Any) -> Any:
    """The packet's RDF element, made where it is missing."""
    from lxml import etree

    if root.tag == f"{{{RDF}}}RDF":
        return root
    found = root.find(f"{{{RDF}}}RDF")
    return etree.SubElement(root, f"{{{RDF}}}RDF", nsmap={"rdf": RDF}) if found is None else found


def _places(root: Any, name: str) -> "Iterator[tuple[Any, Any, str]]":
    """Description, element (None for an attribute) and value of each place of a property."""
    for description in _rdf(root).iterchildren(tag="*"):
        if name in description.attrib:
            yield description, None, description.get(name)
        for element in description.findall(name):
            text = "".join(element.itertext()).strip()
            yield description, element, element.get(f"{{{RDF}}}resource", "") + text


def values_of(packet: bytes, name: str) -> tuple[str, ...]:
    """What a packet says of a property, `{namespace}name`, at its top level."""
    root = _parsed(packet) if packet else None
    return () if root is None else tuple(value for _, _, value in _places(root, name))


def with_property(
    packet: bytes, name: str, value: str, prefix: str, *, or_kept: tuple[str, ...] = ()
) -> bytes:
    """A packet in which a property of a single text has one value, and all else is as it was.

    Args:
        packet: as a file holds it; empty for none.
        name: `{namespace}name`.
        value: its new value.
        prefix: that is usual for its namespace.
        or_kept: values that say more, and stay.

    Returns:
        The very bytes given where the property has such a value already.
    """
    from lxml import etree

    root = _parsed(packet) if packet else None
    if root is None:
        root = etree.fromstring(
            f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta '
            f'xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta><?xpacket end="w"?>'
        )
    places = list(_places(root, name))
    if len(places) == 1 and places[0][2] in (value, *or_kept):
        return packet
    for description, element, _ in places:
        if element is None:
            del description.attrib[name]
        else:
            description.remove(element)
    rdf = _rdf(root)
    about = next((each.get(f"{{{RDF}}}about") for each in rdf.iterchildren(tag="*")), None) or ""
    namespace = name[1:].partition("}")[0]
    description = etree.SubElement(rdf, f"{{{RDF}}}Description", nsmap={prefix: namespace})
    description.set(f"{{{RDF}}}about", about)  # a packet is about one thing
    etree.SubElement(description, name).text = value
    return _serialised(root)


def cleaned(packet: bytes, extended: bytes = b"") -> tuple[bytes, tuple[str, ...]]:
    """A packet for an edited, upright picture.

    Args:
        packet: as a file holds it; empty for none.
        extended: the rest of it, where a JPEG needs more than a segment.

    Returns:
        The packet with what holds or promises pictures taken out and tiff:Orientation 1, the very
        bytes given where there is nothing to do; and what was left out.
    """
    from lxml import etree

    root = _parsed(packet) if packet else None
    if root is None:
        return packet, ()
    notes: dict[str, None] = {}
    changed = False
    more = _parsed(extended) if extended else None
    if more is not None:
        changed = True
        known = {name for each in _rdf(root) for name in (*each.attrib, *(e.tag for e in each))}
        for description in list(_rdf(more).iterchildren(tag="*")):
            for twice in [each for each in description if each.tag in known]:
                description.remove(twice)
            if len(description) or set(description.attrib) - known:
                _rdf(root).append(description)
    gone: set[int] = set()
    elements = list(root.iter("*"))
    for element in elements:
        if id(element) in gone:
            continue
        for name, value in list(element.attrib.items()):
            if (note := _promise(name, value)) is not None:
                del element.attrib[name]
                notes[note], changed = None, True
            elif name == _TIFF_ORIENTATION and value != "1":
                element.set(name, "1")
                changed = True
        if element.tag == _TIFF_ORIENTATION and (element.text or "1").strip() != "1":
            element.text, changed = "1", True
        note = _promise(element.tag, element.text or "")
        if note is not None and element.getparent() is not None:
            listed = {value for each in element.iter("*") for value in each.attrib.values()}
            listed |= {text.strip() for text in element.itertext()}
            notes.update(dict.fromkeys(_LISTED[each] for each in _LISTED if each in listed))
            gone.update(map(id, element.iter("*")))
            element.getparent().remove(element)
            notes[note], changed = None, True
    if notes:
        etree.cleanup_namespaces(root)  # or the names of what is gone would still be declared
    notes.pop("", None)
    return (_serialised(root) if changed else packet), tuple(notes)


def _promise(name: str, value: str) -> str | None:
    """What there is to say of a property that has to go; None for one that stays."""
    for start, note in _PROMISES.items():
        if name.startswith(start):
            return note
    return EMBEDDED if len(value) > 100 and _PICTURE_TEXT.match(value) else None
