"""Parametrizations that layers are often given: weight_norm, spectral_norm and orthogonal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import init, operators
from .._native import matmul_forward
from ..modules.module import Module
from ..tape import operation
from ..tensor import Tensor
from .parametrize import register_parametrization
from .weight_hooks import as_matrix, checked_dim, default_dim, divided_by_sigma, norm_except_dim, normalized, random_unit, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_ModuleT = TypeVar("_ModuleT", bound=Module)


def _weight(module: Module, name: str) -> Any:
    weight = getattr(module, name, None)
    if not isinstance(weight, (Tensor, np.ndarray)):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def _raw(value: Any) -> NDArray[Any]:
    array: NDArray[Any] = value.data if isinstance(value, Tensor) else value
    return array


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return normalized(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> tuple[Any, Any]:
        return norm_except_dim(_raw(weight), self.dim), weight


class _OlderKeys:
    """Gives what utils.weight_norm has saved the names of the originals."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        older = [f"{prefix}{self.name}_{letter}" for letter in "gv"]
        if all(key in state_dict for key in older):
            for i, key in enumerate(older):
                state_dict[f"{prefix}parametrizations.{self.name}.original{i}"] = state_dict.pop(key)


def weight_norm(module: _ModuleT, name: str = "weight", dim: int | None = 0) -> _ModuleT:
    """Splits a weight into its length g and its direction v.

    w = g · v / ‖v‖

    g and v are the parameters `parametrizations.weight.original0` and `original1`. A state dict of `nn.utils.weight_norm`, with `weight_g`
    and `weight_v`, can be loaded too. `nn.utils.parametrize.remove_parametrizations` undoes it.

    Args:
        module: the layer, which is changed.
        name: its parameter.
        dim: the dimension along which each index has a norm of its own; None (or -1, as in PyTorch): one norm for all.

    Returns:
        module.

    **Shape**: original1 as the weight; original0 alike with 1 in place of all sizes but that of dim, () for one norm.

    Raises:
        ValueError: module has no such parameter or buffer.
        IndexError: it has no dimension dim.

    Example:
        >>> layer = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
        >>> layer
        ParametrizedLinear(
          in_features=20, out_features=40, bias=True
          (parametrizations): ModuleDict(
            (weight): ParametrizationList(
              (0): _WeightNorm()
            )
          )
        )
        >>> layer.parametrizations.weight.original0.shape
        (40, 1)

    Reference: Salimans, Kingma: Weight Normalization (2016).
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    module.register_load_state_dict_pre_hook(_OlderKeys(name))
    return module


class _SpectralNorm(Module):
    _u: NDArray[Any]
    _v: NDArray[Any]

    def __init__(self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        self.dim = checked_dim(dim, weight.ndim)
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.n_power_iterations, self.eps = n_power_iterations, eps
        if weight.ndim > 1:
            matrix = as_matrix(_raw(weight), self.dim)
            self.register_buffer("_u", random_unit(matrix.shape[0], matrix.dtype, eps))
            self.register_buffer("_v", random_unit(matrix.shape[1], matrix.dtype, eps))
            self._power_method(matrix, 15)

    def _power_method(self, matrix: NDArray[Any], n_power_iterations: int) -> None:
        for _ in range(n_power_iterations):
            self._u[...] = unit(operators.matmul(matrix, self._v), self.eps)
            self._v[...] = unit(operators.matmul(matrix.T, self._u), self.eps)

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return weight / operators.maximum(operators.norm(weight), self.eps)
        if self.training:
            self._power_method(as_matrix(_raw(weight), self.dim), self.n_power_iterations)
        # Copies: the next call changes _u and _v, which this one's derivative needs.
        return divided_by_sigma(weight, u=self._u.copy(), v=self._v.copy(), dim=self.dim)

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: _ModuleT, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> _ModuleT:
    """Divides a weight by its largest singular value, which power iteration follows: the layer then has Lipschitz constant 1.

        w = W / σ,   σ = uᵀ W v,   u = Wv / ‖Wv‖,   v = Wᵀu / ‖Wᵀu‖

    W is the parameter `parametrizations.weight.original`, with more than two dimensions taken as a matrix; a vector is divided by its norm.
    The buffers u and v, `parametrizations.weight.0._u` and `_v`, start from 15 iterations, and every reading of the weight in training mode
    improves them.

    Args:
        module: the layer, which is changed.
        name: its parameter.
        n_power_iterations: iterations whenever the weight is read in training mode.
        eps: ε, the least norm that is divided by.
        dim: the dimension of the outputs; None: 1 for transposed convolutions, else 0.

    Returns:
        module.

    **Shape**: original as the weight, _u (rows of W), _v (columns of W).

    Raises:
        ValueError: module has no such parameter or buffer, or n_power_iterations is not positive.
        IndexError: it has no dimension dim.

    Example:
        >>> layer = nn.utils.parametrizations.spectral_norm(nn.Linear(20, 40), n_power_iterations=50)
        >>> round(float(np.linalg.norm(layer.weight.numpy(), 2)), 1)
        1.0

    Reference: Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks (2018).
    """
    weight = _weight(module, name)
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, default_dim(module, dim), eps))


# Orthogonal matrices: Q of (..., n, k), n >= k, from X of the same shape. All is computed in float64.


def _wide(x: Any) -> NDArray[np.float64]:
    return np.ascontiguousarray(x, dtype=np.float64)


def _mT(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def _exp(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """The exponential of square matrices: Taylor's polynomial of a / 2ˢ with ‖a / 2ˢ‖₁ <= 1/2, squared s times."""
    norm = float(np.abs(a).sum(-2).max(initial=0))
    s = max(0, math.ceil(math.log2(norm)) + 1) if 0 < norm < math.inf else 0
    scaled, identity = a / 2.0**s, np.eye(a.shape[-1])
    y = np.broadcast_to(identity, a.shape)
    for k in range(16, 0, -1):
        y = identity + matmul_forward(scaled, np.ascontiguousarray(y)) / k
    for _ in range(s):
        y = matmul_forward(y, y)
    return y


@operation
def _matrix_exp(a: Any) -> Any:
    """exp(a); the derivative is a block of the exponential of a matrix of twice the size (Higham: Functions of Matrices, 3.16)."""
    n = a.shape[-1]

    def backward(dy: Any, wanted: Any) -> Any:
        transposed = _mT(a)
        block = np.concatenate(
            [np.concatenate([transposed, dy], -1), np.concatenate([np.zeros_like(a), transposed], -1)], -2, dtype=np.float64
        )
        return (_exp(block)[..., :n, n:].astype(dy.dtype),)

    return _exp(_wide(a)).astype(a.dtype), backward


@operation
def _cayley(a: Any) -> Any:
    """(I - a/2)⁻¹ (I + a/2)"""
    half, identity = _wide(a) / 2, np.eye(a.shape[-1])
    y = np.linalg.solve(identity - half, identity + half)

    def backward(dy: Any, wanted: Any) -> Any:
        through = np.linalg.solve(_mT(identity - half), _wide(dy))
        return ((through + matmul_forward(through, np.ascontiguousarray(_mT(y)))).astype(dy.dtype) / 2,)

    return y.astype(a.dtype), backward


@operation
def _reflected(x: Any) -> Any:
    """H₁ ... Hₖ E · sign(diag x), Hᵢ = I - 2 v vᵀ / (vᵀv), v = eᵢ + column i of x below its diagonal, E the first columns of I."""
    n, k = x.shape[-2:]
    v = _wide(np.tril(x, -1)) + np.eye(n, k)
    # As PyTorch's ±1, and as what it means also where weight decay has made them smaller.
    signs = np.where(np.diagonal(x, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :]
    factor = 2 / np.square(v).sum(-2)

    def reflect(i: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
        column = v[..., i, None]
        return np.asarray(p - factor[..., i, None, None] * column * (column * p).sum(-2, keepdims=True))

    y = np.broadcast_to(np.eye(n, k), v.shape)
    for i in range(k - 1, -1, -1):
        y = reflect(i, y)

    def backward(dy: Any, wanted: Any) -> Any:
        g, p, dv = _wide(dy) * signs, y, np.zeros_like(v)
        for i in range(k):
            column, f = v[..., i], factor[..., i, None]
            p = reflect(i, p)  # what Hᵢ was applied to
            along = (column[..., None] * p).sum(-2, keepdims=True)
            across = (column[..., None] * g).sum(-2, keepdims=True)
            dv[..., i] = f * (f * (along * across).sum(-1) * column - (g * along).sum(-1) - (p * across).sum(-1))
            g = reflect(i, g)
        return (np.tril(dv, -1).astype(dy.dtype),)

    return (y * signs).astype(x.dtype), backward


def _orthonormal(a: NDArray[Any]) -> NDArray[Any]:
    """The Q of a = QR with the diagonal of R not negative."""
    q, r = np.linalg.qr(_wide(a))
    return np.asarray(q * np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)[..., None, :])


_MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    base: NDArray[Any] | None

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape, self.orthogonal_map, self.use_trivialization = tuple(weight.shape), orthogonal_map, use_trivialization
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Any:
        transposed = X.shape[-2] < X.shape[-1]
        x = operators.swapaxes(X, -1, -2) if transposed else X
        n, k = x.shape[-2:]
        if self.orthogonal_map == "householder":
            q = _reflected(x)
        else:
            square = operators.tril(x)
            if n != k:
                square = operators.cat([square, np.zeros((*x.shape[:-2], n, n - k), x.dtype)], -1)
            skew = square - operators.swapaxes(square, -1, -2)
            q = _matrix_exp(skew) if self.orthogonal_map == "matrix_exp" else _cayley(skew)
            if n != k:
                q = q[..., :k]
        if self.use_trivialization:
            q = operators.matmul(self.base, q)
        return operators.swapaxes(q, -1, -2) if transposed else q

    def right_inverse(self, Q: Any) -> Any:
        if tuple(Q.shape) != self.shape:
            raise ValueError(f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {tuple(Q.shape)}.")
        given = _raw(Q)
        dtype, transposed = given.dtype, given.shape[-2] < given.shape[-1]
        q = _mT(given) if transposed else given
        n, k = q.shape[-2:]
        if self.use_trivialization:
            if n > k:
                more = init.normal_(np.empty((*q.shape[:-2], n, n - k), dtype))
                q = _orthonormal(np.concatenate([q, more], -1))
            elif not np.allclose(matmul_forward(np.ascontiguousarray(_mT(q)), q), np.eye(k), atol=10 * n * np.finfo(dtype).eps):
                q = _orthonormal(q)
            self.base = np.array(q, dtype)
            return np.broadcast_to(-np.eye(*given.shape[-2:], dtype=dtype), given.shape).copy()
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley parametrizations when use_trivialization=False."
            )
        raw, tau = np.linalg.qr(_wide(q), mode="raw")
        a = _mT(raw).copy()
        diagonal = np.diagonal(a, axis1=-2, axis2=-1)
        # A reflection that LAPACK leaves out is the one that changes the sign of its direction.
        signs = np.where(diagonal < 0, -1.0, 1.0) * np.where(tau == 0, -1.0, 1.0)
        a = a * (1 - np.eye(n, k)) + np.eye(n, k) * signs[..., None, :]
        return (_mT(a) if transposed else a).astype(dtype)


def orthogonal(module: _ModuleT, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True) -> _ModuleT:
    """Keeps a matrix, or each matrix of a batch, orthogonal while it is trained.

    Qᵀ Q = I for n >= k, otherwise Q Qᵀ = I

    The columns of a tall matrix, or the rows of a wide one, are orthonormal. Q is computed from any X of its shape, by
    "matrix_exp", Q = B exp(A), "cayley", Q = B (I - A/2)⁻¹ (I + A/2), A = L - Lᵀ with L the lower triangle of X, or "householder", Q = B
    times reflections along the columns of X below its diagonal. B, the buffer `parametrizations.weight.0.base`, is the matrix that it
    starts from.

    Args:
        module: the layer, which is changed.
        name: its parameter.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; None: "matrix_exp" for square matrices, else "householder".
        use_trivialization: whether there is a B. Without, exp and the Cayley map start from X = the weight, and no matrix can be assigned.

    Returns:
        module.

    **Shape**: X as the weight (..., n, k), B (..., m, m), m = max(n, k).

    Raises:
        ValueError: module has no such parameter or buffer, it is no matrix, or the map is unknown.

    Differences from PyTorch:
        A weight of less than full rank starts from an orthogonal matrix too, and weight decay cannot make the signs of "householder" 0.

    Example:
        >>> layer = nn.utils.parametrizations.orthogonal(nn.Linear(20, 40))
        >>> q = layer.weight.numpy()
        >>> np.allclose(q.T @ q, np.eye(20), atol=1e-5)
        True

    Reference: Lezcano-Casado: Trivializations for Gradient-Based Optimization on Manifolds (2019).
    """
    weight = _weight(module, name)
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    orth = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, orth, unsafe=True)
