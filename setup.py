"""Build the Cython kernels; without a compiler the package runs on their plain references."""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    ext_modules=cythonize(
        [
            Extension(
                "relayer.risk._health_kernel",
                ["relayer/risk/_health_kernel.pyx"],
                extra_compile_args=["-O3"],
                optional=True,
            )
        ],
        language_level=3,
    )
)
