"""Runs the pure functions of a widget's module outside the page: in node if there is one, else in Chromium."""

import json
import shutil
import subprocess

import pytest

NODE_LINE = "import('./module.mjs').then((m) => {{ console.log(JSON.stringify(({expression})(m))); }})"


@pytest.fixture
def run_js(require, tmp_path):
    """`run_js(module_text, "(m) => m.f(1)")`: what the arrow function returns, as JSON read back."""
    node, chromium = shutil.which("node"), shutil.which("chromium") or shutil.which("chromium-browser")
    require(node or chromium, "neither node nor Chromium found: `apt-get install chromium` brings one")

    def in_node(module: str, expression: str):
        (tmp_path / "module.mjs").write_text(module, encoding="utf-8")
        (tmp_path / "main.mjs").write_text(NODE_LINE.format(expression=expression), encoding="utf-8")
        done = subprocess.run([node, "main.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def in_chromium(module: str, expression: str):
        from playwright.sync_api import sync_playwright

        text = f"""(async () => {{
          const url = URL.createObjectURL(new Blob([{json.dumps(module)}], {{ type: "text/javascript" }}));
          return JSON.stringify(({expression})(await import(url)));
        }})()"""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"], timeout=60_000)
            try:
                return json.loads(browser.new_page().evaluate(text))
            finally:
                browser.close()

    return in_node if node else in_chromium
