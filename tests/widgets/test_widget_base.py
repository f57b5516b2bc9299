"""The frame of all widgets: module size, state strings, the static page."""

import importlib
import math
import pkgutil
import re
from importlib.resources import files

import pytest

import labkit.widgets as widgets
from labkit.errors import LabError
from labkit.widgets._base import ESM_LIMIT_BYTES, _compact, _needed, _tight, css, decode, encode, esm, one_of, within
from labkit.widgets.static_page import static_page

MODULES = sorted(one.name for one in (files("labkit.widgets") / "static").iterdir() if one.name.endswith(".js"))
DEFAULTS = {"batch": 32, "rate": 0.1, "on": False, "name": "", "start": [0.0, 1.0]}


def classes():
    """Every widget class of the room, exported or not."""
    found = {}
    for info in pkgutil.iter_modules(widgets.__path__):
        module = importlib.import_module(f"labkit.widgets.{info.name}")
        found |= {name: one for name, one in vars(module).items() if isinstance(one, type) and hasattr(one, "_esm")}
    return [one for one in found.values() if one.__module__.startswith("labkit.")]


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_module_is_small_and_asks_for_nothing(kind):
    text = str(kind._esm)
    assert len(text.encode()) < ESM_LIMIT_BYTES
    assert re.findall(r"https?:|\bimport\s*[({\"']|fetch\(|XMLHttpRequest|@import|url\(", text + css()) == []


def test_every_script_of_the_folder_is_used():
    room = "\n".join(one.read_text("utf-8") for one in files("labkit.widgets").iterdir() if one.name.endswith(".py"))
    assert set(MODULES) == set(re.findall(r'"(\w+\.js)"', room))


def test_functions_that_nobody_calls_are_left_out():
    pieces = ["function a(){return b();}", "let b=(x)=>c+x;", "let c=3;", "function d(){return d();}", "let e=()=>d()"]
    assert _needed([*pieces, "a()"]) == [*pieces[:3], "a()"]
    assert "function ticks(" not in esm("prediction.js") and "function ticks(" in esm("axes.js", "roofline.js")
    assert "function el(" in esm("prediction.js") or "let el=" in esm("prediction.js")


def test_state_string_goes_there_and_back():
    state = {"batch": 7, "rate": 1e-3, "on": True, "name": 'a&b=c?d é"', "start": [1.5, -2]}
    line = encode("kind", state)
    assert "\n" not in line and " " not in line
    assert decode("kind", line, DEFAULTS) == state
    assert decode("kind", "kind?", DEFAULTS) == DEFAULTS


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("other?batch=3", "kind?"),
        ("kind?bach=3", "did you mean 'batch'"),
        ("kind?batch=three", "JSON"),
        ("kind?batch=true", "32"),
        ("kind?name=3", "''"),
        ("kind?on=1", "False"),
        ("kind?start=1", "[0.0, 1.0]"),
    ],
)
def test_state_string_that_does_not_fit_is_refused(line, word):
    with pytest.raises(LabError, match=re.escape(word)):
        decode("kind", line, DEFAULTS)


@pytest.mark.parametrize("value", [0, 11, math.nan, "3", True, 2.5])
def test_numbers_outside_their_range_are_refused(value):
    with pytest.raises(LabError, match="integer from 1 to 10"):
        within("batch", value, 1, 10, whole=True)


def test_numbers_and_words_inside_pass():
    assert within("batch", 3.0, 1, 10, whole=True) == 3
    assert within("rate", 0.5, 0, 1) == 0.5
    assert one_of("scale", "log", ("log", "linear")) == "log"
    with pytest.raises(LabError, match="did you mean 'linear'"):
        one_of("scale", "linaer", ("log", "linear"))


def test_static_page_holds_everything():
    page = static_page(widgets.network_anatomy("lenet5"), title="a <b>")
    assert "a &lt;b&gt;" in page and "conv1" in page and "labkit-widget" in page
    assert re.findall(r"(?:src|href)\s*=\s*[\"']", page) == []
    assert page.count("</script>") == 1


def test_numbers_are_written_alike_everywhere(run_js):
    module = esm("choice.js", "toggle.js", "units.js", "anatomy.js").replace("export{", "export{short,ticks,sig,")
    got = run_js(module, "(m) => [m.short(0,'B'), m.short(999,'B'), m.short(61706,'B'), m.short(1.5e9,'B')]")
    assert [one.replace("\u00a0", " ") for one in got] == ["0 B", "999 B", "61.7 kB", "1.5 GB"]
    assert run_js(module, "(m) => m.ticks(0, 10, 5)") == [0, 2, 4, 6, 8, 10]
    assert run_js(module, "(m) => m.ticks(0.5, 2000, 5, true)") == [1, 10, 100, 1000]
    assert run_js(module, "(m) => [m.sig(0.00012345), m.sig(12.34567), m.sig(-0), m.sig(1/0)]") == [
        "1.23e-4", "12.35", "0", "Infinity",
    ]  # fmt: skip


def test_what_is_left_out_of_a_module_changes_no_string():
    assert _tight('const a = { b: "const x = { y }" }; // c') == 'let a={b:"const x = { y }"};// c'
    assert _tight("f(`a = ${b ? c : d}, e`, g)") == "f(`a = ${b ? c : d}, e`,g)"
    nested = "f(`a ${b ? `c = d` : e}`, g)"
    assert _tight(nested) == nested
    assert _tight("return a - -b + +c - d / e") == "return a - -b + +c-d/e"


def test_lines_are_joined_only_where_nothing_ends_by_itself():
    assert _compact("f(a,\n  b);\ng();\n// why\n") == "f(a,b);g();"
    assert _compact("f(); // then,\ng();") == "f();// then,\ng();"
    assert _compact("let x = a\nlet y = {\n  b: 1,\n}\nz()") == "let x=a\nlet y={b:1,}\nz()"
