"""The harness itself: a notebook that fails, hangs or asks for something outside does not pass unnoticed."""

import pytest

nbclient = pytest.importorskip("nbclient")


def notebook(*sources, **header):
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": s, "outputs": [], "execution_count": None}
        for i, s in enumerate(sources)
    ]
    return {"cells": cells, "metadata": header, "nbformat": 4, "nbformat_minor": 5}


def test_a_request_that_leaves_the_machine_fails_and_is_written_down(run_headless):
    call = "import socket\ntry:\n    socket.{}\nexcept OSError as error:\n    print(error)"
    calls = ("create_connection(('192.0.2.1', 80), timeout=5)", "getaddrinfo('pypi.org', 443)")
    executed, _, requests = run_headless(notebook(*map(call.format, calls)))
    assert all("wanted to reach" in cell.outputs[0]["text"] for cell in executed.cells)
    assert requests.split() == ["192.0.2.1", "pypi.org"]


def test_subprocesses_are_guarded_too(run_headless):
    inner = "import socket; socket.socket().connect_ex(('192.0.2.1', 80))"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {inner!r}], capture_output=True)"
    assert "192.0.2.1" in run_headless(notebook(code))[2]


def test_a_cell_that_raises_fails(run_headless):
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        run_headless(notebook("1 / 0"))


def test_a_notebook_that_hangs_ends(run_headless):
    with pytest.raises(nbclient.exceptions.CellTimeoutError):
        run_headless(notebook("import time\ntime.sleep(600)", labkit={"time_limit_s": 1}))


def test_each_run_has_a_kernel_and_a_ledger_of_its_own(run_headless):
    code = "from labkit.course import ledger, predict\npredict('a', 1, question='q', unit='s')\nprint(ledger())"
    executed, _, _ = run_headless(notebook(code))
    assert executed.cells[0].outputs[0]["text"].splitlines()[1:] == ["q | 1 s |  |  |  | predicted"]


def test_an_endless_loop_in_a_cell_does_not_hang_the_kernel(run_headless):
    endless = "def endless(*sizes):\n    while True:\n        pass"
    call = "from labkit.course import check\nprint(check('conv-output-size', endless, timeout_s=0.5).came)"
    executed, checks, _ = run_headless(notebook(endless, call, "print('alive')"))
    assert [cell.outputs[0]["text"] for cell in executed.cells[1:]] == ["no result within 0.5 s\n", "alive\n"]
    assert [check["status"] for check in checks] == ["raised"]
