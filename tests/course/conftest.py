"""Every test of the course has a ledger of its own."""

import pytest


@pytest.fixture(autouse=True)
def ledger_file(tmp_path, monkeypatch):
    """The ledger's file of this test; it does not exist yet."""
    path = tmp_path / "own" / "ledger.json"
    monkeypatch.setenv("LABKIT_LEDGER", str(path))
    monkeypatch.delenv("LABKIT_CHECK_LOG", raising=False)
    return path
