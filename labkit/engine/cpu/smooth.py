"""Tanh and the logistic function of single values, such that loops over them use vector instructions in float32.

In float64 they are the functions of the C library, one value at a time: exact to the last digits, and slower.
"""

from math import exp, tanh

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

_f = np.float32
# tanh(x) = x * P(x^2) / Q(x^2) for |x| <= 9.1, fitted to a largest relative error of 2.3e-8; beyond, tanh rounds to 1.
_EDGE = _f(9.1)
_P = tuple(map(_f, (0.9999999772, 0.1337447611, 0.003487812161, 2.048120502e-05, 1.317754692e-08)))
_Q = tuple(map(_f, (1.0, 0.4670778989, 0.02584739278, 0.0003272922013, 7.70405638e-07)))
_P0, _P1, _P2, _P3, _P4 = _P
_Q0, _Q1, _Q2, _Q3, _Q4 = _Q
_ONE = _f(1)

# exp(x) = 2^k * exp(r) with |r| <= ln(2) / 2, where exp(r) is its Taylor series up to r^7 (relative error 1e-9).
_LOG2E = _f(1.4426950408889634)
_LN2_HIGH = _f(0.693359375)  # 9 bits, so that k * _LN2_HIGH is exact
_LN2_LOW = _f(-2.12194440054690583e-4)
_LEAST, _MOST = _f(-87.0), _f(88.0)
_E2, _E3, _E4, _E5, _E6, _E7 = (_f(1 / n) for n in (2, 6, 24, 120, 720, 5040))


@register_jitable
def tanh_float32(x):
    x = _EDGE if x > _EDGE else x  # NaN compares false and stays
    x = -_EDGE if x < -_EDGE else x
    z = x * x
    p = (((_P4 * z + _P3) * z + _P2) * z + _P1) * z + _P0
    q = (((_Q4 * z + _Q3) * z + _Q2) * z + _Q1) * z + _Q0
    y = x * p / q
    y = _ONE if y > _ONE else y
    return -_ONE if y < -_ONE else y


@register_jitable
def exp_float32(x):
    """exp(x) for x between -87 and 88, to 2e-7 relative; beyond, the value at that edge."""
    x = _MOST if x > _MOST else x
    x = _LEAST if x < _LEAST else x
    k = np.floor(x * _LOG2E + _f(0.5))
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    series = (((((_E7 * r + _E6) * r + _E5) * r + _E4) * r + _E3) * r + _E2) * r * r + r + _ONE
    power = (np.int32(k) + np.int32(127)) << np.int32(23)  # the bits of 2^k
    return series * np.int32(power).view(np.float32)


def tanh_of(x):
    """Hyperbolic tangent of one value."""
    return tanh(x)


def logistic_of(x):
    """1 / (1 + exp(-x)) of one value."""
    return 1 / (1 + exp(-x))


@overload(tanh_of, inline="always")
def _tanh_of(x):
    if x == types.float32:
        return lambda x: tanh_float32(x)
    return lambda x: tanh(x)


@overload(logistic_of, inline="always")
def _logistic_of(x):
    if x == types.float32:
        return lambda x: _ONE / (_ONE + exp_float32(-x))
    return lambda x: 1 / (1 + exp(-x))
