"""A widget as one HTML page that needs neither a kernel nor a network.

What a widget computes in its own JavaScript (formula sweeps, replays, the gradient-descent stepper) also moves on
such a page, so a static edition of a notebook can keep its pictures alive. Nothing is fetched: the module, the style
and the values are all in the page.
"""

import base64
import html
import json

import anywidget

from labkit.widgets._base import static_text

PRIVATE = {"layout", "comm", "keys", "log", "tabbable", "tooltip"}


def static_page(widget: anywidget.AnyWidget, title: str = "labkit") -> str:
    """HTML text of a page that shows `widget` as it is now, and lets it move as far as its JavaScript goes."""
    values, buffers = {}, {}
    for name in widget.traits(sync=True):
        if name.startswith("_") or name in PRIVATE:
            continue
        value = getattr(widget, name)
        if isinstance(value, bytes):
            buffers[name] = base64.b64encode(value).decode("ascii")
        else:
            values[name] = value
    start = f"const model = new PageModel({_script(values)}, {_script(buffers)});"
    module = "\n".join([static_text("page.js"), widget._esm, start])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>
<meta name="viewport" content="width=device-width">
<style>:root {{ color-scheme: light dark; }} body {{ margin: 8px; }}
{widget._css}</style></head>
<body><main id="widget"></main>
<script type="module">
{module}
render({{ model, el: document.getElementById("widget") }});
</script></body></html>
"""


def _script(value: object) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value).replace("<", "\\u003c")
