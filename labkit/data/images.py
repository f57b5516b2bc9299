"""Pictures in files: decoded when they are taken, one batch at a time."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from labkit.data.fit import is_padded, pad
from labkit.data.trees import Tree
from labkit.errors import LabError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
# A picture that claims more pixels than this is not decoded (a few bytes can claim gigabytes).
MOST_PIXELS = 1 << 26

# Photographs with damaged camera notes decode all the same; some of Dogs vs Cats would warn at every look.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")


@dataclass(frozen=True, eq=False)
class ImageSource:
    """The pictures `names` of a tree; sample i is picture i."""

    tree: Tree
    names: tuple[str, ...]

    def fetch(self, indices: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
        """Pictures `indices` (int64 [n]) as float32 [n, *shape] with values in [0, 1]; nothing else is read."""
        out = np.empty((len(indices), *shape), np.uint8)
        for row, index in zip(out, indices, strict=True):
            name = self.names[index]
            row[...] = decode(self.tree.read(name), self.tree.where(name), shape)
        return out * np.float32(1 / 255)


def decode(data: bytes, where: str, shape: tuple[int, int, int]) -> np.ndarray:
    """The picture in `data` as uint8 [C, H, W] for C of 1 or 3, upright, by the rules of `fit` (sides stretch apart).

    Raises LabError naming `where` if it cannot be decoded.
    """
    C, H, W = shape
    with _opened(data, where) as image:
        try:
            if image.width > W and image.height > H:
                image.draft("RGB" if C == 3 else "L", (max(H, W),) * 2)  # JPEG: decode no finer than needed
            image.load()
            image = ImageOps.exif_transpose(image).convert("RGB" if C == 3 else "L")
            padded = is_padded((image.height, image.width), (H, W))
            if not padded:
                image = image.resize((W, H), Image.Resampling.BILINEAR)
        except Exception as error:  # Pillow's decoders raise many kinds for damaged files
            raise _undecodable(where, data, error) from None
        pixels = np.asarray(image).reshape(image.height, image.width, C).transpose(2, 0, 1)
    return pad(pixels[None], H, W)[0] if padded else pixels


def measure(data: bytes, where: str) -> tuple[int, int, int]:
    """(C, H, W) of a picture as it is stored: 1 channel if it is grey, else 3. Only its header is read."""
    with _opened(data, where) as image:
        turned = image.getexif().get(0x0112, 1) >= 5  # orientations 5 to 8 lie on their side
        W, H = image.size[::-1] if turned else image.size
        return (1 if image.mode in ("1", "L", "LA") else 3), H, W


def _opened(data: bytes, where: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:
        raise _undecodable(where, data, error) from None
    if image.width * image.height > MOST_PIXELS:
        raise LabError(f"{where} claims {image.width:,} x {image.height:,} pixels", f"use at most {MOST_PIXELS:,}")
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise LabError(f"{where} has more than 8 bits per channel (mode {image.mode})", "save it with 8 bits")
    return image


def _undecodable(where: str, data: bytes, error: Exception) -> LabError:
    unknown = isinstance(error, UnidentifiedImageError)
    reason = f"its first bytes {data[:4]!r} are of none of {', '.join(FORMATS)}" if unknown else error
    return LabError(
        f"{where} ({len(data):,} bytes) does not decode as a picture: {reason}",
        "remove the file or get it again; `labkit data check NAME` lists every such file",
    )
