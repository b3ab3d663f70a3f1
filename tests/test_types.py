"""What a checker of types says of a user's script."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_typed_script_passes_and_its_mistakes_are_found():
    # Silent: what mypy says of the package itself is for its own settings, not for the user's.
    options = "--strict", "--follow-imports=silent", "--config-file="
    script = ROOT / "tests" / "typed" / "user.py"
    command = [sys.executable, "-m", "mypy", *options, str(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
