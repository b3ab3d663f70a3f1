"""What is optional is not imported, and not needed."""

import subprocess
import sys
from importlib.util import find_spec

OPTIONAL = "pandas", "distributed", "rich", "matplotlib"


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_importing_brings_in_nothing_optional_that_scikit_learn_does_not():
    # scikit-learn imports pandas and rich itself where they are installed.
    callbacks = ", sklearn.callback" if find_spec("sklearn.callback") else ""
    code = (
        f"import sys, dask.array, sklearn.decomposition{callbacks}; before = set(sys.modules)"
        f"; import incremental; print(set({OPTIONAL}) & (set(sys.modules) - before))"
    )
    assert run_python(code).stdout.strip() == "set()"


def test_imports_and_fits_where_nothing_optional_is_installed():
    code = f"""
import sys
class NotInstalled:
    def find_spec(self, name, *args):
        if name.split(".")[0] in {OPTIONAL}:
            raise ImportError(name)
sys.meta_path.insert(0, NotInstalled())
import numpy as np, dask.array as da
from sklearn.linear_model import SGDClassifier
from incremental import Incremental
X = da.ones((10, 2), chunks=5)
print(Incremental(SGDClassifier()).fit(X, np.arange(10) % 2).predict(X).compute().shape)
"""
    done = run_python(code)
    assert done.stdout.strip() == "(10,)", done.stderr
