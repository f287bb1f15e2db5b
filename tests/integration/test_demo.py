"""``make demo``: what a newcomer sees first."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.support.processes import ROOT, LineReader, run_python

DEMO = str(ROOT / "examples" / "demo.py")


def test_demo_once(tmp_path: Path):
    """It shows the application's value before and after the rule changed, ends with 0 and leaves nothing behind."""
    lines = run_python([DEMO, "--once", "--port", "0"], TMPDIR=str(tmp_path))
    values = [match[1] for line in lines if (match := re.search(r"guest gets cache_ttl=(\d+)", line))]
    assert ["60", "10", "5"] == values
    assert any(re.search(r"guest: 60 → 10, \d+\.\d\d s after", line) for line in lines)
    assert [] == list(tmp_path.iterdir())


def test_demo_stays_open_until_ctrl_c(tmp_path: Path):
    """Without ``--once``, the service and its page stay open, and Ctrl-C ends both processes."""
    with subprocess.Popen(
        [sys.executable, DEMO, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        lines = LineReader(process)
        page = lines.wait_for("The service is open: ").split()[4]
        url = page.removesuffix("/docs")
        assert 200 == httpx2.get(page).status_code
        httpx2.put(f"{url}/api/v1/rules/1/value", json={"value": 7}).raise_for_status()
        lines.wait_for("     guest gets cache_ttl=7")
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(timeout=30)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(page)
    assert [] == list(tmp_path.iterdir())


def test_demo_fails_without_a_service(tmp_path: Path):
    """When the service cannot start, the demonstration says why and does not end with 0."""
    result = subprocess.run(
        [sys.executable, DEMO, "--once", "--port", "99999"],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert 1 == result.returncode
    assert "the service does not start" in result.stderr


@pytest.mark.parametrize(("argument", "is_once"), [("ONCE=1", True), ("ONCE=0", False), ("ONCE=", False)])
def test_make_demo_passes_once_on(argument: str, is_once: bool):
    """``make demo ONCE=1`` ends by itself, and ``make demo`` does not."""
    result = subprocess.run(["make", "-n", "demo", argument], cwd=ROOT, capture_output=True, text=True, check=True)
    assert is_once == ("examples/demo.py --once" in result.stdout)
