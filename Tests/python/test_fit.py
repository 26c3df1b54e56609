"""nn.fit: it learns, measures, stops early, and goes on after an interruption with the same bits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import swiftnn as nn
from swiftnn.checkpoint import load, npz_file
from swiftnn.training import Callback, Checkpoint, EarlyStopping, History, Run

schedules = nn.optim.lr_scheduler


def data(n=96, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    return nn.data.TensorDataset(x, (x[:, 0] > x[:, 1]).astype(np.int64))


class Job:
    """A training with everything that has a state: dropout, batch statistics, momentum, a schedule, a shuffled order."""

    def __init__(self, seed=0, optimizer="Adam", schedule="CosineAnnealingLR", prefetch=0, own_seed=True):
        nn.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
        options = dict(momentum=0.9) if optimizer == "SGD" else {}
        self.optimizer = getattr(nn.optim, optimizer)(self.model.parameters(), lr=0.02, **options)
        self.scheduler = {
            "CosineAnnealingLR": lambda o: schedules.CosineAnnealingLR(o, 6),
            "OneCycleLR": lambda o: schedules.OneCycleLR(o, 0.05, total_steps=6 * 6 + 1),
            "CyclicLR": lambda o: schedules.CyclicLR(o, 0.01, 0.05, 7),
            "ReduceLROnPlateau": lambda o: schedules.ReduceLROnPlateau(o, patience=0),
            "MultiStepLR": lambda o: schedules.MultiStepLR(o, [2, 4]),
        }[schedule](self.optimizer)
        options = dict(batch_size=16, shuffle=True, prefetch=prefetch)
        self.loader = nn.data.DataLoader(data(), **options, seed=seed + 7 if own_seed else None)
        self.validation = nn.data.DataLoader(data(40, 1), batch_size=16, shuffle=True)

    def fit(self, epochs=6, **options):
        options.setdefault("validation", self.validation)
        arguments = (self.model, self.loader, nn.CrossEntropyLoss(), self.optimizer, epochs)
        return nn.fit(*arguments, scheduler=self.scheduler, metrics=["accuracy"], **options)

    def bits(self):
        states = self.optimizer.state_dict()["state"].values()
        arrays = [*self.model.state_dict().values(), *(array for state in states for array in state.values())]
        return [np.asarray(array).tobytes() for array in arrays] + [nn.random.get_rng_state().tobytes()]


def same(a: History, b: History) -> bool:
    return list(a) == list(b) and all(a[name].tobytes() == b[name].tobytes() for name in a)


def test_it_learns() -> None:
    job = Job()
    history = job.fit(20)
    assert list(history) == ["loss", "accuracy", "lr", "val_loss", "val_accuracy"]
    assert all(values.shape == (20,) and values.dtype == np.float64 for values in history.values())
    assert history["loss"][-1] < 0.5 * history["loss"][0] and history["val_accuracy"][-1] > 0.7
    assert history["lr"][0] == 0.02


def test_it_computes_what_a_loop_by_hand_computes() -> None:
    job, hand = Job(schedule="MultiStepLR"), Job(schedule="MultiStepLR")
    nn.manual_seed(5)
    history = job.fit(3, validation=None, clip_grad_norm=0.5)
    nn.manual_seed(5)
    losses = []
    for _ in range(3):
        total = 0.0
        for x, y in hand.loader:
            loss = nn.functional.cross_entropy(hand.model(nn.Tensor(x)), y)
            hand.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(hand.model.parameters(), 0.5)
            hand.optimizer.step()
            total += loss.item() * len(y)
        hand.scheduler.step()
        losses.append(total / 96)
    assert job.bits() == hand.bits()
    np.testing.assert_array_equal(history["loss"], losses)


def test_cycles_are_of_batches() -> None:
    for schedule, steps in (("OneCycleLR", 12), ("CyclicLR", 12), ("MultiStepLR", 2)):
        job = Job(schedule=schedule)
        job.fit(2)
        assert job.scheduler.last_epoch == steps


@pytest.mark.parametrize("threads", [2, 3])
def test_same_bits_for_any_number_of_threads(threads) -> None:
    runs = []
    for count in (1, threads):
        nn.set_num_threads(count)
        job = Job()
        runs.append((job.fit(2), job.bits()))
    assert same(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]


class Interrupted(Exception):
    pass


class Stop(Callback):
    def __init__(self, batches):
        self.batches = batches

    def on_batch(self, run):
        self.batches -= 1
        if self.batches == 0:
            raise Interrupted


JOBS = [
    dict(),
    dict(optimizer="SGD", schedule="OneCycleLR"),
    dict(optimizer="AdamW", schedule="ReduceLROnPlateau", prefetch=2),
    dict(optimizer="RMSprop", schedule="MultiStepLR", own_seed=False),
    dict(optimizer="Adagrad", own_seed=False, prefetch=2),
    dict(optimizer="NAdam", schedule="CyclicLR"),
]


@pytest.mark.parametrize("after", [13, 18])
@pytest.mark.parametrize("options", JOBS, ids=str)
@pytest.mark.parametrize("every_batches", [None, 4])
def test_interrupted_and_resumed_is_uninterrupted(tmp_path, options, every_batches, after) -> None:
    def callbacks(*more):
        path = tmp_path / "run.ckpt"
        return [Checkpoint(path, every_batches=every_batches), EarlyStopping(patience=50, restore_best=True), *more]

    whole = Job(**options)
    history = whole.fit(callbacks=callbacks(Stop(-1)))
    os.remove(tmp_path / "run.ckpt")
    with pytest.raises(Interrupted):
        Job(**options).fit(callbacks=callbacks(Stop(after)))
    # Another seed: everything has to come from the file.
    resumed = Job(seed=1234, **options)
    again = resumed.fit(callbacks=callbacks(Stop(-1)), resume=True)
    assert same(again, history) and resumed.bits() == whole.bits()


def test_negative_epochs() -> None:
    with pytest.raises(ValueError, match="epochs must be 0 or more, got -1"):
        Job().fit(-1)


def test_resumed_when_it_is_over() -> None:
    with pytest.raises(ValueError, match="Checkpoint among callbacks"):
        Job().fit(resume=True)
    with pytest.raises(FileNotFoundError):
        Job().fit(resume="nowhere.ckpt")


def test_more_epochs_than_before(tmp_path) -> None:
    path = tmp_path / "run.ckpt"
    whole = Job()
    history = whole.fit(6, callbacks=Checkpoint(path))
    os.remove(path)
    Job().fit(4, callbacks=Checkpoint(path), resume=True)
    again = Job(seed=3)
    assert same(again.fit(6, callbacks=Checkpoint(path), resume=path), history) and again.bits() == whole.bits()
    assert same(Job(seed=4).fit(6, callbacks=Checkpoint(path), resume=True), history)


def test_a_checkpoint_that_does_not_fit(tmp_path) -> None:
    path = tmp_path / "run.ckpt"
    Job().fit(1, callbacks=Checkpoint(path))
    with pytest.raises(ValueError, match="1 callbacks, this one has 2"):
        Job().fit(1, callbacks=[Checkpoint(path), print], resume=True)
    job = Job()
    with pytest.raises(ValueError, match="with a scheduler"):
        nn.fit(job.model, job.loader, nn.CrossEntropyLoss(), job.optimizer, 1, callbacks=Checkpoint(path), resume=True)
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    with pytest.raises(ValueError, match="not a checkpoint"):
        Job().fit(1, resume=tmp_path / "other.npz")


def test_early_stopping() -> None:
    job = Job()
    stopping = EarlyStopping("val_accuracy", patience=2, min_delta=2.0, restore_best=True)
    states = []
    history = job.fit(20, callbacks=[stopping, lambda run: states.append(run.model.state_dict()["4.bias"].copy())])
    assert len(history["loss"]) == 3 and stopping.best == history["val_accuracy"][0]
    np.testing.assert_array_equal(job.model.state_dict()["4.bias"], states[0])
    with pytest.raises(KeyError, match="'val_f1'"):
        Job().fit(1, callbacks=EarlyStopping("val_f1"))
    with pytest.raises(ValueError, match="mode"):
        EarlyStopping(mode="no")


def test_best_checkpoint(tmp_path) -> None:
    path = tmp_path / "best.ckpt"
    job = Job()
    history = job.fit(6, callbacks=Checkpoint(path, best="val_loss"))
    assert load(path)["epoch"] == 1 + np.argmin(history["val_loss"])
    for options in (dict(every=0), dict(every_batches=0), dict(mode="no")):
        with pytest.raises(ValueError):
            Checkpoint(path, **options)


def test_callbacks() -> None:
    seen = []

    class Watch(Callback):
        def on_batch(self, run):
            assert isinstance(run, Run)
            seen.append(("batch", run.epoch, run.batch))
            run.stop = run.epoch == 1 and run.batch == 2

        def on_end(self, run):
            seen.append("end")

    Job().fit(5, callbacks=[Watch(), lambda run: seen.append(("epoch", run.epoch, sorted(run.logs)))])
    names = ["accuracy", "loss", "lr", "val_accuracy", "val_loss"]
    assert seen == [("batch", 0, i) for i in range(1, 7)] + [("epoch", 1, names), ("batch", 1, 1), ("batch", 1, 2), "end"]
    with pytest.raises(TypeError, match="Callback or a function"):
        Job().fit(1, callbacks=3)


def test_modes_of_modules_come_back() -> None:
    job = Job()
    job.model[1].eval()
    seen = []
    handle = job.model.register_forward_hook(lambda module, args, output: seen.append((module.training, module[1].training)))
    job.fit(1)
    handle.remove()
    assert seen == [(True, True)] * 6 + [(False, False)] * 3
    assert job.model.training and not job.model[1].training


def test_a_loss_that_is_not_finite_stops_before_the_step() -> None:
    job = Job()
    before = job.model[0].weight.data.copy()
    job.loader.dataset.tensors[0][:] = np.nan
    with pytest.raises(FloatingPointError, match="batch 1 of epoch 1"):
        job.fit(1)
    np.testing.assert_array_equal(job.model[0].weight.data, before)


def test_batches_of_other_kinds() -> None:
    x = np.ones((8, 3), np.float32)
    model = nn.Linear(3, 3)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="pass forward="):
        nn.fit(model, [x], nn.MSELoss(), optimizer, 1)
    history = nn.fit(model, [x, x], nn.MSELoss(), optimizer, 3, forward=lambda model, batch: (model(batch), batch))
    assert history["loss"][-1] < history["loss"][0]
    history = nn.fit(model, [{"x": x}], nn.MSELoss(), optimizer, 1, forward=lambda model, b: (model(b["x"]), b["x"]))
    assert len(history["loss"]) == 1
    with pytest.raises(ValueError, match="no batches"):
        nn.fit(model, [], nn.MSELoss(), optimizer, 1)
    with pytest.raises(ValueError, match="validation has no batches"):
        nn.fit(model, [(x, x)], nn.MSELoss(), optimizer, 2, validation=iter([(x, x)]))


def test_packed_sequences() -> None:
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(2, 5)
            self.out = nn.Linear(5, 2)

        def forward(self, packed):
            return self.out(self.lstm(packed)[1][0][-1])

    rng = np.random.default_rng(0)
    samples = [(rng.normal(size=(n, 2)).astype(np.float32) + n % 2, n % 2) for n in range(3, 11)]

    def collate(batch):
        return nn.utils.rnn.pack_sequence([x for x, _ in batch], enforce_sorted=False), np.array([y for _, y in batch])

    model = Model()
    loader = nn.data.DataLoader(samples, batch_size=4, collate_fn=collate)
    history = nn.fit(model, loader, nn.CrossEntropyLoss(), nn.optim.Adam(model.parameters(), lr=0.05), 30, metrics="accuracy")
    assert history["accuracy"][-1] == 1.0


def test_metrics() -> None:
    def error(output, target):
        assert type(output) is np.ndarray
        return np.abs(output - target).mean()

    x = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)
    model = nn.Linear(3, 1)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)
    loader = nn.data.DataLoader(nn.data.TensorDataset(x, (x[:, :1] > 0).astype(np.float32)), batch_size=8)
    history = nn.fit(model, loader, nn.BCEWithLogitsLoss(), optimizer, 20, metrics=["accuracy", error])
    assert list(history) == ["loss", "accuracy", "error", "lr"] and history["accuracy"][-1] > 0.9
    history = nn.fit(model, loader, nn.BCEWithLogitsLoss(), optimizer, 1, metrics={"hits": "accuracy"})
    assert list(history) == ["loss", "hits", "lr"]
    with pytest.raises(ValueError, match="unknown metric 'f1'"):
        nn.fit(model, loader, nn.BCEWithLogitsLoss(), optimizer, 1, metrics=["f1"])
    with pytest.raises(TypeError, match="metric"):
        nn.fit(model, loader, nn.BCEWithLogitsLoss(), optimizer, 1, metrics=[3])


def test_arguments_that_are_refused() -> None:
    job = Job()
    with pytest.raises(ValueError, match="schedule_each"):
        job.fit(schedule_each="step")
    with pytest.raises(TypeError, match="optimizer must be an Optimizer"):
        nn.fit(job.model, job.loader, nn.MSELoss(), "Adam", 1)


def test_history() -> None:
    history = History()
    history.append({"loss": 1.0})
    history.append({"loss": 0.5, "val_loss": 2.0})
    history.append({"val_loss": 1.0})
    np.testing.assert_array_equal(history["loss"], [1.0, 0.5, np.nan])
    np.testing.assert_array_equal(history["val_loss"], [np.nan, 2.0, 1.0])


def test_plot() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = Job().fit(2).plot()
    assert [panel.get_title() for panel in axes.flat] == ["loss", "accuracy", "lr"]
    assert [len(panel.get_lines()) for panel in axes.flat] == [2, 2, 1]


def test_progress(capsys) -> None:
    pytest.importorskip("tqdm")
    Job().fit(1, progress=True)
    assert "epoch 1/1" in capsys.readouterr().err
    Job().fit(1, progress=False)
    assert capsys.readouterr().err == ""


# Files.


def test_files_keep_what_was_in_them(tmp_path) -> None:
    value = {
        "numbers": [1, -2.5, True, None, "text", float("inf"), 2**60, 0.1],
        "nested": {"tuple": (1, (2.0, [3])), 5: "five", (1, 2): {}, "$array": 3},
        "arrays": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array(3), np.zeros((0, 2), np.int8), np.float64(0.1)],
        "counter": Counter([1, 1, 5]),
    }
    npz_file.write(tmp_path / "a", value)
    back = load(tmp_path / "a")
    assert back["numbers"] == value["numbers"] and back["nested"] == value["nested"]
    assert isinstance(back["counter"], Counter) and back["counter"] == value["counter"]
    for mine, theirs in zip(back["arrays"], value["arrays"]):
        assert mine.dtype == theirs.dtype and mine.shape == theirs.shape and mine.tobytes() == theirs.tobytes()
    for bad in (object(), np.array([object()])):
        with pytest.raises(TypeError, match=r"a\['x'\]\[1\]"):
            npz_file.write(tmp_path / "a", {"x": [0, bad]})
    assert load(tmp_path / "a")["numbers"] == value["numbers"]
    assert os.listdir(tmp_path) == ["a"]


WRITER = """
    import sys
    sys.path.insert(0, {path!r})
    import numpy as np
    from swiftnn.checkpoint import npz_file
    i = 0
    while True:
        npz_file.write({file!r}, {{"i": i, "array": np.full(1_000_000, i, np.float32)}})
        print(i, flush=True)
        i += 1
"""


def test_killed_while_writing_the_file_before_is_whole(tmp_path) -> None:
    file = tmp_path / "run.ckpt"
    code = textwrap.dedent(WRITER).format(path=str(Path(nn.__file__).parents[1]), file=str(file))
    for attempt in range(5):
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        written = [int(writer.stdout.readline()) for _ in range(2)][-1]
        time.sleep(0.003 * attempt)
        writer.send_signal(signal.SIGKILL)
        written = max([written, *(int(line) for line in writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()
        state = load(file)
        assert state["i"] >= written and (state["array"] == state["i"]).all()
    assert set(os.listdir(tmp_path)) <= {"run.ckpt", ".run.ckpt.tmp"}
    npz_file.write(file, {})
    assert os.listdir(tmp_path) == ["run.ckpt"]
