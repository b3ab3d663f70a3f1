"""What the package is tested with: ``nox -l`` lists the sessions, ``nox -s oldest`` runs one.

`docs/versions.rst` says which of them were run, and what came of it.  A session whose Python is not
installed is skipped.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["newest", "oldest_quick", "lint", "types"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.13t", "3.14t"]
SCIKIT_LEARNS = ["1.6", "1.7", "1.8", "1.9"]

#: What shows that another version of a dependency does what this package needs of it: all but
#: the tests of losses, of examples, of this repository, and of what only other libraries do.
CORE = [
    "tests/planning",
    "tests/learning",
    "tests/data",
    "tests/pipelines",
    "tests/scoring",
    "tests/summaries",
    "tests/estimator",
    "tests/engines",
    "--ignore=tests/engines/test_cluster_losses.py",
    "--ignore=tests/learning/test_ctrl_c.py",
    "tests/test_datasets.py",
    "tests/test_main.py",
    "tests/test_optional.py",
]

#: What of the core takes about a minute on two processors, and showed nearly all differences.
QUICK_CORE = ["tests/planning", "tests/data", "tests/summaries", "tests/pipelines", "tests/scoring"]

#: The oldest versions that `pyproject.toml` allows, and of what it does not name those that go with
#: them.  One line a package, as `pip install` takes it.
OLDEST = [
    "scikit-learn==1.6.*",
    "dask==2025.5.1",
    "distributed==2025.5.1",
    "numpy==1.26.*",
    "pandas==2.2.*",
    "pyarrow==16.*",
]

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def run_tests(session: nox.Session, *default: str) -> None:
    """Run the tests of the command line, or else those that the session is for."""
    session.run("pytest", *(session.posargs or default), env=THREADS)


@nox.session
def newest(session: nox.Session) -> None:
    """Everything, with the newest release of each dependency."""
    session.install("-e", ".[test]")
    run_tests(session)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """The core, with the oldest release of each dependency."""
    session.install("-e", ".[test]", *OLDEST)
    run_tests(session, *CORE)


@nox.session(python="3.11")
def oldest_quick(session: nox.Session) -> None:
    """What of the core takes a minute, with the oldest release of each dependency."""
    session.install("-e", ".[test]", *OLDEST)
    run_tests(session, *QUICK_CORE)


@nox.session(python=PYTHONS)
def python(session: nox.Session) -> None:
    """The core, with each Python."""
    session.install("-e", ".[test]")
    run_tests(session, *CORE)


@nox.session
@nox.parametrize("version", SCIKIT_LEARNS)
def scikit_learn(session: nox.Session, version: str) -> None:
    """The core, with each scikit-learn."""
    session.install("-e", ".[test]", f"scikit-learn=={version}.*")
    run_tests(session, *CORE)


@nox.session
def minimal(session: nox.Session) -> None:
    """Installs, imports, fits, scores and predicts without anything optional."""
    session.install(".")
    session.run("python", "tests/minimal.py", env=THREADS)


@nox.session
def prereleases(session: nox.Session) -> None:
    """The core, with what is about to be released."""
    session.env.update(PIP_PRE="1", UV_PRERELEASE="allow")
    session.install("-e", ".[test]")
    run_tests(session, *CORE)


@nox.session(python="3.11")
@nox.parametrize(
    "library", ["skorch", "river", "scikit-learn-intelex", "imbalanced-learn", "xarray", "skops"]
)
def thirdparty(session: nox.Session, library: str) -> None:
    """The tests of one other library, in an environment of its own: they disagree about others."""
    extra, tests = {
        "skorch": (["torch"], ["-m", "thirdparty", "tests/thirdparty/test_skorch.py"]),
        "river": ([], ["-m", "thirdparty", "tests/thirdparty/test_river.py"]),
        "scikit-learn-intelex": ([], ["-m", "thirdparty", "tests/thirdparty/test_sklearnex.py"]),
        "imbalanced-learn": ([], ["-m", "thirdparty", "tests/pipelines/test_refusals.py"]),
        "xarray": ([], ["tests/data/test_nearly_right.py"]),
        "skops": ([], ["-m", "thirdparty", "tests/test_skops.py"]),
    }[library]
    session.install("-e", ".[test]", library, *extra)
    run_tests(session, "-n0", *tests)


@nox.session
def types(session: nox.Session) -> None:
    """The types of the package, and a user's script."""
    session.install("-e", ".[test]")
    session.run("mypy")
    run_tests(session, "-n0", "-m", "slow", "tests/test_types.py")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors, and its links."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-q", "-W", "docs", "docs/_build", env=THREADS)
    session.run("python", "-m", "docs.tools.check_site", "docs/_build")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """The claims of the benchmarks; nothing else should run on the machine."""
    session.install("-e", ".[benchmark]")
    session.run("python", "-m", "benchmarks", *session.posargs, env=THREADS)


@nox.session
def lint(session: nox.Session) -> None:
    """The linter and the format."""
    session.install("ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def slow(session: nox.Session) -> None:
    """What takes long, and of which the other tests show most."""
    session.install("-e", ".[test]")
    run_tests(session, "-m", "slow")


@nox.session
def coverage(session: nox.Session) -> None:
    """Everything, counting the lines that ran; less than 99 % fails."""
    session.install("-e", ".[test]")
    run_tests(session, "--cov")


@nox.session
def random_order(session: nox.Session) -> None:
    """Everything, in three orders: no test needs what another one leaves."""
    session.install("-e", ".[test]")
    for seed in session.posargs or ("1", "2", "3"):
        session.run("pytest", "--random-order", f"--random-order-seed={seed}", env=THREADS)


@nox.session
def release(session: nox.Session) -> None:
    """The files of a release: built, checked, and used in a fresh environment."""
    session.install("build", "twine")
    out = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", out, "--installer", "uv")
    files = sorted(str(path) for path in Path(out).glob("dask_incremental-*"))
    session.run("twine", "check", "--strict", *files)
    (wheel,) = (file for file in files if file.endswith(".whl"))
    session.install(wheel)
    session.chdir(out)  # what is imported is what was installed
    session.run("python", "-m", "incremental", "--blocks", "20", env=THREADS)
