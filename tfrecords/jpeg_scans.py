"""How often a JPEG goes over its picture, counted without decoding it.

A progressive JPEG refines the whole picture scan by scan, usually ten times.
Nothing in the format limits that: a file of a megabyte can ask for ten
thousand scans of ninety million pixels, which takes hours.
"""

from tfrecords.errors import InputError

MOST_SCANS = 100
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
# Followed by no length: stuffed and filling bytes, TEM, RST0 to RST7, SOI.
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}


def count_scans(data: bytes) -> int:
    """Returns the number of scans of the first picture in a JPEG."""
    scans, place = 0, data.find(b"\xff")
    while 0 <= place < len(data) - 1:
        marker = data[place + 1]
        if marker == _END_OF_IMAGE:
            break
        if marker == 0xFF:
            place += 1
        elif marker in _ALONE:
            place += 2
        else:
            scans += marker == _START_OF_SCAN
            length = int.from_bytes(data[place + 2 : place + 4], "big")
            place += 2 + max(length, 2)
        place = data.find(b"\xff", place)
    return scans


def check_scans(name: str, data: bytes) -> None:
    """Refuses a JPEG that would take too long.

    Args:
        name: of the picture, for the message.
        data: the JPEG.

    Raises:
        InputError: if it has more than `MOST_SCANS` scans.
    """
    # Most have a few such bytes: then none of them is looked at.
    if data.count(bytes([0xFF, _START_OF_SCAN])) <= MOST_SCANS:
        return
    scans = count_scans(data)
    if scans > MOST_SCANS:
        raise InputError(
            f"Cannot read {name}: the JPEG has {scans:,} scans, at most "
            f"{MOST_SCANS} are accepted. Save the picture anew."
        )
