"""One property of an XMP packet, read and set without touching anything else that it holds.

A packet is XML that other programs wrote, with their own prefixes, comments and padding. Parsed and
written anew it would lose some of that; so an XML parser only tells where things lie, and bytes are
taken out and put in there. What is no XML at all nobody can read, and a new packet takes its place.

Source: XMP specification, part 1 (ISO 16684-1), sections 7.3 (packet) and 7.4 (RDF).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_RDF_TAG: Final = f"{RDF} RDF"
_ATTRIBUTE: Final = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_TAG_NAME: Final = re.compile(rb"<[^\s/>]+")
_WIDE: Final = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_PADDING: Final = re.compile(rb"\s+(?=<\?xpacket end=)")


@dataclass(frozen=True)
class Property:
    """A property's name: its namespace, its local name, and the prefix that is usual for it."""

    namespace: str
    name: str
    prefix: str


def values_of(packet: bytes, wanted: Property) -> tuple[str, ...]:
    """What a packet says of a property at its top level; nothing where it is no XML."""
    scan = _scanned(_in_utf8(packet), wanted)
    return () if scan is None else tuple(value for _, _, value in scan.found)


def with_property(packet: bytes, wanted: Property, value: str) -> bytes:
    """A packet in which a property has one value, and all else is as it was.

    Args:
        packet: as a file holds it; empty for none.
        wanted: a property of a single text.
        value: its new value.

    Returns:
        The very bytes given where the property has that value already.
    """
    packet_utf8 = _in_utf8(packet)
    scan = _scanned(packet_utf8, wanted) if packet_utf8.strip(b"\0 \t\r\n") else None
    if scan is None:
        return _new_packet(wanted, value)
    if [found for _, _, found in scan.found] == [value]:
        return packet
    changes = [(start, end, b"") for start, end, _ in scan.found]
    changes.append((*scan.place, scan.filled(_description(wanted, value, scan.about))))
    for start, end, text in sorted(changes, reverse=True):
        packet_utf8 = packet_utf8[:start] + text + packet_utf8[end:]
    return packet_utf8


def without_padding(packet: bytes) -> bytes:
    """A packet without the blanks that wait at its end for somebody to write into."""
    return _PADDING.sub(b"\n", packet)


def _in_utf8(packet: bytes) -> bytes:
    for start, encoding in _WIDE:
        if packet.startswith(start):
            try:
                return packet.decode(encoding).removeprefix("\ufeff").encode()
            except ValueError:
                return b""
    return packet.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0")


def _description(wanted: Property, value: str, about: str) -> bytes:
    from xml.sax.saxutils import quoteattr  # 25 ms, for it imports the network's modules

    prefix, element = wanted.prefix, f"{wanted.prefix}:{wanted.name}"
    escaped = value.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<rdf:Description xmlns:rdf="{RDF}" rdf:about={quoteattr(about)} '
        f'xmlns:{prefix}="{wanted.namespace}">'
        f"<{element}>{escaped}</{element}></rdf:Description>\n"
    ).encode()


def _new_packet(wanted: Property, value: str) -> bytes:
    return b"".join(
        (
            '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'.encode(),
            b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n',
            f'<rdf:RDF xmlns:rdf="{RDF}">\n'.encode(),
            _description(wanted, value, ""),
            b"</rdf:RDF>\n</x:xmpmeta>\n",
            b'<?xpacket end="w"?>',
        )
    )


@dataclass
class _Scan:
    """Where things lie in a packet.

    Attributes:
        found: start, end and value of each place that gives the property.
        place: the bytes that a new description takes the place of.
        before: what has to stand before a description put there.
        after: what has to stand after it.
        about: what the packet says that it is about, the same in all its descriptions.
    """

    found: list[tuple[int, int, str]] = field(default_factory=list)
    place: tuple[int, int] = (0, 0)
    before: bytes = b""
    after: bytes = b""
    about: str = ""

    def filled(self, description: bytes) -> bytes:
        return self.before + description + self.after


@dataclass
class _Element:
    """An open element; `declared` are the prefixes that it binds."""

    name: str
    start: int
    declared: tuple[str, ...]


class _DoctypeError(Exception):
    """The packet defines a document type, which XMP knows nothing of."""


def _scanned(packet: bytes, wanted: Property) -> _Scan | None:
    """Where things lie in a packet in UTF-8; None where it is no XML."""
    scanner = _Scanner(packet, wanted)
    try:
        scanner.parser.Parse(packet, True)
    except (expat.ExpatError, _DoctypeError):
        return None
    return scanner.scan


class _Scanner:
    """The parser and its handlers. Each does its share in constant time, whatever the packet."""

    def __init__(self, packet: bytes, wanted: Property) -> None:
        self.scan = _Scan()
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self._packet = packet
        self._wanted = f"{wanted.namespace} {wanted.name}"
        self._stack: list[_Element] = []
        self._namespaces: dict[str, list[str]] = {}
        self._property: _Element | None = None
        self._value: list[str] = []
        self._rdf_found = False
        self._about_found = False

    def _doctype(self, *_: object) -> None:
        raise _DoctypeError

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        declared = []
        for name, value in attributes.items():
            if name == "xmlns" or name.startswith("xmlns:"):
                declared.append(name.partition(":")[2])
                self._namespaces.setdefault(declared[-1], []).append(value)
        element = _Element(
            self._full(tag, is_tag=True), self.parser.CurrentByteIndex, tuple(declared)
        )
        above = [each.name for each in self._stack[-2:]]
        if above[-1:] == [_RDF_TAG] or above[:1] == [_RDF_TAG]:
            named = {self._full(name): value for name, value in attributes.items()}
            if above[-1] == _RDF_TAG:
                self._read_description(element, named)
            elif element.name == self._wanted:
                self._property = element
                self._value = [named.get(f"{RDF} resource", "")]
        self._stack.append(element)

    def _read_description(self, element: _Element, named: Mapping[str, str]) -> None:
        about = named.get(f"{RDF} about")
        if about is not None and not self._about_found:
            self.scan.about, self._about_found = about, True
        if self._wanted in named:
            span = self._attribute_span(element.start)
            self.scan.found.append((*span, named[self._wanted]))

    def _text(self, text: str) -> None:
        if self._property is not None:
            self._value.append(text)

    def _end(self, _: str) -> None:
        element = self._stack.pop()
        if element is self._property:
            end = self._last_tag(element)[1]
            self.scan.found.append((element.start, end, "".join(self._value).strip()))
            self._property = None
        elif element.name == _RDF_TAG and not self._rdf_found:
            self._rdf_found = True
            self._place_in(element)
        elif not self._stack and not self._rdf_found:
            self._place_in(element)
            self.scan.before += f'<rdf:RDF xmlns:rdf="{RDF}">\n'.encode()
            self.scan.after = b"</rdf:RDF>\n" + self.scan.after
        for prefix in element.declared:
            self._namespaces[prefix].pop()

    def _last_tag(self, element: _Element) -> tuple[int, int]:
        """Where the tag lies that ends the element, for an empty element its only one."""
        end = self._tag_end(element.start)
        if self._packet[end - 2 : end] == b"/>":
            return element.start, end
        at = self.parser.CurrentByteIndex  # of an empty element it would be the byte behind
        return at, self._tag_end(at)

    def _place_in(self, element: _Element) -> None:
        """Makes the end of an element the place where a description goes."""
        at, end = self._last_tag(element)
        if at != element.start:
            self.scan.place = (at, at)
            return
        match = _TAG_NAME.match(self._packet, element.start)
        assert match is not None, "an element has a name"
        self.scan.place = (end - 2, end)  # "/>"
        self.scan.before = b">\n"
        self.scan.after = b"</" + match.group()[1:] + b">"

    def _tag_end(self, at: int) -> int:
        """The byte behind the tag that begins at `at`."""
        position = at
        for attribute in self._attributes(at):
            position = attribute.end()
        return self._packet.index(b">", position) + 1

    def _attribute_span(self, at: int) -> tuple[int, int]:
        """Where the wanted attribute of the tag at `at` lies, with the blank before it."""
        for attribute in self._attributes(at):
            if self._full(attribute[1].decode()) == self._wanted:
                return attribute.span()
        raise AssertionError("the parser saw this attribute")

    def _attributes(self, at: int) -> Iterator[re.Match[bytes]]:
        match = _TAG_NAME.match(self._packet, at)
        position = match.end() if match is not None else at
        while (attribute := _ATTRIBUTE.match(self._packet, position)) is not None:
            yield attribute
            position = attribute.end()

    def _full(self, name: str, *, is_tag: bool = False) -> str:
        """A name with its namespace; as it stands where its prefix is bound to none."""
        prefix, _, local = name.rpartition(":")
        bound = self._namespaces.get(prefix) if prefix or is_tag else None
        return f"{bound[-1]} {local}" if bound else name
