"""Links: how they are spelled, what they cost, and what is refused."""

import pytest

from labkit.errors import LabError
from labkit.machine import links
from labkit.machine.links import Link, link_of_run, parse_link, remark


def test_an_emulated_link_is_in_microseconds_and_megabytes():
    link = parse_link("emulated:500,100")
    assert (link.latency_s, link.bytes_per_s, link.ports, link.emulated) == pytest.approx((500e-6, 100e6, 1, True))
    assert link.seconds(1_000_000) == pytest.approx(0.0105)


@pytest.mark.parametrize("text", ["emulated:500,100", "emulated:0,0.5", "emulated:12.5,1e3", *links.NAMED])
def test_the_name_of_a_link_spells_it(text):
    link = parse_link(text)
    assert parse_link(link.name) == link


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("emulated", "emulated:500,100"),
        ("emulated:500", "emulated:500,100"),
        ("emulated:500,100,3", "emulated:500,100"),
        ("emulated:fast,100", "emulated:500,100"),
        ("emulated:500,0", "bandwidth above 0"),
        ("emulated:-1,100", "latency from 0 up"),
        ("emulated:nan,100", "latency from 0 up"),
        ("emulated:500,inf", "bandwidth above 0"),
        ("memmory", "did you mean 'memory'?"),
        ("memory:3", "memory"),
        ("", "emulated:LATENCY_US,MB_PER_S"),
    ],
)
def test_a_wrong_link_says_what_to_type(text, says):
    with pytest.raises(LabError) as caught:
        parse_link(text)
    assert says in str(caught.value)


def test_links_of_the_literature_have_sources():
    for link in links.NAMED.values():
        assert link.source and not link.emulated
    assert parse_link("fdr").bytes_per_s == pytest.approx(6.8e9, rel=0.005)  # keuper-pfreundt-2016
    assert parse_link("ethernet10").bytes_per_s == 1.25e9


def test_what_a_run_does_with_a_link():
    assert link_of_run(parse_link("memory")) is None
    slow = parse_link("emulated:500,100")
    assert link_of_run(slow) is slow
    with pytest.raises(LabError, match="too fast to be emulated"):
        link_of_run(parse_link("fdr"))


@pytest.mark.parametrize(("text", "told"), [("emulated:200,200", False), ("emulated:100,100", True), ("fdr", False)])
def test_figures_beyond_the_emulation_are_told(text, told):
    assert bool(remark(parse_link(text))) is told
    assert bool(remark(Link("x", 1e-3, 1e9, emulated=True)))
