"""Loops compile with and without a place on disk for them."""

import numba
import pytest

from labkit.engine.jit import jit


@pytest.mark.parametrize("writable", [True, False])
def test_without_a_place_for_the_cache_loops_compile_all_the_same(writable, monkeypatch):
    real = numba.njit

    def njit(cache=False, **options):
        if cache and not writable:
            raise RuntimeError("cannot cache function 'twice': no locator available")
        return real(**options)

    monkeypatch.setattr(numba, "njit", njit)

    def twice(x):
        return x + x

    compiled = jit(nogil=True)(twice)
    assert compiled(3) == 6 and compiled.nopython_signatures
