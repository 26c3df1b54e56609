"""How calls of functions are typed: an array gives an array of the same float type, a Tensor gives a Tensor.

Every class below says that for the arrays a kind of function takes first; what follows them (`P`) is as the function declares it. Their
names are part of the signature, since they may be passed by name.
At run time the decorators return the function as it is.
"""

# A Tensor is something that NumPy can read too: overloads that overlap are taken in their order.
# mypy: disable-error-code="overload-overlap"
# pyright: reportOverlappingOverload=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__: list[str] = []

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

    import numpy as np
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from ..tensor import Parameter, Tensor

    P = ParamSpec("P")
    FloatT = TypeVar("FloatT", np.float32, np.float64)
    _Template = TypeVar("_Template", bound=Callable[..., Any])
    Sizes: TypeAlias = int | Sequence[int]
    Ratios: TypeAlias = float | Sequence[float]
    OutputSizes: TypeAlias = int | Sequence[int | None] | None

    class SupportsDLPack(Protocol):
        def __dlpack__(self) -> Any: ...

    # What NumPy or DLPack can read: lists, integers, float16, arrays of other libraries. Tensors come before it in every overload.
    Readable: TypeAlias = ArrayLike | SupportsDLPack
    Input: TypeAlias = Tensor | Readable
    # Beside an array neither makes the result a Tensor.
    Constant: TypeAlias = NDArray[Any] | Parameter

    class OneInput(Protocol[P]):
        @overload
        def __call__(self, input: NDArray[FloatT], *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class Logits(Protocol[P]):
        @overload
        def __call__(self, logits: NDArray[FloatT], *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, logits: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, logits: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class LogProbs(Protocol[P]):
        @overload
        def __call__(self, log_probs: NDArray[FloatT], *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, log_probs: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, log_probs: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputAndIndices(Protocol[P]):
        @overload
        def __call__(self, input: NDArray[FloatT], *args: P.args, **kwargs: P.kwargs) -> tuple[NDArray[FloatT], NDArray[np.int64]]: ...
        @overload
        def __call__(self, input: Tensor, *args: P.args, **kwargs: P.kwargs) -> tuple[Tensor, Tensor]: ...
        @overload
        def __call__(self, input: Readable, *args: P.args, **kwargs: P.kwargs) -> tuple[NDArray[Any], NDArray[np.int64]]: ...

    class Unpooled(Protocol[P]):
        @overload
        def __call__(self, input: NDArray[FloatT], indices: Input, *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Tensor, indices: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, indices: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputAndWeight(Protocol[P]):
        @overload
        def __call__(self, input: NDArray[FloatT], weight: Constant, *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Parameter, weight: NDArray[Any], *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...
        @overload
        def __call__(self, input: Tensor, weight: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, weight: Parameter, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...
        @overload
        def __call__(self, input: Readable, weight: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, weight: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputAndTarget(Protocol[P]):
        @overload
        def __call__(self, input: NDArray[FloatT], target: Constant, *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Parameter, target: NDArray[Any], *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...
        @overload
        def __call__(self, input: Tensor, target: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, target: Parameter, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...
        @overload
        def __call__(self, input: Readable, target: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, target: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class Pair(Protocol[P]):
        @overload
        def __call__(self, x1: NDArray[FloatT], x2: Constant, *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, x1: Parameter, x2: NDArray[Any], *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...
        @overload
        def __call__(self, x1: Tensor, x2: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, x1: Readable, x2: Parameter, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...
        @overload
        def __call__(self, x1: Readable, x2: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, x1: Readable, x2: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputAndGrid(Protocol[P]):
        @overload
        def __call__(self, input: NDArray[FloatT], grid: Constant, *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Tensor, grid: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, grid: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, grid: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class Thetas(Protocol[P]):
        @overload
        def __call__(self, theta: NDArray[FloatT], *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, theta: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, theta: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class Table(Protocol[P]):
        @overload
        def __call__(self, input: Readable, weight: NDArray[FloatT], *args: P.args, **kwargs: P.kwargs) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Tensor, weight: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, weight: Parameter, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...
        @overload
        def __call__(self, input: Readable, weight: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, weight: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputsAndWeight(Protocol[P]):
        @overload
        def __call__(
            self, input1: NDArray[FloatT], input2: Constant, weight: Constant, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input1: Tensor, input2: Input, weight: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input1: Readable, input2: Tensor, weight: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input1: Readable, input2: Readable, weight: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input1: Readable, input2: Readable, weight: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputsAndTarget(Protocol[P]):
        @overload
        def __call__(
            self, input1: NDArray[FloatT], input2: Constant, target: Constant, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input1: Tensor, input2: Input, target: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input1: Readable, input2: Tensor, target: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input1: Readable, input2: Readable, target: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input1: Readable, input2: Readable, target: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputTargetAndVariance(Protocol[P]):
        @overload
        def __call__(
            self, input: NDArray[FloatT], target: Constant, var: Constant, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Tensor, target: Input, var: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, target: Tensor, var: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, target: Readable, var: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, target: Readable, var: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class InputWeightAndTarget(Protocol[P]):
        @overload
        def __call__(
            self, input: NDArray[FloatT], linear_weight: Constant, target: Constant, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, input: Tensor, linear_weight: Input, target: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(
            self, input: Readable, linear_weight: Parameter, target: Readable, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[Any]: ...
        @overload
        def __call__(self, input: Readable, linear_weight: Tensor, target: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, input: Readable, linear_weight: Readable, target: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(
            self, input: Readable, linear_weight: Readable, target: Readable, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[Any]: ...

    class Triplet(Protocol[P]):
        @overload
        def __call__(
            self, anchor: NDArray[FloatT], positive: Constant, negative: Constant, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, anchor: Tensor, positive: Input, negative: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, anchor: Readable, positive: Tensor, negative: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, anchor: Readable, positive: Readable, negative: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, anchor: Readable, positive: Readable, negative: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    class QueryKeyValue(Protocol[P]):
        @overload
        def __call__(
            self, query: NDArray[FloatT], key: Constant, value: Constant, *args: P.args, **kwargs: P.kwargs
        ) -> NDArray[FloatT]: ...
        @overload
        def __call__(self, query: Tensor, key: Input, value: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, query: Readable, key: Tensor, value: Input, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, query: Readable, key: Readable, value: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor: ...
        @overload
        def __call__(self, query: Readable, key: Readable, value: Readable, *args: P.args, **kwargs: P.kwargs) -> NDArray[Any]: ...

    @overload
    def _max_pool(
        input: NDArray[FloatT],
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> NDArray[FloatT]: ...
    @overload
    def _max_pool(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> Tensor: ...
    @overload
    def _max_pool(
        input: Readable,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: Literal[False] = False,
    ) -> NDArray[Any]: ...
    @overload
    def _max_pool(
        input: NDArray[FloatT],
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
    ) -> tuple[NDArray[FloatT], NDArray[np.int64]]: ...
    @overload
    def _max_pool(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        *,
        return_indices: Literal[True],
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def _max_pool(
        input: Input,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any: ...
    def _max_pool(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    def _adaptive_max_pool(input: NDArray[FloatT], output_size: OutputSizes, return_indices: Literal[False] = False) -> NDArray[FloatT]: ...
    @overload
    def _adaptive_max_pool(input: Tensor, output_size: OutputSizes, return_indices: Literal[False] = False) -> Tensor: ...
    @overload
    def _adaptive_max_pool(input: Readable, output_size: OutputSizes, return_indices: Literal[False] = False) -> NDArray[Any]: ...
    @overload
    def _adaptive_max_pool(
        input: NDArray[FloatT], output_size: OutputSizes, return_indices: Literal[True]
    ) -> tuple[NDArray[FloatT], NDArray[np.int64]]: ...
    @overload
    def _adaptive_max_pool(input: Tensor, output_size: OutputSizes, return_indices: Literal[True]) -> tuple[Tensor, Tensor]: ...
    @overload
    def _adaptive_max_pool(input: Input, output_size: OutputSizes, return_indices: bool = False) -> Any: ...
    def _adaptive_max_pool(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    def _fractional_max_pool(
        input: NDArray[FloatT],
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: Literal[False] = False,
        _random_samples: Any = None,
    ) -> NDArray[FloatT]: ...
    @overload
    def _fractional_max_pool(
        input: Tensor,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: Literal[False] = False,
        _random_samples: Any = None,
    ) -> Tensor: ...
    @overload
    def _fractional_max_pool(
        input: NDArray[FloatT],
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        *,
        return_indices: Literal[True],
        _random_samples: Any = None,
    ) -> tuple[NDArray[FloatT], NDArray[np.int64]]: ...
    @overload
    def _fractional_max_pool(
        input: Tensor,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        *,
        return_indices: Literal[True],
        _random_samples: Any = None,
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def _fractional_max_pool(
        input: Input,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> Any: ...
    def _fractional_max_pool(*args: Any, **kwargs: Any) -> Any: ...

    @overload
    def _softmax(input: NDArray[FloatT], dim: int | None = None, _stacklevel: int = 3, dtype: None = None) -> NDArray[FloatT]: ...
    @overload
    def _softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DTypeLike | None = None) -> Tensor: ...
    @overload
    def _softmax(input: Readable, dim: int | None = None, _stacklevel: int = 3, dtype: DTypeLike | None = None) -> NDArray[Any]: ...
    def _softmax(*args: Any, **kwargs: Any) -> Any: ...

    def _signature_of(template: _Template) -> Callable[[Callable[..., Any]], _Template]: ...

    maxima = _signature_of(_max_pool)
    adaptive_maxima = _signature_of(_adaptive_max_pool)
    fractional_maxima = _signature_of(_fractional_max_pool)
    probabilities = _signature_of(_softmax)

    def one_input(function: Callable[Concatenate[Any, P], Any]) -> OneInput[P]: ...
    def logits(function: Callable[Concatenate[Any, P], Any]) -> Logits[P]: ...
    def log_probs(function: Callable[Concatenate[Any, P], Any]) -> LogProbs[P]: ...
    def input_and_indices(function: Callable[Concatenate[Any, P], Any]) -> InputAndIndices[P]: ...
    def unpooled(function: Callable[Concatenate[Any, Any, P], Any]) -> Unpooled[P]: ...
    def input_and_weight(function: Callable[Concatenate[Any, Any, P], Any]) -> InputAndWeight[P]: ...
    def input_and_target(function: Callable[Concatenate[Any, Any, P], Any]) -> InputAndTarget[P]: ...
    def input_and_grid(function: Callable[Concatenate[Any, Any, P], Any]) -> InputAndGrid[P]: ...
    def thetas(function: Callable[Concatenate[Any, P], Any]) -> Thetas[P]: ...
    def pair(function: Callable[Concatenate[Any, Any, P], Any]) -> Pair[P]: ...
    def table(function: Callable[Concatenate[Any, Any, P], Any]) -> Table[P]: ...
    def inputs_and_weight(function: Callable[Concatenate[Any, Any, Any, P], Any]) -> InputsAndWeight[P]: ...
    def inputs_and_target(function: Callable[Concatenate[Any, Any, Any, P], Any]) -> InputsAndTarget[P]: ...
    def input_target_and_variance(function: Callable[Concatenate[Any, Any, Any, P], Any]) -> InputTargetAndVariance[P]: ...
    def input_weight_and_target(function: Callable[Concatenate[Any, Any, Any, P], Any]) -> InputWeightAndTarget[P]: ...
    def triplet(function: Callable[Concatenate[Any, Any, Any, P], Any]) -> Triplet[P]: ...
    def query_key_value(function: Callable[Concatenate[Any, Any, Any, P], Any]) -> QueryKeyValue[P]: ...
else:

    def _as_it_is(function: Any) -> Any:
        return function

    one_input = logits = log_probs = input_and_indices = unpooled = input_and_weight = input_and_target = pair = table = _as_it_is
    inputs_and_weight = inputs_and_target = input_target_and_variance = input_weight_and_target = triplet = query_key_value = _as_it_is
    maxima = adaptive_maxima = fractional_maxima = probabilities = input_and_grid = thetas = _as_it_is
