"""Which windows meet a pixel, and which a tap: the bounds of loops over windows, without a test inside the loops.

Along one axis the windows of a layer begin every `stride` places of the padded input, the first of them at its edge.
"""

from labkit.kernels.source import device_function


@device_function
def windows_over(place, size, stride, count):
    """First of the `count` windows of `size` places that contain `place`, and the one after the last.

    place: counted from the edge of the padding, so pixel h is at h + pad_h. Window p begins at p * stride, and the
    pixel is its tap place - p * stride.
    """
    return max(0, (place - size) // stride + 1), min(count, place // stride + 1)


@device_function
def windows_inside(offset, length, stride, count):
    """First of the `count` windows whose tap falls on the input, and the one after the last.

    offset: where the tap of window 0 falls, so tap r is at r - pad_h; in window p it falls on place p * stride + offset
    of an input that has `length` places, and is inside if that is from 0 to length - 1.
    """
    return max(0, -(offset // stride)), min(count, (length - 1 - offset) // stride + 1)
