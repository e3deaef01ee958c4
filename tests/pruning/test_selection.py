"""Which kernels are pruned: every kind of layer, the ends of any graph, choices by hand, reasons for the rest."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from support import small_model

import tfprune
from tfprune import scope
from tfprune.errors import InputError
from tfprune.granularity import Block, Weight
from tfprune.pruning import Pruner, select


def chosen(model, **options):
    selection = select(model, granularity=Weight(), **options)
    return [t.path for t in selection.targets], {s.path: s.reason for s in selection.skipped}


def test_the_default_choice():
    targets, skipped = chosen(small_model())
    assert targets == ["pointwise/kernel", "hidden/kernel"]
    assert skipped["stem/kernel"] == "first layer"
    assert skipped["head/kernel"] == "last layer"
    assert skipped["depthwise/kernel"] == "depthwise"
    assert skipped["norm/gamma"] == "normalisation"
    assert skipped["hidden/bias"] == "bias"


def test_two_inputs_and_two_outputs_have_two_firsts_and_two_lasts():
    a, b = keras.Input((6,)), keras.Input((6,))
    x = layers.Add()([layers.Dense(8, name="first_a")(a), layers.Dense(8, name="first_b")(b)])
    x = layers.Dense(8, name="middle")(x)
    model = keras.Model([a, b], [layers.Dense(2, name="last_a")(x), layers.Dense(3, name="last_b")(layers.ReLU()(x))])
    targets, skipped = chosen(model)
    assert targets == ["middle/kernel"]
    assert {path for path, reason in skipped.items() if reason == "first layer"} == {"first_a/kernel", "first_b/kernel"}
    assert {path for path, reason in skipped.items() if reason == "last layer"} == {"last_a/kernel", "last_b/kernel"}


def test_nested_and_shared_layers_count_once():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8, name="d1"), layers.Dense(8, name="d2")], name="inner")
    inputs = keras.Input((8,))
    x = inner(layers.Dense(8, name="first")(inputs))
    x = inner(x)  # called twice: the same weights
    targets, _ = chosen(keras.Model(inputs, layers.Dense(2, name="last")(x)))
    assert targets == ["inner/d1/kernel", "inner/d2/kernel"]


def test_nested_backbone_as_first_layer():
    backbone = keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, name="d1"), layers.Dense(8, name="d2")], name="body"
    )
    model = keras.Sequential([keras.Input((8,)), backbone, layers.Dense(2, name="head")])
    targets, skipped = chosen(model)
    assert targets == ["body/d2/kernel"]
    assert skipped["body/d1/kernel"] == "first layer"


class Block2(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.inner = layers.Dense(8, name="inner")

    def build(self, shape):
        self.gain = self.add_weight(shape=(8, 8), name="gain")
        self.table = self.add_weight(shape=(8, 8), name="table", trainable=False)

    def call(self, x):
        return self.inner(x) @ self.gain


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.block, self.last = (
            layers.Dense(8, name="first"),
            Block2(name="block"),
            layers.Dense(2, name="last"),
        )

    def call(self, x):
        return self.last(self.block(self.first(x)))


def test_subclassed_models_and_custom_layers():
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    targets, skipped = chosen(model)
    assert targets == ["block/gain", "block/inner/kernel"]
    assert skipped["first/kernel"] == "first layer"
    assert skipped["last/kernel"] == "last layer"
    assert skipped["block/table"] == "frozen"


@pytest.mark.parametrize(
    ("layer", "shape", "kernels"),
    [
        (lambda: layers.Dense(4), (6,), {"kernel"}),
        (lambda: layers.Conv1D(4, 3), (9, 6), {"kernel"}),
        (lambda: layers.Conv2D(4, 3, groups=2), (9, 9, 6), {"kernel"}),
        (lambda: layers.Conv3D(4, 2), (5, 5, 5, 6), {"kernel"}),
        (lambda: layers.Conv1DTranspose(4, 3), (9, 6), {"kernel"}),
        (lambda: layers.Conv2DTranspose(4, 3), (9, 9, 6), {"kernel"}),
        (lambda: layers.Conv3DTranspose(4, 2), (5, 5, 5, 6), {"kernel"}),
        (lambda: layers.SeparableConv2D(4, 3), (9, 9, 6), {"pointwise_kernel"}),
        (lambda: layers.SeparableConv1D(4, 3), (9, 6), {"pointwise_kernel"}),
        (lambda: layers.EinsumDense("abc,cd->abd", (9, 4)), (9, 6), {"kernel"}),
        (lambda: layers.LSTM(4), (9, 6), {"kernel", "recurrent_kernel"}),
        (lambda: layers.GRU(4), (9, 6), {"kernel", "recurrent_kernel"}),
        (lambda: layers.SimpleRNN(4), (9, 6), {"kernel", "recurrent_kernel"}),
        (lambda: layers.ConvLSTM2D(4, 3), (5, 9, 9, 6), {"kernel", "recurrent_kernel"}),
        (lambda: layers.Bidirectional(layers.LSTM(4)), (9, 6), {"kernel", "recurrent_kernel"}),
        (lambda: layers.TimeDistributed(layers.Dense(4)), (9, 6), {"kernel"}),
    ],
)
def test_every_layer_with_a_kernel(layer, shape, kernels):
    """In the middle of a network, each is found, pruned, and trains on."""
    inputs = keras.Input(shape)
    x = layers.Dense(6, name="first")(inputs)
    x = layer()(x)
    x = layers.Flatten()(x) if len(x.shape) > 2 else x
    model = keras.Model(inputs, layers.Dense(2, name="last")(x))
    targets, _ = chosen(model)
    assert targets
    assert {path.rsplit("/", 1)[1] for path in targets} == kernels
    model.compile("sgd", "mse")
    pruner = Pruner(model, 0.5, schedule="constant")
    pruner.start(total_steps=2)
    for step in range(2):
        pruner.update(step)
        model.train_on_batch(np.ones((2, *shape), "float32"), np.ones((2, 2), "float32"))
        assert pruner.measure() >= pruner.sparsity
    assert pruner.finish() == pytest.approx(0.5, abs=0.02)


def test_attention_and_embedding():
    tokens = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 8, name="tokens")(tokens)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    model = keras.Model(tokens, layers.Dense(2, name="last")(layers.Flatten()(x)))
    targets, skipped = chosen(model)
    assert [path.split("/")[1] for path in targets] == ["query", "key", "value", "attention_output"]
    assert skipped["tokens/embeddings"] == "first layer"
    assert chosen(model, layers=["tokens"])[0] == ["tokens/embeddings"]
    with pytest.raises(InputError, match="no input channels for this granularity"):
        select(model, layers=["tokens"], granularity=Block())


def test_frozen_lora_and_quantised_layers_are_left_alone_with_a_reason():
    model = small_model()
    model.get_layer("hidden").trainable = False
    assert chosen(model)[1]["hidden/kernel"] == "frozen"
    model = small_model()
    model.get_layer("hidden").enable_lora(2)
    assert chosen(model)[1]["hidden/kernel"] == "LoRA is enabled"
    model = small_model()
    model.get_layer("hidden").quantize("int8")
    assert chosen(model)[1]["hidden/kernel"] == "quantised (int8)"


def test_choice_by_hand():
    model = small_model()
    assert chosen(model, layers=["stem", model.get_layer("head")])[0] == ["stem/kernel", "head/kernel"]
    assert chosen(model, layers=[keras.layers.Conv2D])[0] == ["stem/kernel", "pointwise/kernel"]
    assert chosen(model, skip=[keras.layers.Dense])[0] == ["pointwise/kernel"]
    assert chosen(model, layers=["stem"], skip=["hidden"])[0] == ["stem/kernel"]
    assert chosen(model, layers=[model], skip=["head"])[0][0] == "stem/kernel"
    selection = select(model, per_layer={"stem": 0.3, model.get_layer("hidden"): 0.6}, granularity=Weight())
    assert {t.path: t.sparsity for t in selection.targets} == {
        "stem/kernel": 0.3,
        "pointwise/kernel": None,
        "hidden/kernel": 0.6,
    }


def test_two_layers_are_enough():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="a"), layers.Dense(2, name="b")])
    assert chosen(model)[0] == ["a/kernel", "b/kernel"]


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (small_model, {"layers": ["hiden"]}, "no layer 'hiden'. Did you mean 'hidden'"),
        (small_model, {"skip": ["pointwize"]}, "Did you mean 'pointwise'"),
        (small_model, {"layers": [keras.layers.Dense(2, name="stranger")]}, "'stranger' is not part of this model"),
        (small_model, {"layers": [3.5]}, "does not choose a layer"),
        (small_model, {"layers": [keras.layers.ReLU]}, "no prunable layer"),
        (small_model, {"per_layer": {"hidden": 1.0}}, "sparsity of 'hidden' is 1.0"),
        (lambda: keras.Sequential([layers.Dense(2)]), {}, "build it first"),
        (Subclassed, {}, "build it first"),
        (lambda: keras.Sequential([keras.Input((2,)), layers.BatchNormalization()]), {}, "no prunable layer"),
        (lambda: "model.keras", {}, "not a Keras model"),
    ],
)
def test_bad_input_says_what_to_do(model, options, message):
    with pytest.raises(InputError, match=message):
        chosen(model(), **options)


def test_ambiguous_names_ask_for_the_path():
    branches = [
        keras.Sequential([keras.Input((4,)), layers.Dense(4, name="d")], name=name) for name in ("left", "right")
    ]
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Add()([branch(inputs) for branch in branches]))
    with pytest.raises(InputError, match="left/d, right/d"):
        chosen(model, layers=["d"])
    assert chosen(model, layers=["left/d"])[0] == ["left/d/kernel"]


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=6), st.floats(0.0, 0.97))
def test_erk_keeps_what_is_asked_for_and_small_layers_denser(shapes, sparsity):
    sizes = [a * b for a, b in shapes]
    densities = scope.ErdosRenyi.densities(shapes, sizes, 1 - sparsity)
    assert np.dot(densities, sizes) == pytest.approx((1 - sparsity) * sum(sizes), rel=1e-6)
    raw = [(a + b) / (a * b) for a, b in shapes]
    for one, left in enumerate(raw):
        for other, right in enumerate(raw):
            assert left <= right or densities[one] >= densities[other] - 1e-12


def test_erk_in_a_network():
    model = small_model()
    result = tfprune.prune(model, 0.6, scope="erk", layers=["pointwise", "hidden"])
    by_path = {kernel.path: kernel.sparsity for kernel in result.kernels}
    assert by_path["pointwise/kernel"] < 0.6 < by_path["hidden/kernel"]
    assert abs(result.sparsity - 0.6) < 1e-3


def test_sensitivity_spares_the_layer_that_can_not_bear_it():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = keras.Sequential(
        [
            keras.Input((20,)),
            layers.Dense(20, activation="relu", name="redundant"),
            layers.Dense(20, name="needed"),
            layers.Dense(2),
        ]
    )
    x = (rng.normal(size=(500, 3)) @ rng.normal(size=(3, 20))).astype("float32")  # three inputs would do for the first
    model.layers[0].set_weights([rng.normal(size=(20, 20)) @ np.diag(rng.uniform(0.5, 2, 20)), rng.normal(size=20)])
    errors = {}
    for where in ("layer", "sensitivity"):
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        result = tfprune.prune(copy, 0.5, scope=where, data=x, refit=x, layers=["redundant", "needed"])
        assert abs(result.sparsity - 0.5) < 2e-3
        errors[where] = sum(fit.after for fit in result.refit.layers[:2])
        if where == "sensitivity":
            by_path = {kernel.path: kernel.sparsity for kernel in result.kernels}
            assert by_path["redundant/kernel"] > by_path["needed/kernel"]
    assert errors["sensitivity"] < 0.7 * errors["layer"]


def test_sensitivity_needs_data():
    with pytest.raises(InputError, match="needs data, without labels"):
        tfprune.prune(small_model(), 0.5, scope="sensitivity")


def gan(built):
    class Gan(keras.Model):
        def __init__(self):
            super().__init__(name="gan")
            self.generator = keras.Sequential([layers.Dense(8), layers.Dense(8, name="middle"), layers.Dense(8)])
            self.critic = keras.Sequential([layers.Dense(8), layers.Dense(1)])
            self.generator.build((None, 4))
            if built:
                self.critic.build((None, 8))

    return Gan()


def test_a_model_that_was_never_called_has_weights_if_all_its_parts_were_built():
    model = gan(built=True)
    assert not model.built
    targets, _ = chosen(model, layers=[model.generator])
    assert len(targets) == 3


def test_a_model_with_a_part_that_was_not_built_is_refused():
    model = gan(built=False)
    with pytest.raises(InputError, match="'gan' has no weights yet; build it first"):
        chosen(model, layers=[model.generator])
