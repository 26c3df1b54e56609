"""How calls of layers are typed: an array gives an array of the same float type, a Tensor gives a Tensor.

Every template below is the overloaded signature of one kind of `forward`; `@one_input` over a `forward` gives it to type checkers and
editors.
At run time the decorators return the method as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

__all__: list[str] = []

_AnyCallable = TypeVar("_AnyCallable", bound=Callable[..., Any])

if TYPE_CHECKING:
    from typing import overload

    from numpy.typing import NDArray

    from ..functional._signatures import FloatT, Readable, _signature_of
    from ..tensor import Tensor
    from ..utils.rnn import PackedSequence

    @overload
    def _one_input(self: Any, input: NDArray[FloatT]) -> NDArray[FloatT]: ...
    @overload
    def _one_input(self: Any, input: Tensor) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _one_input(self: Any, input: Readable) -> NDArray[Any]: ...
    def _one_input(self: Any, input: Any) -> Any: ...

    @overload
    def _input_and_size(self: Any, input: NDArray[FloatT], output_size: Sequence[int] | None = None) -> NDArray[FloatT]: ...
    @overload
    def _input_and_size(self: Any, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _input_and_size(self: Any, input: Readable, output_size: Sequence[int] | None = None) -> NDArray[Any]: ...
    def _input_and_size(self: Any, input: Any, output_size: Any = None) -> Any: ...

    @overload
    def _unpooled(
        self: Any, input: NDArray[FloatT], indices: Readable | Tensor, output_size: Sequence[int] | None = None
    ) -> NDArray[FloatT]: ...
    @overload
    def _unpooled(self: Any, input: Tensor, indices: Readable | Tensor, output_size: Sequence[int] | None = None) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _unpooled(self: Any, input: Readable, indices: Readable | Tensor, output_size: Sequence[int] | None = None) -> NDArray[Any]: ...
    def _unpooled(self: Any, input: Any, indices: Any, output_size: Any = None) -> Any: ...

    @overload
    def _one_x(self: Any, x: NDArray[FloatT]) -> NDArray[FloatT]: ...
    @overload
    def _one_x(self: Any, x: Tensor) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _one_x(self: Any, x: Readable) -> NDArray[Any]: ...
    def _one_x(self: Any, x: Any) -> Any: ...

    @overload
    def _indices(self: Any, input: Tensor) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _indices(self: Any, input: Readable) -> NDArray[Any]: ...
    def _indices(self: Any, input: Any) -> Any: ...

    @overload
    def _bags(self: Any, input: Tensor, offsets: Any = None, per_sample_weights: Any = None) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _bags(self: Any, input: Readable, offsets: Any, per_sample_weights: Tensor) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _bags(self: Any, input: Readable, offsets: Any = None, *, per_sample_weights: Tensor) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _bags(self: Any, input: Readable, offsets: Any = None, per_sample_weights: Any = None) -> NDArray[Any]: ...
    def _bags(self: Any, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any: ...

    @overload
    def _input_and_target(self: Any, input: NDArray[FloatT], target: NDArray[Any]) -> NDArray[FloatT]: ...
    @overload
    def _input_and_target(self: Any, input: Tensor, target: Readable) -> Tensor: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def _input_and_target(self: Any, input: Readable, target: Tensor) -> Tensor: ...
    @overload
    def _input_and_target(self: Any, input: Readable, target: Readable) -> NDArray[Any]: ...
    def _input_and_target(self: Any, input: Any, target: Any) -> Any: ...

    @overload
    def _recurrent(self: Any, input: NDArray[FloatT], hx: NDArray[Any] | None = None) -> tuple[NDArray[FloatT], NDArray[FloatT]]: ...
    @overload
    def _recurrent(self: Any, input: Tensor, hx: Tensor | NDArray[Any] | None = None) -> tuple[Tensor, Tensor]: ...
    @overload
    def _recurrent(self: Any, input: PackedSequence, hx: Any = None) -> tuple[PackedSequence, Any]: ...
    @overload
    def _recurrent(self: Any, input: Readable, hx: Any = None) -> tuple[Any, Any]: ...
    def _recurrent(self: Any, input: Any, hx: Any = None) -> Any: ...

    @overload
    def _recurrent_pair(
        self: Any, input: NDArray[FloatT], hx: tuple[NDArray[Any], NDArray[Any]] | None = None
    ) -> tuple[NDArray[FloatT], tuple[NDArray[FloatT], NDArray[FloatT]]]: ...
    @overload
    def _recurrent_pair(
        self: Any, input: Tensor, hx: tuple[Tensor | NDArray[Any], Tensor | NDArray[Any]] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...
    @overload
    def _recurrent_pair(self: Any, input: PackedSequence, hx: Any = None) -> tuple[PackedSequence, tuple[Any, Any]]: ...
    @overload
    def _recurrent_pair(self: Any, input: Readable, hx: Any = None) -> tuple[Any, tuple[Any, Any]]: ...
    def _recurrent_pair(self: Any, input: Any, hx: Any = None) -> Any: ...

    @overload
    def _cell(self: Any, input: NDArray[FloatT], hx: NDArray[Any] | None = None) -> NDArray[FloatT]: ...
    @overload
    def _cell(self: Any, input: Tensor, hx: Tensor | NDArray[Any] | None = None) -> Tensor: ...
    @overload
    def _cell(self: Any, input: Readable, hx: Any = None) -> Any: ...
    def _cell(self: Any, input: Any, hx: Any = None) -> Any: ...

    @overload
    def _cell_pair(
        self: Any, input: NDArray[FloatT], hx: tuple[NDArray[Any], NDArray[Any]] | None = None
    ) -> tuple[NDArray[FloatT], NDArray[FloatT]]: ...
    @overload
    def _cell_pair(
        self: Any, input: Tensor, hx: tuple[Tensor | NDArray[Any], Tensor | NDArray[Any]] | None = None
    ) -> tuple[Tensor, Tensor]: ...
    @overload
    def _cell_pair(self: Any, input: Readable, hx: Any = None) -> tuple[Any, Any]: ...
    def _cell_pair(self: Any, input: Any, hx: Any = None) -> Any: ...

    one_input = _signature_of(_one_input)
    input_and_size = _signature_of(_input_and_size)
    unpooled = _signature_of(_unpooled)
    one_x = _signature_of(_one_x)
    indices = _signature_of(_indices)
    bags = _signature_of(_bags)
    input_and_target = _signature_of(_input_and_target)
    recurrent = _signature_of(_recurrent)
    recurrent_pair = _signature_of(_recurrent_pair)
    cell = _signature_of(_cell)
    cell_pair = _signature_of(_cell_pair)
else:

    def _as_it_is(forward: _AnyCallable) -> _AnyCallable:
        return forward

    one_input = input_and_size = unpooled = one_x = indices = bags = input_and_target = _as_it_is
    recurrent = recurrent_pair = cell = cell_pair = _as_it_is
