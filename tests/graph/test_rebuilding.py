"""The smaller model carries on: compilation, optimizer memory, policies, frozen layers, regularizers; bad requests."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph.oracle import check_oracle, random_inputs, scramble, zero
from keras import layers, ops

import tfprune
from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.surgery import cut_graph, shrink


def network(policy=None, plain=False):
    """Return a small network with everything that a rebuilt layer has to keep, or without what acts in training."""
    settings = {} if plain else {"kernel_regularizer": keras.regularizers.L2(0.01), "bias_constraint": "non_neg"}
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(6, 3, name="first", dtype=policy, **settings)(image)
    x = layers.ReLU()(layers.BatchNormalization(name="norm", momentum=0.9, dtype=policy)(x))
    x = layers.Conv2D(8, 3, activation="relu", name="second", dtype=policy)(x)
    x = layers.Dropout(0.0 if plain else 0.1, seed=3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Dense(3, name="head", dtype="float32" if policy else None)(x), name="network")


def batches(count=3):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(16, 8, 8, 3)).astype("float32"), rng.integers(0, 3, 16)) for _ in range(count)]


CUT = {"first": [0, 4], "second": [1, 2, 7]}


def test_compilation_is_carried_over():
    """Loss, metrics, optimizer and its settings are the same; the optimizer is another and new."""
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.8, clipnorm=1.0), loss, metrics=["accuracy"])
    model.train_on_batch(*batches(1)[0])
    small = shrink(model, CUT)
    assert small.compiled
    assert small.optimizer is not model.optimizer
    assert small.optimizer.get_config() == model.optimizer.get_config()
    assert small.loss.get_config() == loss.get_config()
    assert int(small.optimizer.iterations.numpy()) == 0
    assert set(small.evaluate(*batches(1)[0], verbose=0, return_dict=True)) == {"accuracy", "loss"}


def test_a_model_that_is_not_compiled_stays_so():
    assert not shrink(network(), CUT).compiled


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "lion": lambda: keras.optimizers.Lion(0.001),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimizer_goes_on_where_it_was(name):
    """With removed channels zero in weights and memory, a step of both models has the same loss, before and after."""
    model = network(plain=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[name](), loss)
    graph = trace(model)
    data = batches(4)
    for x, y in data[:2]:
        model.train_on_batch(x, y)
    zero(graph, CUT)
    forget(model, graph)
    small = cut_graph(graph, CUT, optimizer=True)
    assert int(small.optimizer.iterations.numpy()) == int(model.optimizer.iterations.numpy()) == 2
    compare_memory(model, small)
    for x, y in data[2:]:
        model.reset_metrics()  # older Keras returns the mean of all batches so far
        small.reset_metrics()
        before, after = (float(m.train_on_batch(x, y)) for m in (model, small))
        assert before == pytest.approx(after, rel=2e-5)
        zero(graph, CUT)  # the removed channels learn too: they are put back
        forget(model, graph)


def forget(model, graph):
    """Set the optimizer's memory of the removed channels to zero, as their weights are."""
    gone = {}
    for name, numbers in CUT.items():
        for entry in graph.group(name).slices:
            gone.setdefault(id(entry.variable), []).append((entry.axis, entry.positions[numbers].reshape(-1)))
    for slots in vars(model.optimizer).values():
        if isinstance(slots, list) and len(slots) == len(model.optimizer._trainable_variables):
            for variable, slot in zip(model.optimizer._trainable_variables, slots, strict=True):
                if slot is variable or not isinstance(slot, keras.Variable):
                    continue
                values = np.array(slot.numpy())
                for axis, positions in gone.get(id(variable), []):
                    np.moveaxis(values, axis, 0)[positions] = 0
                slot.assign(values)


def compare_memory(model, small):
    """Assert that the memory of each weight that is left is the slice of what it was, and that there is some."""
    kept = {"first": [1, 2, 3, 5], "second": [0, 3, 4, 5, 6]}
    old = {v.path.partition("/")[2]: np.array(v.numpy()) for v in model.optimizer.variables}
    new = {v.path.partition("/")[2]: np.array(v.numpy()) for v in small.optimizer.variables}
    assert old.keys() == new.keys()
    slots = [key for key in old if "second_kernel" in key]
    assert slots
    for key in slots:
        assert (new[key] == old[key][:, :, kept["first"]][..., kept["second"]]).all()
        assert new[key].any()


def test_mixed_precision_is_kept():
    """Compute and variable dtypes are those of the given layers, and the oracle holds to half precision."""
    model = network("mixed_float16")
    _, _, small = check_oracle(model, tolerance=5e-3)
    for name in ("first", "norm", "second", "head"):
        old, new = model.get_layer(name), small.get_layer(name)
        assert (old.compute_dtype, old.variable_dtype) == (new.compute_dtype, new.variable_dtype)
    assert small.get_layer("second").compute_dtype == "float16"


def test_frozen_layers_stay_frozen():
    """So do frozen models around layers, and layers in frozen models are frozen for good."""
    model = network()
    model.get_layer("first").trainable = False
    model.get_layer("norm").trainable = False
    small = shrink(model, CUT)
    assert [v.path for v in small.trainable_variables] == [v.path for v in model.trainable_variables]
    inner = network()
    inner.trainable = False
    x = keras.Input((8, 8, 3))
    whole = keras.Model(x, layers.Dense(2, name="new")(inner(x)))
    small = shrink(whole, {"network/first": [0]})
    assert [v.path for v in small.trainable_variables] == ["new/kernel", "new/bias"]


def test_regularizers_constraints_and_settings_are_kept():
    """Whatever a layer was made with, but its size."""
    model = network()
    small = shrink(model, CUT)
    for layer in model.layers:
        old, new = layer.get_config(), small.get_layer(layer.name).get_config()
        sizes = {"filters", "units", "batch_shape"}
        assert {k: v for k, v in old.items() if k not in sizes} == {k: v for k, v in new.items() if k not in sizes}
    squares = float((small.get_layer("first").kernel.numpy() ** 2).sum())
    assert float(small.losses[0]) == pytest.approx(0.01 * squares, rel=1e-5)


def test_a_normalisation_that_was_adapted_still_normalises(tmp_path):
    """It computes with copies of its weights, which are made when it is adapted or loaded."""
    data = np.random.default_rng(0).normal(3, 2, (50, 6, 6, 3)).astype("float32")
    normalization = layers.Normalization()
    normalization.adapt(data)
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(8, 3, name="conv")(normalization(inputs))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    small = shrink(model, {})
    np.testing.assert_allclose(small(data), model(data), atol=1e-5)
    small.save(tmp_path / "small.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "small.keras")(data), model(data), atol=1e-5)


def test_the_result_is_the_same_every_time():
    """Twice the same request, twice the same weights and config."""
    model = scramble(network())
    one, two = (shrink(model, CUT) for _ in range(2))
    assert one.get_config() == two.get_config()
    assert all((a == b).all() for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


def test_a_result_can_be_cut_again():
    """What is left is a model like any other, and cutting in two steps is cutting in one."""
    model = scramble(network())
    twice = shrink(shrink(model, {"first": [0]}), {"first": [3], "second": [1, 2, 7]})  # 4 of those there were
    for a, b in zip(twice.get_weights(), shrink(model, CUT).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_zero_channels_are_removed_by_themselves():
    """Without a request, those go that are zero in every slice; one that is zero in some stays."""
    model = scramble(network())
    graph = trace(model)
    zero(graph, {"first": [2], "second": [0, 5]})
    kernel = np.array(model.get_layer("first").kernel.numpy())
    kernel[..., 3] = 0
    model.get_layer("first").kernel.assign(kernel)
    small = shrink(model)
    assert (small.get_layer("first").filters, small.get_layer("second").filters) == (5, 6)
    x = random_inputs(model)
    np.testing.assert_allclose(small(x), model(x), atol=1e-6)


def test_a_group_that_is_dead_keeps_one():
    model = scramble(network())
    graph = trace(model)
    zero(graph, {"second": list(range(8))})
    small = shrink(model)
    assert small.get_layer("second").filters == 1
    x = random_inputs(model)
    np.testing.assert_allclose(small(x), model(x), atol=1e-6)


def test_no_request_and_nothing_dead_is_a_copy():
    model = scramble(network())
    small = shrink(model)
    assert small is not model
    assert all((a == b).all() for a, b in zip(small.get_weights(), model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"frist": [0]}, "Did you mean 'first'"),
        ({"first": [6]}, "channels 0 to 5"),
        ({"first": [-1]}, "channels 0 to 5"),
        ({"second": list(range(8))}, "keep at least one"),
        ({"head": [0]}, "the network's output"),
        ({"first": [0], "head": [1]}, "can't be pruned"),
    ],
    ids=str,
)
def test_bad_requests_are_refused_and_change_nothing(request_, message):
    """Each with an error that says what is allowed; the model is as it was."""
    model = scramble(network())
    before = model.get_weights()
    with pytest.raises(InputError, match=message):
        shrink(model, request_)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_an_empty_request_removes_nothing_and_a_channel_may_be_named_twice():
    model = network()
    assert shrink(model, {}).count_params() == shrink(model, {"first": []}).count_params() == model.count_params()
    assert shrink(model, {"first": [1, 1]}).get_layer("first").filters == 5


def test_channels_that_go_with_those_of_another_layer_are_found_by_its_name():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, name="stem")(image)
    x = layers.Add()([x, layers.Conv2D(6, 3, padding="same", name="conv_2")(x)])
    inner = keras.Sequential([keras.Input((6, 6, 6)), layers.Conv2D(6, 3, padding="same", name="deep")], name="inner")
    x = layers.GlobalAveragePooling2D()(layers.Add()([x, inner(x)]))
    model = keras.Model(image, layers.Dense(2, name="head")(x))
    for name in ("conv_2", "inner/deep", "deep"):
        with pytest.raises(InputError, match=f"channels of '{name}' go with the group 'stem'"):
            shrink(model, {name: [1]})
    with pytest.raises(InputError, match=r"no channel group 'stemm'. Did you mean 'stem'"):
        shrink(model, {"stemm": [1]})
    assert shrink(model, {"stem": [1]}).get_layer("conv_2").filters == 5


def around(layer):
    """Return a network with a layer between convolutions."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="second")(layer(layers.Conv2D(6, 3, name="first")(image)))
    return keras.Model(image, layers.Conv2D(2, 3, name="head")(x))


def test_an_identity_that_was_given_objects_is_copied(tmp_path):
    """Keras has no config of such a one, so its model can't be saved; what comes out can."""
    policy = keras.DTypePolicy("mixed_bfloat16")
    model = around(layers.Identity(dtype=policy, trainable=False, name="same"))
    with pytest.raises(NotImplementedError):
        model.get_layer("same").get_config()
    small = shrink(model, {"first": [0, 4]})
    copied = small.get_layer("same")
    assert (copied.dtype_policy.name, copied.trainable, copied.activity_regularizer) == ("mixed_bfloat16", False, None)
    small.save(tmp_path / "small.keras")
    x = random_inputs(small)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "small.keras")(x), small(x))


def test_an_identity_that_is_penalised_stays_so():
    small = shrink(around(layers.Identity(activity_regularizer=keras.regularizers.L2(0.1))), {"first": [0, 4]})
    small(random_inputs(small))
    assert float(sum(small.losses)) > 0


class Sorted(layers.Layer):
    """A layer that no rule knows, with an argument that Keras can't write down."""

    def __init__(self, factor, **settings):
        super().__init__(**settings)
        self.factor = factor

    def call(self, x):
        return tf.sort(x, axis=1) * self.factor[0]


class Forgetful(Sorted):
    def get_config(self):
        return {**layers.Layer.get_config(self), "factor": self.missing}


class Failing(Sorted):
    def get_config(self):
        return {"factor": {}["of old"]}


@pytest.mark.parametrize(
    ("cls", "reason"),
    [(Sorted, "non-serializable argument"), (Forgetful, "no attribute 'missing'"), (Failing, "of old")],
)
def test_a_layer_without_a_config_is_named(cls, reason):
    """What Keras says of it is passed on; the model is as it was."""

    class Factor:
        def __getitem__(self, key):
            return 2.0

    model = around(cls(Factor(), name="sorted"))
    x = random_inputs(model)
    before = model(x)
    with pytest.raises(InputError, match=rf"sorted \({cls.__name__}\) can't be copied.*{reason}.*let it return"):
        shrink(model, {"second": [0]})
    np.testing.assert_array_equal(model(x), before)


def quick_gelu(x):
    """A function that is not registered with Keras, and so is found by no name."""
    return x * ops.sigmoid(1.702 * x)


def test_functions_of_ones_own_are_carried_over():
    """As an activation, in a convolution or alone: the function itself, not its name."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, activation=quick_gelu, name="a")(image)
    x = layers.Activation(quick_gelu)(layers.Dense(5, name="b")(x))
    model = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    _, _, small = check_oracle(model, chosen={"a": [0, 4], "b": [1]})
    assert small.get_layer("a").activation is quick_gelu


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        (lambda: keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2), 2),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, momentum=0.9)), 4),
    ],
    ids=["accumulating", "scaling the loss"],
)
def test_the_memory_of_every_kind_of_optimizer_is_cut(make, steps):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, name="cut"), keras.layers.Dense(2)])
    optimizer = make()
    model.compile(optimizer, "mse")
    model.fit(np.ones((16, 6)), np.ones((16, 2)), batch_size=4, verbose=0)
    small = tfprune.shrink(model, {"cut": [1, 4]}, optimizer=True)
    old, new = (getattr(one, "inner_optimizer", one) for one in (optimizer, small.optimizer))
    momentum = np.delete(old.momentums[0].numpy(), [1, 4], axis=1)
    assert np.any(momentum)
    np.testing.assert_array_equal(new.momentums[0].numpy(), momentum)
    assert int(new._iterations.numpy()) == int(old._iterations.numpy()) > 0
    small.fit(np.ones((8, 6)), np.ones((8, 2)), batch_size=4, verbose=0)
