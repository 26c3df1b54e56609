"""Arrays of other libraries in, Tensors out, threadpoolctl, and modules in other processes; what is not installed is left out."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest

import swiftnn as nn
from swiftnn import _native

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


@pytest.fixture
def layer() -> nn.Linear:
    nn.manual_seed(0)
    return nn.Linear(4, 3)


class DLPackOnly:
    """An array of a library that NumPy does not know, in the CPU's memory."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def foreign(library: str) -> Any:
    if library == "dlpack":
        return DLPackOnly(X)
    if library == "buffer":
        return memoryview(X)
    module = pytest.importorskip(library)
    if library == "torch":
        return module.from_numpy(X)
    if library == "pandas":
        return module.DataFrame(X)
    return module.numpy.asarray(X)


@pytest.mark.parametrize("library", ["dlpack", "buffer", "torch", "jax", "pandas"])
@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(4, 3), lambda: nn.LSTM(4, 3), lambda: nn.LayerNorm(4), lambda: nn.Softmax(-1), lambda: nn.Flatten(0)]
)
def test_layers_read_arrays_of_other_libraries(library: str, make: Any) -> None:
    layer, x = make(), foreign(library)
    before = _native.copies()
    y, expected = layer(x), layer(X)
    assert _native.copies() == before
    for got, want in zip(y if isinstance(y, tuple) else (y,), expected if isinstance(expected, tuple) else (expected,)):
        np.testing.assert_equal(got, want)
    assert isinstance(y if not isinstance(y, tuple) else y[0], np.ndarray)


@pytest.mark.parametrize("library", ["dlpack", "buffer", "torch"])
def test_tensor_shares_memory_with_what_it_is_made_of(library: str) -> None:
    x = foreign(library)
    t = nn.Tensor(np.from_dlpack(x) if library == "dlpack" else x)
    assert np.shares_memory(t.data, X)


def test_arrow_columns(layer: nn.Linear) -> None:
    arrow = pytest.importorskip("pyarrow")
    row = arrow.array(X[0])
    np.testing.assert_array_equal(layer(row), layer(X[0]))
    np.testing.assert_array_equal(layer(arrow.chunked_array([row[:2], row[2:]])), layer(X[0]))


def test_pandas_columns(layer: nn.Linear) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    np.testing.assert_array_equal(nn.ReLU()(frame["b"]), np.maximum(X[:, 1], 0))
    with pytest.raises(TypeError, match=r"linear: input has dtype object"):
        layer(pandas.DataFrame({name: list("xyz") for name in "abcd"}))


def test_a_torch_tensor_on_torchs_tape_is_refused(layer: nn.Linear) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError, match="detach"):
        layer(torch.ones(2, 4, requires_grad=True))


@pytest.mark.parametrize("library", ["numpy", "torch", "jax.numpy"])
def test_tensors_leave_through_dlpack(library: str) -> None:
    module = pytest.importorskip(library)
    t = nn.Tensor(X) + 0  # in memory of ours: JAX copies what begins elsewhere than at a line of the caches
    assert t.__dlpack_device__() == (1, 0)
    out = module.from_dlpack(t)
    np.testing.assert_array_equal(np.asarray(out), X)
    t.data[0, 0] = 7  # the other side may be read-only, as NumPy's was before 2.1
    assert out[0, 0] == 7


def test_tensors_leave_through_array() -> None:
    t = nn.Tensor(X.copy())
    assert np.shares_memory(np.asarray(t), t.data)
    assert np.asarray(t, np.float64).dtype == np.float64


@pytest.mark.parametrize("leave", [np.asarray, np.from_dlpack])
def test_a_tensor_on_the_tape_does_not_leave_in_silence(leave: Any) -> None:
    with pytest.raises(TypeError, match="detach"):
        leave(nn.Tensor(X, requires_grad=True))


def test_threadpoolctl_sees_and_limits_the_pool() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl")
    nn.interop.register_threadpoolctl()
    nn.interop.register_threadpoolctl()
    before = nn.get_num_threads()
    try:
        nn.set_num_threads(3)
        (info,) = [each for each in threadpoolctl.threadpool_info() if each["user_api"] == "swiftnn"]
        assert info["prefix"] == "libswiftnn" and info["num_threads"] == 3 and info["version"] == nn.__version__
        elsewhere = []
        with threadpoolctl.threadpool_limits(2):
            assert nn.get_num_threads() == 2
            with threadpoolctl.threadpool_limits({"swiftnn": 1}):
                assert nn.get_num_threads() == 1
                thread = threading.Thread(target=lambda: elsewhere.append(nn.get_num_threads()))
                thread.start()
                thread.join()
            assert nn.get_num_threads() == 2
        assert nn.get_num_threads() == 3 and elsewhere == [3]
        nn.set_num_threads(4)  # nothing of the limits stays
        assert nn.get_num_threads() == 4
    finally:
        nn.set_num_threads(before)


def test_without_threadpoolctl_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(ImportError, match="pip install threadpoolctl"):
        nn.interop.register_threadpoolctl()


def big_model() -> nn.Sequential:
    """Large enough that its kernels run on the pool."""
    nn.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 32 * 32, 64)).eval()


def run(model: nn.Module, x: np.ndarray) -> np.ndarray:
    return model(x)


@pytest.mark.filterwarnings("ignore:.*fork.*")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_modules_travel_to_other_processes(method: str) -> None:
    """The pool's threads are not there in a forked child, which has to start its own."""
    model, x = big_model(), np.random.default_rng(2).standard_normal((4, 3, 32, 32), np.float32)
    expected = model(x)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for y in pool.starmap_async(run, [(model, x)] * 3).get(timeout=60):
            np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(model(x), expected)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(backend: str) -> None:
    joblib = pytest.importorskip("joblib")
    model, x = big_model(), np.random.default_rng(2).standard_normal((4, 3, 32, 32), np.float32)
    expected = model(x)
    for y in joblib.Parallel(n_jobs=2, backend=backend, timeout=60)(joblib.delayed(model)(x) for _ in range(3)):
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_keeps_bits(protocol: int) -> None:
    model, x = big_model(), np.ones((1, 3, 32, 32), np.float32)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model, protocol))(x), model(x))
