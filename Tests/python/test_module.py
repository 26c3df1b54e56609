"""Module: registration, iteration, state dicts, conversions, hooks, repr, copies."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import swiftnn as nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 3)
        self.act = nn.ReLU()
        self.scale = nn.Parameter(np.ones(2, np.float32))
        self.register_parameter("absent", None)
        self.register_buffer("mean", np.zeros(3, np.float32))
        self.register_buffer("cache", np.zeros(1, np.float32), persistent=False)
        self.table = np.arange(3)

    def forward(self, x, fail=False):
        if fail:
            raise ValueError("asked to fail")
        return x + 1


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = Block()
        self.again = self.one
        self.tail = nn.Sequential(nn.ReLU(), nn.Linear(3, 3))
        self.tail[1].weight = nn.Parameter(np.eye(3, dtype=np.float32))


STATE = ["scale", "mean", "fc.weight", "fc.bias"]


def float_state(module):
    return {key: array.copy() for key, array in module.state_dict().items()}


# Where the layers are


def test_the_list_of_layers_is_that_of_their_files():
    for file, names in nn.modules._FILES.items():
        assert sorted(names) == sorted(getattr(nn.modules, file).__all__), file
    files = {path.stem for path in Path(nn.modules.__file__).parent.glob("[!_]*.py")}
    assert files - set(nn.modules._FILES) == {"streams", "utils"}, "files without layers of nn"
    assert set(nn.modules.__all__) <= set(dir(nn)) and set(nn.modules.__all__) <= set(nn.__all__)


def test_layers_are_read_when_they_are_asked_for():
    code = "import sys, swiftnn as nn; a = set(sys.modules); nn.Conv2d; print(*sorted(set(sys.modules) - a))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "swiftnn.modules.conv" in loaded
    assert "swiftnn.modules.transformer" not in loaded
    with pytest.raises(AttributeError, match="no attribute 'Conv9d'"):
        nn.Conv9d  # noqa: B018


# Registration


def test_assignment_registers_parameters_and_modules_but_not_arrays():
    block = Block()
    assert [name for name, _ in block.named_parameters()] == ["scale", "fc.weight", "fc.bias"]
    assert [name for name, _ in block.named_buffers()] == ["mean", "cache"]
    assert [name for name, _ in block.named_children()] == ["fc", "act"]
    assert list(block.state_dict()) == STATE
    assert block.absent is None
    assert type(block.table) is np.ndarray


def test_registered_entries_are_plain_attributes():
    block = Block()
    for name in ("fc", "act", "scale", "absent", "mean", "cache"):
        assert name in block.__dict__


def test_writing_into_the_registries_changes_the_attributes():
    block = Block()
    new = nn.ReLU()
    block._modules["fc"] = new
    block._parameters.pop("scale")
    del block._buffers["mean"]
    block._modules.update(extra=new)
    block._modules.setdefault("more", new)
    assert block.fc is new and block.extra is new and block.more is new
    assert not hasattr(block, "scale") and not hasattr(block, "mean")
    assert block._modules.popitem() == ("more", new) and not hasattr(block, "more")
    block._modules = OrderedDict(only=new)
    assert block.only is new and not hasattr(block, "fc")
    block._modules.clear()
    assert not hasattr(block, "only")


def test_replacing_an_attribute_by_another_kind():
    block = Block()
    block.mean = nn.Parameter(np.ones(3, np.float32))
    assert "mean" in dict(block.named_parameters()) and "mean" not in dict(block.named_buffers())
    block.act = nn.Parameter(np.ones(1, np.float32))
    assert "act" in dict(block.named_parameters()) and "act" not in dict(block.named_children())
    block.table = nn.ReLU()
    assert "table" in dict(block.named_children())


def test_buffers_take_arrays_tensors_and_numbers():
    block = Block()
    block.mean = np.ones(3, np.float64)
    assert block.mean.dtype == np.float64 and block.state_dict()["mean"] is block.mean
    block.mean = nn.Tensor(np.full(3, 2.0))
    assert type(block.mean) is np.ndarray
    block.mean = np.float32(3)
    assert type(block.mean) is np.ndarray and block.mean.shape == ()
    block.mean = None
    assert "mean" not in block.state_dict()
    block.cache = np.zeros(4)
    assert "cache" not in block.state_dict()


@pytest.mark.parametrize("name", ["scale", "absent"])
@pytest.mark.parametrize("value", [np.ones(2), 3, nn.ReLU()])
def test_a_parameter_is_replaced_by_parameters_only(name, value):
    with pytest.raises(TypeError, match=f"as parameter '{name}'.*Parameter or None expected.*nn.Parameter"):
        setattr(Block(), name, value)


def test_a_child_is_replaced_by_modules_only():
    with pytest.raises(TypeError, match="as child module 'fc'.*Module or None expected"):
        Block().fc = np.ones(2)
    block = Block()
    block.fc = None
    assert list(block.state_dict()) == ["scale", "mean"] and "fc" in block._modules


def test_a_buffer_is_replaced_by_arrays_only():
    with pytest.raises(TypeError, match="as buffer 'mean'.*ndarray.*np.asarray"):
        Block().mean = [1.0]


@pytest.mark.parametrize("value", [nn.Parameter(np.ones(1, np.float32)), nn.ReLU()])
def test_assigning_before_init(value):
    class Early(nn.Module):
        def __init__(self):
            self.entry = value

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()
    for register, entry in (("register_buffer", np.ones(1)), ("register_parameter", None), ("add_module", None)):
        with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
            getattr(nn.Module.__new__(nn.Module), register)("name", entry)


@pytest.mark.parametrize(
    ("register", "entry"), [("register_parameter", nn.Parameter()), ("register_buffer", np.ones(1)), ("add_module", nn.ReLU())]
)
def test_names(register, entry):
    block = Block()
    with pytest.raises(KeyError, match="already exists"):
        getattr(block, register)("forward", entry)
    with pytest.raises(KeyError, match="contain"):
        getattr(block, register)("a.b", entry)
    with pytest.raises(KeyError, match="empty"):
        getattr(block, register)("", entry)
    with pytest.raises(TypeError, match="should be a string"):
        getattr(block, register)(3, entry)
    with pytest.raises(TypeError, match="int"):
        getattr(block, register)("fresh", 3)


def test_deleting():
    block = Block()
    del block.fc, block.scale, block.cache, block.table
    assert list(block.state_dict()) == ["mean"]
    assert "cache" not in block._non_persistent_buffers_set
    for name in ("fc", "scale", "cache", "table"):
        assert not hasattr(block, name)
        with pytest.raises(AttributeError):
            delattr(block, name)


def test_unknown_attributes():
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'nothing'"):
        _ = Block().nothing
    assert not hasattr(Block(), "cuda") and "cuda" not in dir(Block())
    with pytest.raises(AttributeError, match="CPU"):
        Block().cuda()
    with pytest.raises(AttributeError, match="float32 and float64"):
        Block().half()


def test_a_call_before_init_says_what_is_missing():
    class Early(nn.Module):
        def __init__(self):
            pass

    with pytest.raises(AttributeError, match=r"'Early' object has no attribute '_forward_hooks'; was super\(\).__init__\(\) called\?"):
        Early()(1)


def test_warnings_of_a_layer_name_the_line_of_its_call():
    for layer in (nn.Softmax(), nn.LogSoftmax(), nn.Softmin()):
        with pytest.warns(UserWarning, match="Implicit dimension") as caught:
            layer(np.zeros((2, 3), np.float32))
        assert caught[0].filename == __file__


def test_a_hook_does_not_change_the_caller_s_arguments():
    class Scale(nn.Module):
        def forward(self, x, factor=1):
            return x * factor

    def double(module, args, kwargs):
        kwargs["factor"] *= 2
        return args, kwargs

    scale, given = Scale(), {"factor": 3}
    scale.register_forward_pre_hook(double, with_kwargs=True)
    assert scale(5, **given) == 30 and scale.__call__(5, **given) == 30 and given == {"factor": 3}


def test_an_attribute_error_inside_a_property_is_not_hidden():
    class Wrong(nn.Module):
        @property
        def entry(self):
            return self.missing

    with pytest.raises(AttributeError, match="'Wrong' object has no attribute 'missing'"):
        _ = Wrong().entry


def test_a_second_init_forgets_the_first():
    block = Block()
    nn.Module.__init__(block)
    assert not hasattr(block, "fc") and not list(block.parameters())


# Iteration


def test_shared_entries_come_once():
    net = Net()
    assert [name for name, _ in net.named_modules()] == ["", "one", "one.fc", "one.act", "tail", "tail.0", "tail.1"]
    assert [name for name, _ in net.named_children()] == ["one", "tail"]
    assert len(list(net.parameters())) == 5
    names = [name for name, _ in net.named_parameters(prefix="net", remove_duplicate=False)]
    assert names[0] == "net.one.scale" and "net.again.scale" in names
    assert [name for name, _ in net.named_parameters(recurse=False)] == []
    assert list(net.state_dict()) == [f"{one}.{key}" for one in ("one", "again") for key in STATE] + ["tail.1.weight", "tail.1.bias"]


def test_lookup_by_path():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("tail.1") is net.tail[1]
    assert net.get_parameter("one.fc.weight") is net.one.fc.weight
    assert net.get_buffer("one.mean") is net.one.mean
    for call, path in (
        (net.get_submodule, "one.nothing"),
        (net.get_submodule, "one.scale"),
        (net.get_parameter, "one.mean"),
        (net.get_buffer, "one.scale"),
    ):
        with pytest.raises(AttributeError):
            call(path)


def test_set_submodule():
    net = Net()
    net.set_submodule("tail.1", nn.Identity())
    assert isinstance(net.tail[1], nn.Identity)
    with pytest.raises(AttributeError):
        net.set_submodule("tail.9", nn.Identity(), strict=True)
    with pytest.raises(ValueError):
        net.set_submodule("", nn.Identity())


def test_apply_goes_from_the_inside_out():
    names = []
    Net().apply(lambda module: names.append(type(module).__name__))
    assert names == ["Linear", "ReLU", "Block", "ReLU", "Linear", "Sequential", "Net"]


def test_modes():
    net = Net()
    assert net.eval() is net and not any(module.training for module in net.modules())
    assert net.train() is net and all(module.training for module in net.modules())
    with pytest.raises(ValueError, match="boolean"):
        net.train(1)


# State


def test_state_dict_holds_the_modules_own_memory():
    layer = nn.Linear(2, 3)
    state = layer.state_dict()
    assert isinstance(state, OrderedDict) and all(type(array) is np.ndarray for array in state.values())
    assert np.shares_memory(state["weight"], layer.weight.numpy())
    assert layer.state_dict(keep_vars=True)["weight"] is layer.weight
    assert list(layer.state_dict(prefix="p.")) == ["p.weight", "p.bias"]
    destination = {}
    assert layer.state_dict(destination=destination) is destination and len(destination) == 2


def test_load_copies_in_place_and_converts():
    net, other = Net(), Net()
    memory = net.one.fc.weight.numpy()
    state = {key: array.astype(np.float64) for key, array in other.state_dict().items()}
    result = net.load_state_dict(state)
    assert result.missing_keys == [] and result.unexpected_keys == [] and repr(result) == "<All keys matched successfully>"
    assert net.one.fc.weight.numpy() is memory and memory.dtype == np.float32
    for key, array in net.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[key])


@pytest.mark.parametrize(
    "convert", [np.ndarray.tolist, nn.Tensor, lambda a: a.astype(np.float16), lambda a: a.astype(">f8"), np.asfortranarray]
)
def test_load_takes_anything_that_becomes_an_array(convert):
    layer = nn.Linear(2, 3)
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    layer.load_state_dict({"weight": convert(weight), "bias": convert(np.ones(3, np.float32))})
    np.testing.assert_array_equal(layer.weight.numpy(), weight)


def test_one_error_lists_everything_and_nothing_is_loaded():
    net = Net()
    before = float_state(net)
    state = {key: array + 1 for key, array in before.items()}
    state["tail.1.wieght"] = state.pop("tail.1.weight")
    state["one.fc.bias"] = np.ones(7)
    state["one.scale"] = "text"
    state["surplus"] = np.ones(1)
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    message = str(error.value)
    for part in (
        "Net",
        'Missing key(s) in state_dict: "tail.1.weight"',
        'Unexpected key(s) in state_dict: "surplus", "tail.1.wieght"',
        '"tail.1.wieght" may be meant for "tail.1.weight"',
        "size mismatch for one.fc.bias: state_dict has shape (7,), the model has shape (3,)",
        "not numbers for one.scale",
    ):
        assert part in message, (part, message)
    for key, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_a_common_prefix_is_named():
    layer = nn.Linear(2, 3)
    with pytest.raises(RuntimeError, match=r"prefix 'module\.' before every key.*removeprefix"):
        layer.load_state_dict({f"module.{key}": array for key, array in layer.state_dict().items()})
    with pytest.raises(RuntimeError, match=r"lacks the prefix '0\.'"):
        nn.Sequential(layer).load_state_dict(layer.state_dict())


def test_many_wrong_keys_are_reported_quickly():
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(400)))
    with pytest.raises(RuntimeError, match="Missing"):
        model.load_state_dict({f"layers.{i}.kernel": np.ones(1) for i in range(800)})


def test_not_strict_returns_the_differences():
    layer = nn.Linear(2, 3)
    result = layer.load_state_dict({"bias": np.full(3, 5.0), "other": np.ones(1)}, strict=False)
    assert result == (["weight"], ["other"])
    np.testing.assert_array_equal(layer.bias.numpy(), 5)
    with pytest.raises(RuntimeError, match="size mismatch"):
        layer.load_state_dict({"bias": np.ones(4)}, strict=False)


def test_assign_takes_the_arrays_themselves():
    layer = nn.Linear(2, 3).requires_grad_(False)
    weight, bias = np.ones((3, 2)), np.zeros(3)
    layer.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    assert layer.weight.numpy() is weight and isinstance(layer.weight, nn.Parameter) and not layer.weight.requires_grad
    with pytest.raises(RuntimeError, match="wrong dtype"):
        nn.Linear(2, 3).load_state_dict({"weight": np.ones((3, 2), int), "bias": bias}, assign=True)


def test_read_only_parameters_cannot_be_loaded_in_place():
    layer = nn.Linear(2, 3)
    weight = np.ones((3, 2), np.float32)
    weight.flags.writeable = False
    layer.weight = nn.Parameter(weight)
    with pytest.raises(RuntimeError, match="read-only memory for weight.*assign=True"):
        layer.load_state_dict(nn.Linear(2, 3).state_dict())


def test_one_element_loads_into_a_scalar():
    module = nn.Module()
    module.register_buffer("count", np.array(0))
    module.load_state_dict({"count": np.array([3])})
    assert module.count.shape == () and module.count == 3


def test_load_wants_a_mapping():
    with pytest.raises(TypeError, match="dict-like"):
        nn.ReLU().load_state_dict([1])


def test_an_overridden_load_can_adapt_old_states():
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict, prefix, *rest):
            if prefix + "kernel" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    model = nn.Sequential(Renamed(2, 3))
    state = {"0.kernel": np.ones((3, 2)), "0.bias": np.ones(3)}
    model.load_state_dict(state)
    assert "0.kernel" in state
    np.testing.assert_array_equal(model[0].weight.numpy(), 1)


def test_state_dict_hooks():
    layer = nn.Linear(2, 3)
    layer.register_state_dict_pre_hook(lambda module, prefix, keep_vars: module.register_buffer("late", np.ones(1)))
    layer.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.update(x=1))
    assert list(layer.state_dict()) == ["weight", "bias", "late", "x"]
    other = nn.Linear(2, 3)

    def rename(module, state, prefix, metadata, strict, missing, unexpected, errors):
        state[prefix + "bias"] = state.pop(prefix + "beta")

    seen = []
    other.register_load_state_dict_pre_hook(rename)
    handle = other.register_load_state_dict_post_hook(lambda module, keys: seen.append(float(module.bias.numpy()[0])))
    other.load_state_dict({"weight": np.ones((3, 2)), "beta": np.full(3, 7.0)})
    assert seen == [7.0]
    handle.remove()
    other.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    other.load_state_dict({"beta": np.full(3, 8.0)})
    assert other.bias.numpy()[0] == 8


def test_extra_state():
    class Counting(nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = Counting(), nn.Sequential(Counting())
    a.count = 4
    b.load_state_dict(nn.Sequential(a).state_dict())
    assert b[0].count == 4
    with pytest.raises(RuntimeError, match="_extra_state"):
        b.load_state_dict({})


# Conversions


@pytest.mark.parametrize(
    "convert",
    [
        lambda m: m.double(),
        lambda m: m.to(np.float64),
        lambda m: m.to("float64"),
        lambda m: m.to("cpu", np.float64),
        lambda m: m.to(dtype=np.dtype("f8")),
        lambda m: m.to(np.zeros(1)),
        lambda m: m.to(nn.Tensor(np.zeros(1))),
        lambda m: m.type(np.float64),
    ],
)
def test_conversion_to_float64(convert):
    block = Block()
    weight = block.fc.weight
    assert convert(block) is block
    assert block.fc.weight is weight and {array.dtype for array in block.state_dict().values()} == {np.dtype(np.float64)}
    assert block.cache.dtype == np.float64
    assert {p.dtype for p in block.float().parameters()} == {np.dtype(np.float32)}


def test_conversion_leaves_integers_and_equal_types_alone():
    block = Block()
    block.register_buffer("count", np.array(3))
    memory = block.scale.numpy()
    block.float()
    assert block.scale.numpy() is memory
    assert block.double().count.dtype == np.int64
    assert block.cpu() is block and block.to("cpu") is block and block.to() is block


@pytest.mark.parametrize("dtype", [np.float16, np.int32, "int8", complex])
def test_other_types_are_refused(dtype):
    with pytest.raises(TypeError, match="float32 or float64"):
        Block().to(dtype)


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match="'cpu', got 'cuda:0'"):
        Block().to("cuda:0")
    with pytest.raises(TypeError, match="unexpected keyword"):
        Block().to(devise="cpu")
    with pytest.raises(TypeError, match="expected a dtype"):
        Block().to(object())


def test_gradients():
    layer = nn.Linear(2, 3)
    assert all(p.requires_grad for p in layer.parameters())
    layer.requires_grad_(False)
    assert not any(p.requires_grad for p in layer.parameters())
    layer.weight.grad = np.ones((3, 2), np.float32)
    layer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(layer.weight.grad, 0)
    layer.zero_grad()
    assert layer.weight.grad is None


# Calls and hooks


def test_a_module_without_forward():
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        nn.Module()(1)


def test_arguments_reach_forward_as_they_are():
    class Echo(nn.Module):
        def forward(self, *args, **kwargs):
            return args, kwargs

    echo = Echo()
    for _ in range(2):
        assert echo() == ((), {}) and echo(None) == ((None,), {}) and echo(1, 2) == ((1, 2), {})
        assert echo(input=3) == ((), {"input": 3}) and echo(1, args=2, kwargs=3) == ((1,), {"args": 2, "kwargs": 3})
        echo.register_forward_hook(lambda module, args, output: None)


def test_forward_may_be_replaced_on_one_instance():
    block = Block()
    block.forward = lambda x: x * 10
    assert block(2) == 20


def test_hooks_in_order():
    block, log = Block(), []
    first = block.register_forward_pre_hook(lambda module, args: log.append("first"))

    def double(module, args, kwargs):
        log.append("zeroth")
        return (args[0] * 2,), kwargs

    block.register_forward_pre_hook(double, prepend=True, with_kwargs=True)
    block.register_forward_hook(lambda module, args, output: (log.append(("after", args, output)), output + 10)[1])
    block.register_forward_hook(lambda module, args, kwargs, output: log.append(("last", kwargs, output)), with_kwargs=True)
    assert block(3, fail=False) == 17
    assert log == ["zeroth", "first", ("after", (6,), 7), ("last", {"fail": False}, 17)]
    first.remove()
    first.remove()
    log.clear()
    block(3)
    assert "first" not in log


def test_a_hook_that_is_always_called():
    block, seen = Block(), []
    block.register_forward_hook(lambda module, args, output: seen.append(output), always_call=True)
    with pytest.raises(ValueError, match="asked to fail"):
        block(1, fail=True)
    assert seen == [None]


def test_an_error_in_a_hook_that_is_always_called_only_warns():
    block = Block()

    def broken(module, args, output):
        raise RuntimeError("broken hook")

    block.register_forward_hook(broken, always_call=True)
    with pytest.warns(UserWarning, match="broken hook"), pytest.raises(ValueError, match="asked to fail"):
        block(1, fail=True)


def test_handles_are_context_managers():
    block = Block()
    with block.register_forward_hook(lambda module, args, output: 0):
        assert block(1) == 0
    assert block(1) == 2


def test_a_pre_hook_with_kwargs_must_return_a_pair():
    block = Block()
    block.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match="new_args, new_kwargs"):
        block(1)


def test_a_hook_may_remove_itself():
    block = Block()
    handle = block.register_forward_hook(lambda module, args, output: handle.remove())
    assert block(1) == 2 and block(1) == 2
    assert not block._forward_hooks


# Repr and copies


def test_repr():
    class Extra(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Block()
            self.none = None
            self.register_module("gap", None)

        def extra_repr(self):
            return "first\nsecond"

    assert repr(Extra()) == (
        "Extra(\n"
        "  first\n"
        "  second\n"
        "  (inner): Block(\n"
        "    (fc): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (act): ReLU()\n"
        "  )\n"
        "  (gap): None\n"
        ")"
    )
    assert repr(nn.Module()) == "Module()"


def test_dir_has_the_attributes():
    assert {"fc", "scale", "mean", "forward", "table"} <= set(dir(Block()))
    assert not [name for name in dir(nn.Sequential(nn.ReLU())) if name[0].isdigit()]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_keep_sharing_inside_and_none_outside(duplicate):
    net = Net()
    net.tail[1].bias = net.one.fc.bias
    net.one.handle = net.one.register_forward_hook(print)
    twin = duplicate(net)
    assert twin.again is twin.one and twin.tail[1].bias is twin.one.fc.bias
    assert not np.shares_memory(twin.one.fc.weight.numpy(), net.one.fc.weight.numpy())
    assert repr(twin) == repr(net) and list(twin.state_dict()) == list(net.state_dict())
    for key, array in twin.state_dict().items():
        np.testing.assert_array_equal(array, net.state_dict()[key])
    twin.one.handle.remove()
    assert not twin.one._forward_hooks and net.one._forward_hooks
    twin.one._modules["fc"] = nn.ReLU()
    assert isinstance(twin.one.fc, nn.ReLU) and isinstance(net.one.fc, nn.Linear)
    assert "cache" not in twin.one.state_dict()


def test_a_shallow_copy_shares_parameters_but_not_registries():
    block = Block()
    twin = copy.copy(block)
    assert twin.scale is block.scale
    twin.scale = nn.Parameter(np.zeros(2, np.float32))
    assert block.scale.numpy()[0] == 1


def test_a_module_dies_with_its_last_reference():
    gc.disable()
    try:
        net = Net()
        alive = weakref.ref(net), weakref.ref(net.one.fc.weight)
        del net
        assert alive[0]() is None and alive[1]() is None
    finally:
        gc.enable()


class Buffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Buffer(np.arange(3, dtype=np.float32))
        self.cache = nn.Buffer(np.zeros(2), persistent=False)
        self.later = nn.UninitializedBuffer(persistent=False)


def test_a_buffer_is_registered_when_it_is_assigned() -> None:
    values = np.ones(3, np.float32)
    model = Buffers()
    assert list(model._buffers) == ["mean", "cache", "later"] and list(model.state_dict()) == ["mean"]
    assert type(model.mean) is np.ndarray and model.get_buffer("cache").dtype == np.float64
    model.mean = nn.Buffer(values, persistent=False)
    assert np.shares_memory(model.mean, values) and list(model.state_dict()) == []
    model.mean = values  # the name stays a buffer that is not saved
    assert list(model.state_dict()) == []
    model.cache = nn.Buffer(values)
    assert list(model.state_dict()) == ["cache"]
    del model.mean, model.later
    assert [name for name, _ in model.named_buffers()] == ["cache"] and model.double().cache.dtype == np.float64


def test_what_a_buffer_is() -> None:
    buffer = nn.Buffer(nn.Tensor(np.ones(2), requires_grad=True), persistent=False)
    assert isinstance(buffer, nn.Tensor) and buffer.requires_grad and not buffer.persistent and nn.Buffer().shape == (0,)
    assert nn.Buffer([1.0, 2.0]).dtype == np.float32 and nn.Buffer([1, 2]).persistent
    for other in (copy.deepcopy(buffer), pickle.loads(pickle.dumps(buffer))):
        assert type(other) is nn.Buffer and not other.persistent and other.requires_grad
    assert type(buffer + 1) is nn.Tensor
    later = nn.UninitializedBuffer(persistent=False)
    assert isinstance(later, nn.Buffer)
    later.materialize((3,))
    assert type(later) is nn.Buffer and not later.persistent and later.shape == (3,)


def test_a_buffer_cannot_take_the_place_of_something_else() -> None:
    model = Buffers()
    model.weight, model.child, model.plain = nn.Parameter(np.ones(1)), nn.ReLU(), 3
    for name, error in (("weight", TypeError), ("child", TypeError), ("plain", KeyError)):
        with pytest.raises(error):
            setattr(model, name, nn.Buffer(np.ones(1)))

    class Early(nn.Module):
        def __init__(self) -> None:
            self.mean = nn.Buffer(np.ones(1))

    with pytest.raises(AttributeError, match="cannot assign buffer before Module.__init__"):
        Early()


def test_sync_batch_norm_takes_the_place_of_batch_norm() -> None:
    inside = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(4, affine=False).eval())
    model = nn.Sequential(nn.BatchNorm2d(3, momentum=0.5), inside, nn.LayerNorm(2))
    weight, mean, inner = model[0].weight, model[0].running_mean, model[1]
    again = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert again is model and model[1] is inner and type(model[2]) is nn.LayerNorm
    assert type(model[0]) is type(inner[1]) is nn.SyncBatchNorm and model[0].training and not inner[1].training
    assert model[0].weight is weight and model[0].running_mean is mean and model[0].momentum == 0.5 and inner[1].weight is None
    plain = nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm3d(2))
    assert type(plain) is nn.SyncBatchNorm and plain.state_dict().keys() == nn.BatchNorm3d(2).state_dict().keys()
