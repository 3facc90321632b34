"""What may be wrong with one of VOC's XML files."""

import os

from hostile_pictures import flipped
from hostile_pictures import GIBIBYTE
from hostile_pictures import HEIGHT
from hostile_pictures import Mutation
from hostile_pictures import OUTSIDE
from hostile_pictures import WIDTH

_SIZE = f"<width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth>"
_BOX = {"xmin": "3", "ymin": "5", "xmax": "30", "ymax": "20"}
_LAUGHS = "".join(
    f'<!ENTITY lol{index} "{f"&lol{index - 1};" * 10}">'
    for index in range(1, 10)
)
_NOT_XML = "not well-formed XML"
_ENTITIES = "has entities or a document type"
_NO_NUMBER = "not a number"


def box(**changes):
    """Returns an object of VOC's; a tag that is None is left out."""
    tags = {**_BOX, "name": "dog", "difficult": "0", **changes}
    text = {
        name: f"<{name}>{value}</{name}>"
        for name, value in tags.items()
        if value is not None
    }
    outer = text.pop("name", "") + text.pop("difficult", "")
    return f"<object>{outer}<bndbox>{''.join(text.values())}</bndbox></object>"


def xml(image_id, objects="", filename="", size=_SIZE, head=""):
    """Returns an annotation as VOC writes it."""
    filename = filename or f"{image_id}.jpg"
    return (
        f"{head}<annotation><filename>{filename}</filename>"
        f"<size>{size}</size>{objects or box()}</annotation>"
    )


def _text(make, encoding="utf-8", **outcome):
    """Returns the mutation that writes `make(place)` as the annotation."""

    def apply(place):
        text = make(place)
        content = text if isinstance(text, bytes) else text.encode(encoding)
        place.annotation.write_bytes(content)

    return Mutation(apply, **outcome)


def _with(objects="", **outcome):
    """As `_text`, of an annotation that is right but for its objects."""
    return _text(
        lambda place: xml(place.picture.stem, objects=objects), **outcome
    )


def _named(filename, **outcome):
    """As `_text`, with another <filename>; {} is what the file is called."""
    return _text(
        lambda place: xml(
            place.picture.stem,
            filename=filename.format(place.picture.name, place.outside),
        ),
        **outcome,
    )


def _sized(size, **outcome):
    return _text(lambda place: xml(place.picture.stem, size=size), **outcome)


def _headed(head, body="", **outcome):
    """As `_text`, with something before the root; {} is outside."""
    return _text(
        lambda place: xml(
            place.picture.stem,
            head=head.replace("{}", place.outside.as_uri()),
            objects=f"<object><name>{body}</name></object>" if body else "",
        ),
        **outcome,
    )


def _encoded(encoding, name, **outcome):
    return _text(
        lambda place: xml(
            place.picture.stem,
            objects=box() + "<!-- \xe4 -->",
            head=f'<?xml version="1.0" encoding="{name}"?>',
        ),
        encoding,
        **outcome,
    )


def _bytes(function, **outcome):
    """As `_text`, of the bytes `function(bytes, rng)`."""
    return _text(
        lambda place: function(place.annotation.read_bytes(), place.rng),
        **outcome,
    )


def _replaced(make):
    def apply(place):
        place.annotation.unlink()
        make(place.annotation, place.outside)

    return apply


def _cut(content, rng):
    return content[: int(rng.integers(1, len(content) - 1))]


def _sparse(place):
    with open(place.annotation, "r+b") as file:
        file.truncate(3 * GIBIBYTE)


_DEEP = 200_000
_LONG = "9" * 100_000
_SECRET = '<!DOCTYPE a [<!ENTITY s SYSTEM "{}/secret.txt">]>'
_PARAMETER = '<!DOCTYPE a [<!ENTITY % s SYSTEM "{}/secret.txt"> %s;]>'

ANNOTATIONS = {
    "cut": _bytes(_cut, reason=_NOT_XML),
    "flipped": _bytes(lambda c, r: flipped(c, r), may=True),
    "much flipped": _bytes(lambda c, r: flipped(c, r, number=9), may=True),
    "empty": _text(lambda place: "", reason=_NOT_XML),
    "garbage": _bytes(lambda c, r: r.bytes(500), reason=_NOT_XML),
    "html": _text(
        lambda place: "<html><body>404</body></html>", reason="<html>"
    ),
    "the picture": _text(
        lambda place: place.picture.read_bytes(), reason=_NOT_XML
    ),
    "null": _bytes(lambda c, r: c[:60] + b"\0" + c[60:], reason=_NOT_XML),
    "null reference": _with("<object>&#0;</object>", reason=_NOT_XML),
    "not utf-8": _bytes(lambda c, r: c + b"<!--\xff-->", reason=_NOT_XML),
    "latin-1": _encoded("latin-1", "ISO-8859-1"),
    "utf-16": _encoded("utf-16", "UTF-16"),
    "lying utf-16": _encoded("latin-1", "UTF-16", reason=_NOT_XML),
    "no encoding": _encoded("utf-8", "klingon", reason=_NOT_XML),
    "odd encoding": _encoded("utf-8", "undefined", reason=_NOT_XML),
    "bomb": _headed(
        f'<!DOCTYPE a [<!ENTITY lol0 "lol">{_LAUGHS}]>',
        "&lol9;",
        reason=_ENTITIES,
    ),
    "flat bomb": _headed(
        f'<!DOCTYPE a [<!ENTITY a "{"a" * 50_000}">]>',
        "&a;" * 50_000,
        reason=_ENTITIES,
    ),
    "secret": _headed(_SECRET, "&s;", reason=_ENTITIES),
    "parameter": _headed(_PARAMETER, reason=_ENTITIES),
    "document type": _headed(
        '<!DOCTYPE annotation SYSTEM "{}/secret.dtd">', reason=_ENTITIES
    ),
    "style sheet": _headed('<?xml-stylesheet href="{}/secret.txt"?>'),
    "unknown entity": _with("<object>&s;</object>", reason=_NOT_XML),
    "deep": _with("<a>" * _DEEP + "</a>" * _DEEP),
    "wide": _with("<a/>" * 50_000 + box()),
    "many boxes": _with(box() * 2000),
    "long name": _with(box(name="z" * 10**6), reason="unknown class"),
    "long number": _with(box(xmin=_LONG), reason=_NO_NUMBER),
    "huge": _with(box(xmin="1e30"), note="box dropped: inverted"),
    "far": _with(box(xmin="1e9", xmax="2e9"), note="box dropped: outside"),
    "over": _with(box(xmax="1e39"), note="box dropped: not finite"),
    "endless": _with(box(xmin="1e999"), reason=_NO_NUMBER),
    "nan": _with(box(ymin="nan"), reason=_NO_NUMBER),
    "inf": _with(box(ymax="inf"), reason=_NO_NUMBER),
    "minus inf": _with(box(ymin="-Infinity"), reason=_NO_NUMBER),
    "words": _with(box(ymax="tall"), reason=_NO_NUMBER),
    "hidden words": _with(box(ymax="<a>9</a>"), reason=_NO_NUMBER),
    "negative": _with(box(xmin="-9", xmax="-2"), note="box dropped: outside"),
    "partly negative": _with(box(xmin="-9"), note="box clipped"),
    "inverted": _with(box(xmin="30", xmax="3"), note="box dropped: inverted"),
    "no width": _with(box(xmin="31"), note="box dropped: empty"),
    "no xmin": _with(box(xmin=None), reason="<bndbox/xmin> .* is missing"),
    "no bndbox": _with(
        "<object><name>dog</name></object>", reason="<bndbox/xmin> .* missing"
    ),
    "no name": _with(box(name=None), reason="unknown class ''"),
    "no objects": _with("<source/>"),
    "wrong class": _with(box(name="dragon"), reason="unknown class 'dragon'"),
    "wrong flag": _with(box(difficult="maybe"), reason=_NO_NUMBER),
    "no size": _sized(""),
    "wrong size": _sized("<width>7</width><height>9</height>", reason="7 x 9"),
    "huge size": _sized(
        f"<width>{'9' * 40}</width><height>9</height>", reason="refer to"
    ),
    "endless size": _sized(f"<width>{_LONG}</width><height>9</height>"),
    "up": _named("../../secret.jpg", reason="names a picture that is not"),
    "absolute": _named("{1}/secret.jpg", reason="names a picture that is not"),
    "url": _named("file://{1}/secret.jpg", reason="names a picture that is"),
    "long filename": _named("z" * 10**6, reason="names a picture that is not"),
    "foreign folder": _named("C:\\pictures\\{0}"),
    "up to itself": _named("../../../{0}"),
    "missing": Mutation(
        _replaced(lambda path, outside: None), "annotation is missing"
    ),
    "folder": Mutation(
        _replaced(lambda path, outside: path.mkdir()), "is a folder"
    ),
    "pipe": Mutation(
        _replaced(lambda path, outside: os.mkfifo(path)), "is a pipe"
    ),
    "link to itself": Mutation(
        _replaced(lambda path, outside: path.symlink_to(path.name)),
        "leads nowhere",
    ),
    "link outside": Mutation(
        _replaced(lambda path, outside: path.symlink_to(outside / "secret")),
        OUTSIDE,
    ),
    "link to zeros": Mutation(
        _replaced(lambda path, outside: path.symlink_to("/dev/zero")), OUTSIDE
    ),
    "sparse": Mutation(_sparse, "too large"),
}


def swapped(place, other_id):
    """Puts another picture's annotation in place."""
    place.annotation.write_text(xml(other_id))
