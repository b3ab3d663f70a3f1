"""``python -m incremental`` runs the main job."""

import re
import runpy
import sys
from importlib.util import find_spec

import pytest


def test_the_demo_learns_and_says_what_it_took(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["incremental", "--blocks", "4", "--rows", "500"])
    runpy.run_module("incremental", run_name="__main__")
    shown = capsys.readouterr()
    assert "2,000 rows in 4 blocks" in shown.out
    assert float(re.search(r"accuracy +([\d.]+)", shown.out)[1]) > 0.7
    if find_spec("sklearn.callback"):  # before scikit-learn 1.9 it learns without a word
        assert "learned 4 of 4 blocks" in shown.err


def test_unknown_options_are_refused(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["incremental", "--block", "four"])
    with pytest.raises(SystemExit):
        runpy.run_module("incremental", run_name="__main__")
    assert "invalid int value: 'four'" in capsys.readouterr().err


def test_the_demo_runs_where_memory_cannot_be_measured(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    monkeypatch.setattr(sys, "argv", ["incremental", "--blocks", "2", "--rows", "200"])
    runpy.run_module("incremental", run_name="__main__")
    shown = capsys.readouterr().out
    assert "400 rows in 2 blocks" in shown
    assert "peak memory" not in shown


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory in another unit")
def test_memory_is_counted_in_bytes_on_macos_too(monkeypatch):
    peak_memory = runpy.run_module("incremental.__main__", run_name="demo")["peak_memory"]
    linux = peak_memory()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert linux // 1024 <= peak_memory() < linux
