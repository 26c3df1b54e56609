"""Other libraries: what needs more than an array that changes hands.

Arrays of other libraries go in as they are. A layer reads PyTorch tensors, JAX arrays, pandas and Arrow columns through `__array__`,
DLPack or the buffer protocol, without a copy where they are float32 or float64 in the CPU's memory; an ndarray comes out. Tensors leave
through `__array__` and `__dlpack__`: `np.asarray(t)`, `torch.from_dlpack(t)`, `jax.numpy.from_dlpack(t)`.
"""

from __future__ import annotations

from typing import Any

from . import __version__, _native

__all__ = ["register_threadpoolctl"]


def register_threadpoolctl() -> None:
    """Lets threadpoolctl see and limit the threads of the kernels, as it does those of BLAS and OpenMP.

    threadpoolctl has no way to ask libraries for this, so it takes one call. Afterwards `threadpool_info()` has an entry with
    `user_api="swiftnn"`, and `threadpool_limits` limits operations called from its thread as `nn.threads` does: it cannot go beyond
    `nn.set_num_threads`. A second call does nothing.

    Raises:
        ImportError: threadpoolctl is not installed.

    Example:
        >>> import threadpoolctl
        >>> nn.interop.register_threadpoolctl()
        >>> with threadpoolctl.threadpool_limits(1, user_api="swiftnn"):
        ...     nn.get_num_threads()
        1
    """
    try:
        import threadpoolctl
    except ImportError as error:
        raise ImportError("register_threadpoolctl() needs threadpoolctl; install it with: pip install threadpoolctl") from error
    if any(controller.internal_api == "swiftnn" for controller in threadpoolctl._ALL_CONTROLLERS):
        return

    class SwiftNNController(threadpoolctl.LibController):  # type: ignore[misc]
        user_api = "swiftnn"
        internal_api = "swiftnn"
        filename_prefixes = ("libswiftnn",)  # threadpoolctl compares in lower case
        check_symbols = ("snn_get_num_threads", "snn_set_thread_limit")

        def get_num_threads(self) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
            return _native.get_num_threads()

        def set_num_threads(self, num_threads: int) -> Any:
            _native.set_thread_limit(0)
            # At the number of the process there is no limit to keep: a later nn.set_num_threads has to show.
            if num_threads < _native.get_num_threads():
                _native.set_thread_limit(num_threads)

        def get_version(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
            return __version__

    threadpoolctl.register(SwiftNNController)
