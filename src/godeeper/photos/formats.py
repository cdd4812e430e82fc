"""The photo formats that are opened, recognised by their first bytes.  No other data reaches a decoder.

Pillow supports about forty formats.  It starts Ghostscript for EPS, and passes WMF, FITS, BUFR, GRIB and HDF5 to the system
or to handlers of other packages.  A format is listed only if its decoder reads nothing but the photo's bytes.  A test
compares ``docs/reference/photos.md`` with the list.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A format: Pillow's name and plugin for it, its file suffixes, and the possible first bytes (``starts``)."""

    name: str
    plugin: str
    suffixes: tuple[str, ...]
    starts: tuple[bytes, ...]
    remark: str = ""


FORMATS = (
    Format("JPEG", "JpegImagePlugin", (".jpg", ".jpeg", ".jpe", ".jfif"), (b"\xff\xd8\xff",), "MPO included: the first picture"),
    Format("PNG", "PngImagePlugin", (".png",), (b"\x89PNG\r\n\x1a\n",), "APNG included: the first frame"),
    Format("WEBP", "WebPImagePlugin", (".webp",), (b"RIFF",), "the first frame"),
    Format("GIF", "GifImagePlugin", (".gif",), (b"GIF87a", b"GIF89a"), "the first frame"),
    Format("TIFF", "TiffImagePlugin", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "the first page; no raw files"),
    Format("BMP", "BmpImagePlugin", (".bmp",), (b"BM",)),
    Format("AVIF", "AvifImagePlugin", (".avif",), (), "the first frame"),
    Format("JPEG2000", "Jpeg2KImagePlugin", (".jp2", ".j2k"), (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")),
    Format("PPM", "PpmImagePlugin", (".ppm", ".pgm", ".pbm", ".pnm"), (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"), "also PGM, PBM"),
)  # fmt: skip
BY_NAME = {each.name: each for each in FORMATS}
SUFFIX_FORMATS = {suffix: each.name for each in FORMATS for suffix in each.suffixes}
OTHER_SUFFIXES = {
    ".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF", ".psd": "PSD", ".ico": "ICO", ".tga": "TGA", ".jxl": "JPEG XL",
    ".svg": "SVG", ".eps": "EPS",
}  # fmt: skip
"""Suffixes of formats that are not opened.  Files with these suffixes count as photos and are refused with a reason."""
PROMISED = SUFFIX_FORMATS | OTHER_SUFFIXES
RAW_SUFFIXES = frozenset(
    [
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dcr",
        ".dng",
        ".erf",
        ".gpr",
        ".iiq",
        ".kdc",
        ".mef",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    ]
)
SAME_FORMAT = {"MPO": "JPEG"}  # a JPEG followed by a second picture, as many phones write

RAW = "a camera's raw file; export it as JPEG"
AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
RAW_STARTS = (
    b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM", b"FOVb", b"IIII", b"MMMM", b"HEAPCCDR",
)  # fmt: skip
REFUSED_STARTS = (
    (b"%!PS", "it is PostScript, a program and not a photo: export it as JPEG"),
    (b"\xc5\xd0\xd3\xc6", "it is PostScript, a program and not a photo: export it as JPEG"),
    (b"%PDF", "it is a PDF: export the page as JPEG"),
    (b"8BPS", "it is a Photoshop file: export it as JPEG or PNG"),
    (b"8BPB", "it is a Photoshop file: export it as JPEG or PNG"),
    (b"\xd7\xcd\xc6\x9a", "it is a Windows metafile, a drawing: export it as PNG"),
    (b"\xff\x0a", "it is JPEG XL: save it as JPEG first"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "it is JPEG XL: save it as JPEG first"),
    (b"\0\0\1\0", "it is an icon: save it as PNG first"),
    (b"SIMPLE  =", "it is FITS: save it as 8- or 16-bit PNG or TIFF first"),
    (b"\x89HDF", "it is HDF5, a data file"),
    (b"GRIB", "it is GRIB, a data file"),
    (b"PK\3\4", "it is a zip file: unpack it first"),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first"),
    (b"\x1aE\xdf\xa3", "it is a video: save one frame as JPEG"),
)


def identify(data: bytes) -> str | None:
    """The name of the format that a file's first bytes indicate; None if it is not in ``FORMATS``.

    >>> identify(b"GIF89a"), identify(b"%!PS-Adobe-3.0 EPSF-3.0")
    ('GIF', None)
    """
    if data[:4] == b"RIFF":
        return "WEBP" if data[8:12] == b"WEBP" else None
    if data[4:8] == b"ftyp":
        return "AVIF" if brands(data) & AVIF_BRANDS else None
    if data[:4] in BY_NAME["TIFF"].starts and data[8:10] == b"CR":  # Canon's CR2 starts like a TIFF
        return None
    for each in FORMATS:
        if data.startswith(each.starts):
            return each.name if each.name != "PPM" or data[2:3].isspace() or data[2:3] == b"#" else None
    return None


def brands(data: bytes) -> set[bytes]:
    """The major brand and the compatible brands of an ISO media file."""
    size = min(int.from_bytes(data[:4]), len(data), 256)
    return {data[8:12], *(data[start : start + 4] for start in range(16, size - 3, 4))}


def describe(data: bytes) -> str:
    """Describe bytes that are not a photo, for an error message."""
    start = data[:512]
    if raw_start(start):
        return RAW
    for signature, description in REFUSED_STARTS:
        if start.startswith(signature):
            return description
    if start[4:8] == b"ftyp":
        return (
            "it is HEIC: save it as JPEG first"
            if brands(start) & HEIF_BRANDS
            else "it is a video: save one frame as JPEG"
        )
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{"):
        return "it looks like a web page or a data file"
    if all(byte in b"\t\n\r\f" or byte >= 32 for byte in start):
        return "it looks like text"
    return f"it starts with {start[:4].hex(' ')}"


def raw_start(data: bytes) -> bool:
    """Whether the first bytes are those of a camera's raw format; ``raw.is_raw`` detects raw files that start like any TIFF."""
    if data.startswith(RAW_STARTS) or (data[:4] in BY_NAME["TIFF"].starts and data[8:10] == b"CR"):
        return True
    return (data[4:8] == b"ftyp" and b"crx " in brands(data)) or data[6:14] == b"HEAPCCDR"
