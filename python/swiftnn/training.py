"""The training loop that need not be written: `fit`, what it calls after batches and epochs, and what it returns."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checkpoint, random
from .modules.module import Module
from .optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau
from .optim.optimizer import Optimizer
from .tape import no_grad
from .tensor import Tensor
from .utils.clip_grad import clip_grad_norm_
from .utils.rnn import PackedSequence

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Callback", "Checkpoint", "EarlyStopping", "History", "Run", "fit"]

_FORMAT = 1


class History(dict[str, "NDArray[np.float64]"]):
    """What `fit` has measured: an array with one entry for each epoch under "loss", "lr", the metrics, and "val_..." of each.

    Example:
        >>> history = nn.training.History(loss=np.array([0.5, 0.25]))
        >>> history.append({"loss": 0.125})
        >>> history["loss"]
        array([0.5  , 0.25 , 0.125])
    """

    def append(self, entries: Mapping[str, float]) -> None:
        """Adds an epoch; NaN stands where an epoch has no value of a name."""
        epochs = max(map(len, self.values()), default=0)
        for name in {**self, **entries}:
            before = self.get(name, np.full(epochs, np.nan))
            self[name] = np.append(before, np.float64(entries.get(name, np.nan)))

    def plot(self, axes: Any = None) -> Any:
        """Draws every curve beside its validation curve, a panel for each name: `nn.plot.history(self, axes)`; needs matplotlib.

        Args:
            axes: matplotlib axes, one for each panel; `None`: a new figure.

        Returns:
            The axes.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from . import plot

        return plot.history(self, axes)


class Run:
    """A run of `fit`: what a callback is given.

    Attributes:
        model, loader, optimizer, scheduler: as given to `fit`.
        history: the epochs that are over.
        epoch: how many epochs are over.
        batch: how many batches of the present epoch are over, 0 between epochs.
        logs: the measurements of the epoch that has just ended, or of the present one so far.
        stop: set to True, it ends the training after this batch's or epoch's callbacks.
    """

    def __init__(self, model: Module, loader: Any, optimizer: Optimizer, scheduler: LRScheduler | None, callbacks: list[Callback]) -> None:
        self.model = model
        self.loader = loader
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.callbacks = callbacks
        self.history = History()
        self.epoch = 0
        self.batch = 0
        self.logs: dict[str, float] = {}
        self.stop = False
        # Sums of measurements times samples, and samples, of the present epoch.
        self._sums: dict[str, float] = {}
        self._samples = 0

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides how the run goes on: parameters, optimizer, scheduler, random numbers, order of samples, callbacks."""
        model = self.model.state_dict()
        state: dict[str, Any] = {
            "format": _FORMAT,
            "model": dict(model),
            "metadata": dict(getattr(model, "_metadata", {})),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "loader": self.loader.state_dict() if hasattr(self.loader, "state_dict") else None,
            "random": random.get_rng_state(),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "history": dict(self.history),
            "logs": dict(self.logs),
        }
        return state | {name: getattr(self, name) for name in ("epoch", "batch", "stop", "_sums", "_samples")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to where `state_dict` was taken.

        Raises:
            ValueError: the state is of a run with other callbacks or another kind of scheduler.
        """
        if "format" not in state:
            raise ValueError("it is not a checkpoint of fit: it has no entry 'format'")
        if state["format"] != _FORMAT:
            raise ValueError(f"the checkpoint has format {state['format']}, this version reads {_FORMAT}")
        if len(state["callbacks"]) != len(self.callbacks):
            raise ValueError(f"the checkpoint is of a run with {len(state['callbacks'])} callbacks, this one has {len(self.callbacks)}")
        if (state["scheduler"] is None) != (self.scheduler is None):
            raise ValueError(f"the checkpoint is of a run {'without' if state['scheduler'] is None else 'with'} a scheduler; pass the same")
        parameters = _State(state["model"])
        parameters._metadata = state["metadata"]
        self.model.load_state_dict(parameters)
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        if state["loader"] is not None:
            self.loader.load_state_dict(state["loader"])
        for callback, own in zip(self.callbacks, state["callbacks"]):
            callback.load_state_dict(own)
        self.history = History(state["history"])
        self.logs = dict(state["logs"])
        for name in ("epoch", "batch", "stop", "_sums", "_samples"):
            setattr(self, name, state[name])
        # Last: making the model or loader may have drawn numbers.
        random.set_rng_state(state["random"])

    def _measure(self, values: Mapping[str, float], samples: int) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * samples
        self._samples += samples
        self.logs = {name: total / self._samples for name, total in self._sums.items()}


class _State(dict[str, Any]):
    """A state dict with the versions of its modules."""

    _metadata: dict[str, Any]


class Callback:
    """Base class of what `fit` calls; a plain function of the Run stands for `on_epoch`.

    Example:
        >>> class Print(nn.training.Callback):
        ...     def on_epoch(self, run):
        ...         print(run.epoch, run.logs["loss"])
    """

    def on_batch(self, run: Run) -> None:
        """Called after each batch."""

    def on_epoch(self, run: Run) -> None:
        """Called after each epoch, when validation is done and the learning rate of the next epoch is set."""

    def on_end(self, run: Run) -> None:
        """Called when the training is over."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to where `state_dict` was taken."""


class _Function(Callback):
    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_epoch(self, run: Run) -> None:
        self.function(run)


class EarlyStopping(Callback):
    """Ends the training when a measurement has not improved for some epochs.

    Args:
        monitor: name of the measurement; `None`: "val_loss", or "loss" without validation.
        patience: how many epochs without improvement are borne.
        min_delta: how much is an improvement.
        mode: "min" where smaller is better, "max" where larger is; `None`: "min" for losses, else "max".
        restore_best: puts the parameters of the best epoch back at the end.

    Raises:
        ValueError: mode is unknown.
        KeyError: (from `fit`) there is no such measurement.

    Example:
        >>> stopping = nn.training.EarlyStopping(patience=2)
        >>> run = nn.training.Run(nn.Identity(), [], None, None, [stopping])
        >>> for loss in (3.0, 2.0, 2.5, 2.1):
        ...     run.logs = {"val_loss": loss}
        ...     stopping.on_epoch(run)
        >>> run.stop
        True
    """

    def __init__(
        self, monitor: str | None = None, patience: int = 10, min_delta: float = 0.0, mode: str | None = None, restore_best: bool = False
    ) -> None:
        if mode not in (None, "min", "max"):
            raise ValueError(f"mode must be 'min', 'max' or None, got {mode!r}")
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode
        self.restore_best = restore_best
        self.best: float | None = None
        self.bad_epochs = 0
        self.best_state: dict[str, Any] | None = None

    def on_epoch(self, run: Run) -> None:
        current = _monitored(run, self.monitor)
        if self.best is None or _is_better(current, self.best, self.monitor, self.mode, self.min_delta):
            self.best = current
            self.bad_epochs = 0
            if self.restore_best:
                self.best_state = {name: np.array(array) for name, array in run.model.state_dict().items()}
        else:
            self.bad_epochs += 1
            if self.bad_epochs >= self.patience:
                run.stop = True

    def on_end(self, run: Run) -> None:
        if self.best_state is not None:
            run.model.load_state_dict(self.best_state)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "bad_epochs": self.bad_epochs, "best_state": self.best_state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)


def _monitored(run: Run, name: str | None) -> float:
    name = name or ("val_loss" if "val_loss" in run.logs else "loss")
    if name not in run.logs:
        raise KeyError(f"there is no measurement {name!r} to monitor; there are {sorted(run.logs)}")
    return run.logs[name]


def _is_better(current: float, best: float, name: str | None, mode: str | None, delta: float = 0.0) -> bool:
    smaller = mode == "min" if mode else name is None or "loss" in name
    return current < best - delta if smaller else current > best + delta


class Checkpoint(Callback):
    """Saves the whole run, so that `fit(..., resume=...)` goes on as if nothing had happened, to the bit.

    The file is replaced in one step when the new one is on the disk completely: whenever the process is killed, a whole one is there.

    Args:
        path: the file.
        every: number of epochs between two savings.
        every_batches: number of batches between two savings within an epoch; `None`: none within.
        best: saves only when this measurement is the best so far, e.g. "val_loss".
        mode: "min" where smaller is better, "max" where larger is; `None`: "min" for losses, else "max".

    Raises:
        ValueError: every or every_batches is not positive, or mode is unknown.

    Example:
        >>> nn.training.Checkpoint("run.ckpt", every=5).path
        'run.ckpt'
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: int = 1,
        every_batches: int | None = None,
        best: str | None = None,
        mode: str | None = None,
    ) -> None:
        if every < 1 or (every_batches is not None and every_batches < 1):
            raise ValueError(f"every and every_batches must be positive, got {every} and {every_batches}")
        if mode not in (None, "min", "max"):
            raise ValueError(f"mode must be 'min', 'max' or None, got {mode!r}")
        self.path = os.fspath(path)
        self.every = every
        self.every_batches = every_batches
        self.best = best
        self.mode = mode
        self.best_value: float | None = None

    def on_batch(self, run: Run) -> None:
        if self.every_batches is not None and run.batch % self.every_batches == 0:
            checkpoint.npz_file.write(self.path, run.state_dict())

    def on_epoch(self, run: Run) -> None:
        if self.best is not None:
            current = _monitored(run, self.best)
            if self.best_value is not None and not _is_better(current, self.best_value, self.best, self.mode):
                return
            self.best_value = current
        elif run.epoch % self.every and not run.stop:
            return
        checkpoint.npz_file.write(self.path, run.state_dict())

    def state_dict(self) -> dict[str, Any]:
        return {"best_value": self.best_value}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)


Metric = Callable[[Any, Any], Any]


def fit(
    model: Module,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any] | Module,
    optimizer: Optimizer,
    epochs: int,
    *,
    validation: Iterable[Any] | None = None,
    scheduler: LRScheduler | None = None,
    callbacks: Callback | Callable[[Run], Any] | Sequence[Callback | Callable[[Run], Any]] = (),
    metrics: Sequence[str | Metric] | Mapping[str, str | Metric] = (),
    clip_grad_norm: float | None = None,
    schedule_each: str | None = None,
    forward: Callable[[Any, Any], tuple[Any, Any]] | None = None,
    progress: bool | None = None,
    resume: bool | str | os.PathLike[str] = False,
) -> History:
    """Trains a model: forward, loss, backward and a step of the optimizer for every batch, epoch by epoch.

    Args:
        model: the model; it is in training mode in the training batches, and its modules are as they were at the end.
        loader: batches of arrays (inputs, ..., targets), e.g. a DataLoader.
        loss: `loss(output, targets)`, a scalar that is a mean over the batch, e.g. `nn.CrossEntropyLoss()`.
        optimizer: the optimizer of the model's parameters.
        epochs: how often the loader is gone through, counted from the first start where a run is resumed.
        validation: batches on which loss and metrics are computed after each epoch, in evaluation mode.
        scheduler: the schedule of the learning rate.
        callbacks: Callbacks, or functions of the Run that are called after each epoch.
        metrics: "accuracy" or functions of the arrays (output, targets) that return a mean over the batch; or a dict of them by name.
        clip_grad_norm: the largest norm of all gradients together; larger ones are scaled down.
        schedule_each: "epoch" or "batch": when the scheduler takes a step; `None`: "batch" for OneCycleLR and CyclicLR, else "epoch".
        forward: `forward(model, batch)` returns (output, targets) where the batch is not (inputs, ..., targets).
        progress: shows a bar (needs tqdm); `None`: where tqdm is installed and the output is a terminal.
        resume: a file that a Checkpoint has written, or True: that of the Checkpoint among callbacks, if it is there already.

    Returns:
        A History, a dict of arrays with an entry for each epoch: "loss", "lr", the metrics, and "val_..." of them.

    Raises:
        TypeError: a batch has no targets, or an argument is of the wrong kind.
        ValueError: an option is unknown, epochs is negative, or a checkpoint does not fit.
        FloatingPointError: the loss is NaN or infinite; the parameters are those before this batch.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)
        >>> data = nn.data.TensorDataset(x, (x[:, 0] > x[:, 1]).astype(np.int64))
        >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> loader = nn.data.DataLoader(data, batch_size=32, shuffle=True)
        >>> optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
        >>> history = nn.fit(model, loader, nn.CrossEntropyLoss(), optimizer, epochs=10, metrics=["accuracy"])
        >>> history["loss"].shape, bool(history["accuracy"][-1] > 0.9)
        ((10,), True)
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be an Optimizer, got {type(optimizer).__name__}")
    if schedule_each is None:
        schedule_each = "batch" if isinstance(scheduler, (OneCycleLR, CyclicLR)) else "epoch"
    if schedule_each not in ("epoch", "batch"):
        raise ValueError(f"schedule_each must be 'epoch', 'batch' or None, got {schedule_each!r}")
    if epochs < 0:
        raise ValueError(f"epochs must be 0 or more, got {epochs}")
    given = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    # Checkpoints come last: they save what the others have decided.
    ordered = sorted((_as_callback(callback) for callback in given), key=lambda callback: isinstance(callback, Checkpoint))
    measures = _named_metrics(metrics)
    run = Run(model, loader, optimizer, scheduler, ordered)
    path = _resume_path(resume, ordered)
    if path is not None:
        run.load_state_dict(checkpoint.load(path))
    modes = [(module, module.training) for module in model.modules()]
    training = _Training(run, loss, measures, forward or _default_forward, clip_grad_norm, schedule_each)
    try:
        while run.epoch < epochs and not run.stop:
            with _bar(progress, loader, run, epochs) as bar:
                if training.train(bar):
                    break
                training.finish(validation)
        for callback in ordered:
            callback.on_end(run)
    finally:
        for module, mode in modes:
            module.training = mode
    return run.history


class _Training:
    """What `fit` does with a Run."""

    def __init__(
        self,
        run: Run,
        loss: Callable[[Any, Any], Any] | Module,
        metrics: dict[str, Metric],
        forward: Callable[[Any, Any], tuple[Any, Any]],
        clip: float | None,
        schedule_each: str,
    ) -> None:
        self.run = run
        self.loss = loss
        self.metrics = metrics
        self.forward = forward
        self.clip = clip
        self.schedule_each = schedule_each
        self.parameters = [param for group in run.optimizer.param_groups for param in group["params"]]

    def train(self, bar: Any) -> bool:
        """The rest of an epoch's batches; whether a callback has stopped within."""
        run = self.run
        run.model.train()
        batches = iter(run.loader)
        if run.batch and not hasattr(run.loader, "load_state_dict"):
            batches = itertools.islice(batches, run.batch, None)
        try:
            for batch in batches:
                self._step(batch)
                run.batch += 1
                if bar is not None:
                    bar.set_postfix(_rounded(run.logs), refresh=False)
                    bar.update()
                for callback in run.callbacks:
                    callback.on_batch(run)
                if run.stop:
                    return True
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()
        if run.batch == 0:
            raise ValueError("loader has no batches; is the data set smaller than batch_size with drop_last=True, or an iterator used up?")
        return False

    def _step(self, batch: Any) -> None:
        run = self.run
        run.optimizer.zero_grad()
        output, target = self.forward(run.model, _as_tensors(batch))
        loss = self.loss(output, target)
        value = float(loss.item())
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the loss is {value} in batch {run.batch + 1} of epoch {run.epoch + 1}; lower the learning rate, clip gradients "
                "(clip_grad_norm) or look for NaN in the data"
            )
        loss.backward()
        if self.clip is not None:
            clip_grad_norm_(self.parameters, self.clip)
        run.optimizer.step()
        if run.scheduler is not None and self.schedule_each == "batch":
            run.scheduler.step()
        run._measure({"loss": value, **self._metrics(output, target)}, _samples(target))

    def _metrics(self, output: Any, target: Any) -> dict[str, float]:
        if not self.metrics:
            return {}
        arrays = _as_arrays(output), _as_arrays(target)
        return {name: float(metric(*arrays)) for name, metric in self.metrics.items()}

    def finish(self, validation: Iterable[Any] | None) -> None:
        """The end of an epoch: validation, the scheduler's step, callbacks."""
        run = self.run
        logs = {**run.logs, "lr": float(run.optimizer.param_groups[0]["lr"])}
        if validation is not None:
            logs |= {f"val_{name}": value for name, value in self._validate(validation).items()}
        if run.scheduler is not None and self.schedule_each == "epoch":
            if isinstance(run.scheduler, ReduceLROnPlateau):
                run.scheduler.step(logs.get("val_loss", logs["loss"]))
            else:
                run.scheduler.step()
        run.logs = logs
        run.history.append(logs)
        run.epoch += 1
        run.batch = 0
        run._sums, run._samples = {}, 0
        for callback in run.callbacks:
            callback.on_epoch(run)

    def _validate(self, batches: Iterable[Any]) -> dict[str, float]:
        modes = [(module, module.training) for module in self.run.model.modules()]
        self.run.model.eval()
        sums: dict[str, float] = {}
        samples = 0
        try:
            with no_grad():
                for batch in batches:
                    output, target = self.forward(self.run.model, _as_tensors(batch))
                    values = {"loss": float(self.loss(output, target).item()), **self._metrics(output, target)}
                    size = _samples(target)
                    samples += size
                    for name, value in values.items():
                        sums[name] = sums.get(name, 0.0) + value * size
        finally:
            for module, mode in modes:
                module.training = mode
        if samples == 0:
            raise ValueError("validation has no batches; an iterator is used up after one epoch: pass a DataLoader or a list")
        return {name: total / samples for name, total in sums.items()}


def _default_forward(model: Any, batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, (tuple, list)) or isinstance(batch, PackedSequence) or len(batch) < 2:
        raise TypeError(f"a batch must be (inputs, ..., targets), got a {type(batch).__name__}; pass forward=... to say what to do with it")
    return model(*batch[:-1]), batch[-1]


def _as_tensors(value: Any) -> Any:
    """`value` with every array in it as a Tensor, so that the tape follows what is computed from it."""
    if isinstance(value, np.ndarray):
        return Tensor(value) if value.dtype.kind in "biuf" else value
    if isinstance(value, PackedSequence):
        return value._replace(data=_as_tensors(value.data))
    return _mapped(_as_tensors, value)


def _as_arrays(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else _mapped(_as_arrays, value)


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, dict):
        return {key: function(entry) for key, entry in value.items()}
    if isinstance(value, (tuple, list)):
        entries = [function(entry) for entry in value]
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    return value


def _samples(target: Any) -> int:
    """How many samples a batch with these targets has."""
    if isinstance(target, dict):
        target = next(iter(target.values()), None)
    while isinstance(target, (tuple, list)) and target:
        target = target[0]
    shape = getattr(target, "shape", ())
    return int(shape[0]) if shape else 1


def _as_callback(callback: Any) -> Callback:
    if isinstance(callback, Callback):
        return callback
    if callable(callback) and not isinstance(callback, type):
        return _Function(callback)
    raise TypeError(f"a callback must be a Callback or a function of the Run, got {callback!r}")


def _named_metrics(metrics: Sequence[str | Metric] | Mapping[str, str | Metric]) -> dict[str, Metric]:
    pairs: Iterator[tuple[str, str | Metric]]
    if isinstance(metrics, Mapping):
        pairs = iter(metrics.items())
    else:
        entries = [metrics] if isinstance(metrics, str) else metrics
        pairs = ((entry if isinstance(entry, str) else getattr(entry, "__name__", type(entry).__name__), entry) for entry in entries)
    named: dict[str, Metric] = {}
    for name, metric in pairs:
        if isinstance(metric, str):
            if metric != "accuracy":
                raise ValueError(f"unknown metric {metric!r}; there is 'accuracy', others are functions of (output, targets)")
            metric = _accuracy
        if not callable(metric):
            raise TypeError(f"a metric must be 'accuracy' or a function of (output, targets), got {metric!r}")
        named[name] = metric
    return named


def _accuracy(output: NDArray[Any], target: NDArray[Any]) -> float:
    """The part of samples whose class is right: that of the largest output along dimension 1, or of the sign of a single logit."""
    if output.ndim > target.ndim:
        return float((output.argmax(1) == target).mean())
    if output.shape == target.shape and output.ndim > 1 and output.shape[1] > 1:
        return float((output.argmax(1) == target.argmax(1)).mean())
    return float(((output > 0) == (target > 0.5)).mean())


def _resume_path(resume: bool | str | os.PathLike[str], callbacks: list[Callback]) -> str | None:
    if not isinstance(resume, bool):
        return os.fspath(resume)
    if not resume:
        return None
    paths = [callback.path for callback in callbacks if isinstance(callback, Checkpoint)]
    if not paths:
        raise ValueError("resume=True needs a Checkpoint among callbacks; pass one, or the path of the file")
    return next((path for path in paths if os.path.exists(path)), None)


def _rounded(logs: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:.4g}" for name, value in logs.items()}


class _NoBar:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        return None


def _bar(progress: bool | None, loader: Any, run: Run, epochs: int) -> Any:
    """A context manager: tqdm's bar of an epoch, or None."""
    if progress is False:
        return _NoBar()
    try:
        from tqdm import tqdm
    except ImportError as error:
        if progress is None:
            return _NoBar()
        raise ImportError("progress=True needs tqdm; install it with: pip install 'swiftnn[training]'") from error
    total = len(loader) if hasattr(loader, "__len__") else None
    # disable=None: tqdm shows the bar where the output is a terminal.
    disable = None if progress is None else False
    return tqdm(total=total, initial=run.batch, desc=f"epoch {run.epoch + 1}/{epochs}", unit="batch", disable=disable)
