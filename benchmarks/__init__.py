"""One claim a file: ``python -m benchmarks`` checks them all, each in a process of its own."""

import os

# Must be set before NumPy is imported: a model that uses every core would hide what dask adds.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
