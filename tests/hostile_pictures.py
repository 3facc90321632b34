"""What may be wrong with a picture file, as functions of its bytes or path.

A mutation says beforehand what must come of it: a reason (a regular
expression) why the picture is left out, or a note, or that it is kept.
"""

import dataclasses
import io
import os
import pathlib
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 36, 48
GIBIBYTE = 1 << 30


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a mutation does its work.

    Attributes:
        picture: path of the picture; it is there and whole.
        annotation: path of its annotation; it is there and whole.
        outside: a folder beside that of the data; holds secrets.
        rng: decides what is left to chance.
    """

    picture: pathlib.Path
    annotation: pathlib.Path
    outside: pathlib.Path
    rng: np.random.Generator


@dataclasses.dataclass(frozen=True)
class Mutation:
    """One thing that is wrong, and what must come of it.

    Attributes:
        apply: does it.
        reason: why the picture must be left out; "" if it must not.
        note: what must be noted of the picture, which is kept.
        may: whether either is right: chance decides what is broken.
        same: whether the bytes must be those of the file.
    """

    apply: Callable[[Place], None]
    reason: str = ""
    note: str = ""
    may: bool = False
    same: bool = False


def pixels(seed, height=HEIGHT, width=WIDTH):
    """Returns a picture of colored tiles that no other seed gives."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(0, 256, [-(-height // 6), -(-width // 6), 3])
    tiles = np.kron(tiles, np.ones([6, 6, 1])).astype(np.uint8)
    return Image.fromarray(tiles[:height, :width])


def encoded(image, kind="JPEG", **options):
    """Returns a picture's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def changed(function, **outcome):
    """Returns the mutation that puts `function(bytes, rng)` in place."""

    def apply(place):
        content = function(place.picture.read_bytes(), place.rng)
        place.picture.write_bytes(content)

    return Mutation(apply, **outcome)


def flipped(content, rng, first=0, last=None, number=1):
    """Returns `content` with bits of some of its bytes flipped."""
    content = np.frombuffer(content, np.uint8).copy()
    last = len(content) if last is None else last
    where = rng.choice(np.arange(first, last), number, replace=False)
    content[where] ^= rng.integers(1, 256, number).astype(np.uint8)
    return content.tobytes()


def _cut(content, rng):
    return content[: int(len(content) * rng.uniform(0.05, 0.9))]


def _again(kind, mode="RGB", **options):
    """Returns what saves a picture anew in another format or mode."""

    def save(content, rng):
        image = pixels(int(rng.integers(1 << 30))).convert(mode)
        return encoded(image, kind, **options)

    return save


def _sixteen_bit(content, rng):
    gray = rng.integers(0, 65536, [HEIGHT, WIDTH]).astype(np.uint16)
    return encoded(Image.fromarray(gray), "PNG")


def _floats(content, rng):
    gray = rng.normal(0, 1000, [HEIGHT, WIDTH]).astype(np.float32)
    return encoded(Image.fromarray(gray), "TIFF")


def _other_size(content, rng):
    return encoded(pixels(0, HEIGHT, WIDTH + 1 + int(rng.integers(9))))


def _with_exif(orientation, height=HEIGHT, width=WIDTH):
    def save(content, rng):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = pixels(int(rng.integers(1 << 30)), height, width)
        return encoded(image, exif=exif)

    return save


def _damaged_exif(content, rng):
    block = b"Exif\0\0II*\0" + rng.bytes(60)
    return segment(content, 0xE1, block)


def segment(content, marker, block):
    """Returns a JPEG with one more segment right after its start."""
    head = struct.pack(">BBH", 0xFF, marker, len(block) + 2)
    return content[:2] + head + block + content[2:]


def _stated(height, width):
    """Returns what states another size in a JPEG's frame header."""

    def change(content, rng):
        start = content.index(b"\xff\xc0") + 5
        size = struct.pack(">HH", height, width)
        return content[:start] + size + content[start + 4 :]

    return change


def png(width, height, content, *chunks):
    """Returns a gray PNG whose header may state any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", content), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for name, block in parts:
        data += struct.pack(">I", len(block)) + name + block
        data += struct.pack(">I", zlib.crc32(name + block))
    return data


def _bomb(content, rng):
    side = 20_000
    packer = zlib.compressobj(9)
    row = bytes(side + 1)
    blocks = [packer.compress(row) for _ in range(side // 100)]
    return png(side, side, b"".join(blocks) + packer.flush())


def _text_bomb(content, rng):
    text = b"Comment\0\0" + zlib.compress(bytes(1 << 26), 9)
    rows = zlib.compress(bytes((WIDTH + 1) * HEIGHT))
    return png(WIDTH, HEIGHT, rows, (b"zTXt", text))


def _zip(content, rng):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.jpg", content)
    return buffer.getvalue()


def _written(content):
    return lambda before, rng: content


def _replaced(make):
    """Returns what puts `make(place)` where the picture was."""

    def apply(place):
        place.picture.unlink()
        make(place)

    return apply


def _link(place, target):
    place.picture.symlink_to(target)


def _far_link(place):
    ups = "../" * (len(place.picture.parts) + 3)
    _link(place, ups + str(place.outside / "secret.jpg").lstrip("/"))


def _link_to_pipe(place):
    pipe = place.picture.with_name(f".{place.picture.stem}.pipe")
    os.mkfifo(pipe)
    _link(place, pipe.name)


def _socket(place):
    # The name of a socket is short: it is made here and moved there.
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(place.picture.parent)
        try:
            server.bind(place.picture.name)
        finally:
            os.chdir(before)


def _sparse(place):
    with open(place.picture, "r+b") as file:
        file.truncate(3 * GIBIBYTE)


NO_PICTURE = "no picture in one of the formats"
OUTSIDE = "leads outside"

PICTURES = {
    "header flipped": changed(lambda c, r: flipped(c, r, 0, 160), may=True),
    "body flipped": changed(lambda c, r: flipped(c, r, 330), may=True),
    "much flipped": changed(lambda c, r: flipped(c, r, 2, None, 30), may=True),
    "first bytes": changed(lambda c, r: r.bytes(4) + c[4:], reason=NO_PICTURE),
    "cut": changed(_cut, reason="truncated or damaged"),
    "end missing": changed(lambda c, r: c[:-2], may=True),
    "empty": changed(_written(b""), reason="it is empty"),
    "one byte": changed(_written(b"\xff"), reason=NO_PICTURE),
    "start only": changed(_written(b"\xff\xd8\xff"), reason="."),
    "garbage": changed(lambda c, r: b"\0" + r.bytes(999), reason=NO_PICTURE),
    "zip": changed(_zip, reason=NO_PICTURE),
    "html": changed(_written(b"<!DOCTYPE html><p>404"), reason=NO_PICTURE),
    "eps": changed(_written(b"%!PS-Adobe-3.0 EPSF-3.0\n"), reason=NO_PICTURE),
    "gif": changed(_again("GIF"), reason=NO_PICTURE),
    "png": changed(_again("PNG"), note="picture changed: PNG"),
    "webp": changed(_again("WEBP"), note="picture changed: WEBP"),
    "tiff": changed(_again("TIFF"), note="picture changed: TIFF"),
    "cmyk": changed(_again("JPEG", "CMYK"), note="picture changed: CMYK"),
    "16 bit": changed(_sixteen_bit, note="picture changed: PNG, 16-bit"),
    "floats": changed(_floats, reason="no agreed white"),
    "gray": changed(_again("JPEG", "L"), same=True),
    "progressive": changed(_again("JPEG", progressive=True), same=True),
    "65000": changed(_stated(65000, 65000), reason="too large"),
    "no pixels": changed(_stated(0, 0), reason=NO_PICTURE),
    "bomb": changed(_bomb, reason="too large"),
    "endless": changed(_written(png(2**31 - 1, 2**31 - 1, b"")), reason="."),
    "text bomb": changed(_text_bomb, reason="truncated or damaged"),
    "garbage behind": changed(lambda c, r: c + r.bytes(500), same=True),
    "zip behind": changed(lambda c, r: c + _zip(c, r), same=True),
    "comment": changed(lambda c, r: segment(c, 0xFE, bytes(999)), same=True),
    "damaged exif": changed(_damaged_exif, same=True),
    "wrong exif": changed(_with_exif(99), same=True),
    "upside down": changed(
        _with_exif(3), note="picture changed: EXIF rotation"
    ),
    "sideways": changed(
        _with_exif(6, WIDTH, HEIGHT), note="picture changed: EXIF rotation"
    ),
    "missing": Mutation(_replaced(lambda place: None), "picture is missing"),
    "folder": Mutation(
        _replaced(lambda place: place.picture.mkdir()), "is a folder"
    ),
    "pipe": Mutation(
        _replaced(lambda place: os.mkfifo(place.picture)), "is a pipe"
    ),
    "link to pipe": Mutation(_replaced(_link_to_pipe), "is a pipe"),
    "socket": Mutation(_replaced(_socket), "is a socket"),
    "link to itself": Mutation(
        _replaced(lambda place: _link(place, place.picture.name)),
        "leads nowhere",
    ),
    "link outside": Mutation(
        _replaced(lambda place: _link(place, place.outside / "secret.jpg")),
        OUTSIDE,
    ),
    "far link": Mutation(_replaced(_far_link), OUTSIDE),
    "link to zeros": Mutation(
        _replaced(lambda place: _link(place, "/dev/zero")), OUTSIDE
    ),
    "sparse": Mutation(_sparse, "too large"),
}
# These need a stated size to differ from.
SIZED = {
    "other size": changed(_other_size, reason="its boxes refer to"),
    "stated taller": changed(_stated(360, WIDTH), reason="its boxes refer"),
    "turned": changed(_with_exif(6), reason="its boxes refer to"),
}
