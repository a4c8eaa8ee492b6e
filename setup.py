"""Build the Cython kernels; without a compiler the package runs on their plain references."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    ext_modules=cythonize(
        [
            Extension(
                ".".join(path.with_suffix("").parts),
                [str(path)],
                extra_compile_args=["-O3"],
                optional=True,
            )
            for folder in ("chains", "relayer")
            for path in sorted(Path(folder).rglob("_*_kernel.pyx"))
        ],
        language_level=3,
    )
)
