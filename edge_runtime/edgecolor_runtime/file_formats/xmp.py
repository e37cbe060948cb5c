"""XMP packets: take out what no longer holds, and state that the colors are computed.

Source: XMP specification, part 1 (ISO 16684-1); IPTC Photo Metadata 2023.1, "Digital Source Type".
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.dom import minidom
from xml.dom.minidom import Attr, Element
from xml.parsers.expat import ExpatError

COMPUTED_COLORS = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for a photograph of which a trained algorithm computed a part."""

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_SOURCE_TYPE = (_IPTC, "DigitalSourceType")

# They announce a second image, a video or a depth map behind the picture, which the result does not have.
_ANNOUNCEMENTS = frozenset(
    (
        "http://ns.adobe.com/hdr-gain-map/1.0/",
        "http://ns.apple.com/HDRGainMap/1.0/",
        "http://ns.apple.com/pixeldatainfo/1.0/",
        "http://ns.google.com/photos/1.0/audio/",
        "http://ns.google.com/photos/1.0/camera/",
        "http://ns.google.com/photos/1.0/container/",
        "http://ns.google.com/photos/1.0/container/item/",
        "http://ns.google.com/photos/1.0/depthmap/",
        "http://ns.google.com/photos/1.0/image/",
        "http://ns.google.com/photos/dd/1.0/device/",
    )
)
_OUTDATED = frozenset(
    (
        ("http://ns.adobe.com/xap/1.0/", "Thumbnails"),  # show the gray picture
        ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP"),  # a packet of its own, which is not copied
        ("http://ns.adobe.com/tiff/1.0/", "Orientation"),  # the result is upright
        ("http://ns.adobe.com/photoshop/1.0/", "ICCProfile"),
    )
)

_MAX_DEPTH = 100
_PACKET = (
    f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    f'<rdf:RDF xmlns:rdf="{_RDF}"/></x:xmpmeta><?xpacket end="w"?>'
)


def clean_packet(packet: bytes) -> bytes:
    """Return a packet without what no longer holds; the same bytes if everything holds.

    Raises:
        ValueError: the packet is not XML.
    """
    document = _parse(packet)
    outdated = [node for node in _nodes(_root(document)) if _is_outdated(node)]
    if not outdated:
        return packet
    for node in outdated:
        _remove(node)
    return _serialize(document)


def state_computed_colors(packet: bytes | None) -> bytes:
    """Return a packet with the digital source type of a picture whose colors are computed.

    Raises:
        ValueError: the packet is not XML.
    """
    document = _parse(packet or _PACKET.encode())
    root = _root(document)
    for node in [node for node in _nodes(root) if _name(node) == _SOURCE_TYPE]:
        _remove(node)
    rdf = next((node for node in _elements(root) if _name(node) == (_RDF, "RDF")), None)
    if rdf is None:
        rdf = document.createElementNS(_RDF, "rdf:RDF")
        rdf.setAttributeNS(_XMLNS, "xmlns:rdf", _RDF)
        root.appendChild(rdf)
    prefix = rdf.prefix or "rdf"
    description = document.createElementNS(_RDF, f"{prefix}:Description")
    subjects = [node.getAttributeNS(_RDF, "about") for node in rdf.childNodes if isinstance(node, Element)]
    description.setAttributeNS(_RDF, f"{prefix}:about", subjects[0] if subjects else "")
    description.setAttributeNS(_XMLNS, "xmlns:Iptc4xmpExt", _IPTC)
    description.setAttributeNS(_IPTC, "Iptc4xmpExt:DigitalSourceType", COMPUTED_COLORS)
    rdf.appendChild(description)
    return _serialize(document)


def _parse(packet: bytes) -> minidom.Document:
    if b"<!DOCTYPE" in packet:  # entities may expand without end
        raise ValueError("XMP with a document type")
    try:
        document = minidom.parseString(packet.strip(b"\0 \t\r\n"))
    except ExpatError as error:
        raise ValueError(str(error)) from None
    level, depth = [_root(document)], 0
    while level := [child for node in level for child in node.childNodes if isinstance(child, Element)]:
        depth += 1
        if depth > _MAX_DEPTH:  # minidom fails on deeper elements
            raise ValueError("XMP with too many elements inside each other")
    return document


def _serialize(document: minidom.Document) -> bytes:
    return "".join(node.toxml() for node in document.childNodes).encode()


def _root(document: minidom.Document) -> Element:
    root = document.documentElement
    if root is None:
        raise ValueError("XMP without an element")
    return root


def _name(node: Element | Attr) -> tuple[str | None, str | None]:
    return node.namespaceURI, node.localName


def _elements(element: Element) -> Iterator[Element]:
    yield element
    for child in element.childNodes:
        if isinstance(child, Element):
            yield from _elements(child)


def _nodes(root: Element) -> Iterator[Element | Attr]:
    for element in _elements(root):
        yield element
        yield from element.attributes.values()


def _is_outdated(node: Element | Attr) -> bool:
    if isinstance(node, Attr) and node.namespaceURI == _XMLNS:
        return node.value in _ANNOUNCEMENTS
    return node.namespaceURI in _ANNOUNCEMENTS or _name(node) in _OUTDATED


def _remove(node: Element | Attr) -> None:
    if isinstance(node, Attr):
        owner = node.ownerElement
        if owner is not None:
            owner.removeAttributeNode(node)
    elif node.parentNode is not None:
        node.parentNode.removeChild(node)
