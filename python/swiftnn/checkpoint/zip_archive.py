"""ZIP archives whose entries are read where they lie in the mapped file, and written so that they can be."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO

from ..errors import CheckpointError

__all__ = ["ZipArchive", "write_entry"]

# Deflate makes at most 1032 bytes of one; more than this many times the file, and more than that many bytes, is taken for a bomb.
_MOST_TIMES = 100
_MOST_BYTES = 1 << 30

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_ALIGNMENT = 64
_PADDING_ID = 0xD935  # the "extra field" that Android's zipalign pads with


class ZipArchive:
    """The entries of an archive by name. Nothing is ever extracted to the file system.

    Args:
        data: the bytes of the archive.

    Raises:
        CheckpointError: the archive is damaged, its entries overlap, occur twice or have names that point out of a folder, or it would
            unpack to more than memory should take.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        try:
            with zipfile.ZipFile(_Reader(data)) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, struct.error, EOFError, OverflowError) as error:
            raise CheckpointError(f"damaged ZIP archive: {error}") from None
        self._entries: dict[str, tuple[zipfile.ZipInfo, int]] = {}
        total = 0
        ranges = []
        for entry in entries:
            name = entry.orig_filename
            if name.startswith("/") or "\\" in name or "\0" in name or ":" in name[:2] or ".." in name.split("/"):
                raise CheckpointError(f"the archive has an entry {name!r}, which points out of its folder")
            if name in self._entries:
                raise CheckpointError(f"the archive has two entries {name!r}")
            if entry.flag_bits & 1:
                raise CheckpointError(f"entry {name!r} of the archive is encrypted")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise CheckpointError(f"entry {name!r} is compressed with method {entry.compress_type}; expected none or deflate")
            if entry.compress_type == zipfile.ZIP_STORED and entry.compress_size != entry.file_size:
                raise CheckpointError(f"entry {name!r} is not compressed, but has {entry.compress_size} bytes for {entry.file_size}")
            start = self._start(entry)
            ranges.append((entry.header_offset, start + entry.compress_size, name))
            self._entries[name] = entry, start
            total += entry.file_size
        ranges.sort()
        for (_, end, name), (start, _, following) in zip(ranges, ranges[1:]):
            if start < end:
                raise CheckpointError(f"the entries {name!r} and {following!r} of the archive overlap")
        self.size = total  # bytes of all entries, unpacked
        if total > max(_MOST_TIMES * len(data), _MOST_BYTES):
            raise CheckpointError(f"the archive has {len(data)} bytes and would unpack to {total}, like a bomb")

    def _start(self, entry: zipfile.ZipInfo) -> int:
        """Where the bytes of an entry start, after its local header."""
        offset = entry.header_offset
        if offset < 0 or offset + _LOCAL_HEADER.size > len(self._data):
            raise CheckpointError(f"entry {entry.orig_filename!r} of the archive starts outside the file")
        header = _LOCAL_HEADER.unpack_from(self._data, offset)
        start: int = offset + _LOCAL_HEADER.size + header[9] + header[10]
        if header[0] != b"PK\3\4" or start + entry.compress_size > len(self._data):
            raise CheckpointError(f"entry {entry.orig_filename!r} of the archive lies outside the file or has no header")
        return start

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def names(self) -> Iterable[str]:
        """The names of all entries, in the archive's order."""
        return self._entries.keys()

    def read(self, name: str, check: bool = True) -> memoryview:
        """The bytes of an entry: of the file itself when it is stored, unpacked when it is compressed.

        Args:
            name: the entry's name.
            check: whether to compare with the checksum, which reads all of it.
        """
        entry, start = self._entries[name]
        data = self._data[start : start + entry.compress_size]
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            try:
                unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
                unpacked = unpacker.decompress(data, entry.file_size + 1)
            except zlib.error as error:
                raise CheckpointError(f"entry {name!r} of the archive is damaged: {error}") from None
            if len(unpacked) != entry.file_size:
                raise CheckpointError(f"entry {name!r} of the archive does not unpack to the {entry.file_size} bytes that it announces")
            # A bytearray, so that arrays in it can be written.
            data = memoryview(bytearray(unpacked))
        if check and zlib.crc32(data) != entry.CRC:
            raise CheckpointError(f"entry {name!r} of the archive is damaged: its checksum is wrong")
        return data


class _Reader(io.RawIOBase):
    """A memoryview as the file that zipfile wants, without a copy of all of it."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        at = offset + (0, self._at, len(self._data))[whence]
        if at < 0:
            raise ValueError("seek before the beginning")
        self._at = at
        return at

    def read(self, size: int | None = -1, /) -> bytes:
        end = len(self._data) if size is None or size < 0 else self._at + size
        data = bytes(self._data[self._at : end])
        self._at += len(data)
        return data


def write_entry(archive: zipfile.ZipFile, file: BinaryIO, name: str, parts: Iterable[bytes | memoryview], size: int) -> None:
    """Adds an uncompressed entry whose bytes start at a multiple of 64, so that a reader can map arrays in it.

    Args:
        archive: a ZipFile that writes to `file`.
        file: the file itself.
        name: the entry's name.
        parts: the bytes.
        size: their number.
    """
    # The time is always the same, so that equal contents make equal files.
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.file_size = size
    large = size * 1.05 > zipfile.ZIP64_LIMIT  # zipfile then puts 20 bytes more into the header
    start = file.tell() + _LOCAL_HEADER.size + len(name.encode()) + (20 if large else 0) + 4
    padding = -start % _ALIGNMENT
    entry.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
    with archive.open(entry, "w", force_zip64=large) as target:
        for part in parts:
            target.write(part)
