"""What data say of weights and channels, against finite differences and against what is computed by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tfprune.errors import InputError, SparsityError
from tfprune.graph import trace
from tfprune.statistics import Examples, Study

RNG = np.random.default_rng(0)


def network(loss="sparse_categorical_crossentropy", head="softmax"):
    """A small network in float64, so that finite differences are exact."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 3, padding="same", activation="tanh", kernel_regularizer="l2", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(4, activation="softplus", name="hidden")(x)
    model = keras.Model(inputs, layers.Dense(3, activation=head, name="head")(x))
    norm = model.get_layer("norm")
    norm.moving_mean.assign([0.1, -0.2, 0.05])
    norm.moving_variance.assign([0.5, 1.5, 1.0])
    model.compile(loss=loss)
    return model


X = RNG.normal(size=(5, 4, 4, 2))
Y = np.array([0, 2, 1, 1, 0])


def mean_loss(model, x=X, y=Y):
    p = np.asarray(model(x, training=False))
    return float(-np.log(p[np.arange(len(y)), y]).mean())


def slope_by_hand(model, variable, x=X, y=Y, step=1e-5):
    """The gradient by central differences."""
    before = variable.numpy()
    found = np.zeros(before.size)
    for n in range(before.size):
        sides = []
        for sign in (1, -1):
            moved = before.reshape(-1).copy()
            moved[n] += sign * step
            variable.assign(moved.reshape(before.shape))
            sides.append(mean_loss(model, x, y))
        found[n] = (sides[0] - sides[1]) / (2 * step)
    variable.assign(before)
    return found.reshape(before.shape)


@pytest.fixture
def model():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield network()
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def kernels(model):
    return [model.get_layer(name).kernel for name in ("conv", "hidden")]


@pytest.mark.parametrize("batch", [2, 5, 32])
def test_gradient_is_that_of_the_mean_loss_whatever_the_batches_without_the_regulariser(model, batch):
    found = Study(model, (X, Y), batch=batch).of_weights("gradient", kernels(model))
    for variable, slopes in zip(kernels(model), found, strict=True):
        np.testing.assert_allclose(slopes, slope_by_hand(model, variable), atol=1e-6)


def test_squares_are_of_single_samples(model):
    found = Study(model, (X, Y), batch=3).of_weights("squared_gradient", kernels(model))
    for variable, squares in zip(kernels(model), found, strict=True):
        each = [slope_by_hand(model, variable, X[n : n + 1], Y[n : n + 1]) for n in range(len(Y))]
        np.testing.assert_allclose(squares, np.mean(np.square(each), axis=0), rtol=1e-3, atol=1e-9)
        assert np.abs(squares - np.square(np.mean(each, axis=0))).max() > 1e-4  # not those of the mean


def hessian(model, variables):
    """The Hessian of the mean loss by autodiff, and the gradient."""
    values = [variable.value for variable in variables]
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape() as inner:
            p = model(X, training=False)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(Y, p))
        slopes = inner.gradient(loss, values)
        flat = tf.concat([tf.reshape(g, [-1]) for g in slopes], 0)
    rows = outer.jacobian(flat, values)
    return np.concatenate([r.numpy().reshape(len(flat), -1) for r in rows], axis=1), flat.numpy()


def test_hessian_times_gradient(model):
    variables = kernels(model)
    h, g = hessian(model, variables)
    found = Study(model, (X, Y), batch=2).of_weights("hessian_gradient", variables)
    np.testing.assert_allclose(np.concatenate([f.reshape(-1) for f in found]), h @ g, rtol=1e-3, atol=1e-6)


def test_hessian_diagonal_by_probes(model):
    variables = kernels(model)
    h, _ = hessian(model, variables)
    found = np.mean(
        [
            np.concatenate(
                [f.reshape(-1) for f in Study(model, (X, Y), seed=seed).of_weights("hessian_diagonal", variables)]
            )
            for seed in range(40)
        ],
        axis=0,
    )
    spread = np.sqrt((np.square(h).sum(axis=1) - np.square(np.diag(h))) / (40 * 8))  # of the mean of so many probes
    assert (np.abs(found - np.diag(h)) < 5 * spread + 1e-6).all()


def test_gauss_newton_and_jacobian(model):
    variables = kernels(model)
    values = [variable.value for variable in variables]
    exact_n, exact_j = 0.0, 0.0
    for n in range(len(Y)):
        with tf.GradientTape() as tape:
            p = model(X[n : n + 1], training=False)[0]
        j = np.concatenate([r.numpy().reshape(3, -1) for r in tape.jacobian(p, values)], axis=1)
        curvature = np.zeros((3, 3))
        curvature[Y[n], Y[n]] = 1 / p.numpy()[Y[n]] ** 2  # of −log p
        exact_n = exact_n + np.einsum("ow,op,pw->w", j, curvature, j) / len(Y)
        exact_j = exact_j + np.square(j).sum(axis=0) / len(Y)
    often = np.tile(X, (30, 1, 1, 1)), np.tile(Y, 30)  # each sample has a probe of its own
    found = {}
    for name in ("gauss_newton", "jacobian"):
        parts = Study(model, often, seed=0).of_weights(name, variables)
        found[name] = np.concatenate([part.reshape(-1) for part in parts])
    np.testing.assert_allclose(found["jacobian"], exact_j, rtol=0.5, atol=0.1 * exact_j.max())
    # with a softmax in the network, Keras takes the loss of the probabilities, clipped and renormalised
    np.testing.assert_allclose(found["gauss_newton"].sum(), exact_n.sum(), rtol=0.6)


def test_jacobian_needs_no_labels_and_no_loss():
    model = network()
    model.compiled = False
    found = Study(model, X).of_weights("jacobian", kernels(model))
    assert all((f >= 0).all() and f.max() > 0 for f in found)


def test_inverse_fisher_is_the_inverse_of_the_blocks(model):
    variable = model.get_layer("hidden").kernel  # 12 weights: one block
    each = np.array([slope_by_hand(model, variable, X[n : n + 1], Y[n : n + 1]).reshape(-1) for n in range(len(Y))])
    exact = np.diag(np.linalg.inv(each.T @ each / len(Y) + 1e-5 * np.eye(12)))
    (found,) = Study(model, (X, Y)).of_weights("inverse_fisher", [variable])
    np.testing.assert_allclose(found.reshape(-1), exact, rtol=5e-2)


def test_input_norm_and_inverse_moments_of_a_dense_layer():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="dense")])
    x = np.random.default_rng(1).normal(size=(64, 3)).astype("float32") * [1, 2, 3]
    kernel = model.get_layer("dense").kernel
    study = Study(model, x)
    (norm,) = study.of_weights("input_norm", [kernel])
    np.testing.assert_allclose(norm, np.repeat(np.sqrt(np.square(x).mean(axis=0))[:, None], 2, axis=1), rtol=1e-5)
    (inverse,) = study.of_weights("inverse_moments", [kernel])
    p = np.concatenate([x, np.ones((64, 1))], axis=1)
    ridge = np.diag([*np.full(3, 1e-3 * np.square(x).mean()), 1e-9])
    exact = np.diag(np.linalg.inv(p.T @ p / 64 + ridge))[:3]
    np.testing.assert_allclose(inverse[:, 0], exact, rtol=1e-3)


def test_synaptic_flow_of_two_layers_is_the_product_of_sizes():
    model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(3, use_bias=False, name="a"), layers.Dense(2, activation="softmax", name="b")]
    )
    before = [w.copy() for w in model.get_weights()]
    a, b = model.get_layer("a").kernel, model.get_layer("b").kernel
    flows = Study(model).of_weights("synaptic_flow", [a, b])
    exact_a = np.repeat(np.abs(b.numpy()).sum(axis=1)[None], 2, axis=0)
    exact_b = np.repeat(np.abs(a.numpy()).sum(axis=0)[:, None], 2, axis=1)
    scale = max(exact_a.max(), exact_b.max())
    np.testing.assert_allclose(flows[0], exact_a / scale, rtol=1e-5)
    np.testing.assert_allclose(flows[1], exact_b / scale, rtol=1e-5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def relu_network():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5, 5, 2))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(3, 2, name="next")(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_activations_of_channels():
    model = relu_network()
    x = RNG.normal(size=(7, 5, 5, 2)).astype("float32")
    y = RNG.integers(0, 3, 7)
    groups = list(trace(model).prunable)
    study = Study(model, (x, y), batch=3)
    groups = [study.graph.group(group.name) for group in groups]
    seen = keras.Model(model.input, [model.get_layer("relu").output, model.output])
    a = np.asarray(seen(x)[0])
    means, shares = (study.of_channels(name, groups)[0] for name in ("activation_mean", "activation_share"))
    np.testing.assert_allclose(means[:, 0], np.abs(a).mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(shares[:, 0], (a != 0).mean(axis=(0, 1, 2)), rtol=1e-5)
    tail_in = keras.Input(a.shape[1:])
    tail_out = tail_in
    for layer in model.layers[3:]:
        tail_out = layer(tail_out)
    tail = keras.Model(tail_in, tail_out)
    exact = np.zeros(4)
    for n in range(len(x)):
        point = tf.constant(a[n : n + 1])
        with tf.GradientTape() as tape:
            tape.watch(point)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y[n : n + 1], tail(point), True))
        exact += np.abs((tape.gradient(loss, point) * point).numpy().sum(axis=(0, 1, 2))) / len(x)
    np.testing.assert_allclose(study.of_channels("activation_gradient", groups)[0][:, 0], exact, rtol=1e-3, atol=1e-7)


def test_gates_of_channels_are_those_of_single_samples():
    model = relu_network()
    x = RNG.normal(size=(6, 5, 5, 2)).astype("float32")
    y = RNG.integers(0, 3, 6)
    study = Study(model, (x, y), batch=4)
    group = study.graph.group("next")
    exact = np.zeros(group.size)
    variables = [s.variable for s in group.slices]
    for n in range(len(x)):
        slopes = Study(model, (x[n : n + 1], y[n : n + 1])).of_weights("gradient", variables)
        gate = np.zeros(group.size)
        for s, slope in zip(group.slices, slopes, strict=True):
            along = np.moveaxis(slope * s.variable.numpy(), s.axis, 0).reshape(slope.shape[s.axis], -1).sum(axis=1)
            gate += along[s.positions].sum(axis=1)
        exact += gate**2 / len(x)
    np.testing.assert_allclose(study.of_channels("squared_gate_gradient", [group])[0][:, 0], exact, rtol=1e-3)


def test_the_oracle_is_what_removal_does():
    model = relu_network()
    x = RNG.normal(size=(6, 5, 5, 2)).astype("float32")
    y = RNG.integers(0, 3, 6)
    study = Study(model, (x, y), batch=4)
    before = model.get_weights()
    group = study.graph.group("next")
    (found,) = study.of_channels("loss_increase", [group])
    whole = model.evaluate(x, y, verbose=0)
    kernel, bias = model.get_layer("next").kernel, model.get_layer("next").bias
    kernel.assign(kernel.numpy() * [1, 0, 1])
    bias.assign(bias.numpy() * [1, 0, 1])
    np.testing.assert_allclose(found[1, 0], model.evaluate(x, y, verbose=0) - whole, atol=1e-6)
    model.set_weights(before)
    (each,) = study.of_weights("loss_increase", [bias])
    np.testing.assert_allclose(each, 0, atol=1e-6)  # biases are zero
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[2 * index : 2 * index + 2], Y[2 * index : 2 * index + 2]


def test_anything_fit_takes_gives_the_same(model):
    kinds = {
        "arrays": (X, Y),
        "dataset": tf.data.Dataset.from_tensor_slices((X, Y)).batch(2),
        "py dataset": Batches(),
        "list of batches": [(X[:2], Y[:2]), (X[2:], Y[2:])],
        "weighted": (X, Y, np.ones(5)),
    }
    wanted = Study(model, (X, Y)).of_weights("gradient", kernels(model))
    for name, data in kinds.items():
        for one, other in zip(Study(model, data).of_weights("gradient", kernels(model)), wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6, err_msg=name)


def test_sample_weights_count(model):
    weight = np.array([1.0, 0, 0, 0, 0])
    found = Study(model, (X, Y, weight), batch=5).of_weights("gradient", kernels(model))
    alone = Study(model, (X[:1], Y[:1])).of_weights("gradient", kernels(model))
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_allclose(one * 5, other, atol=1e-6)


def test_samples_are_spread_over_arrays(model):
    examples = Examples(model, (X, Y), limit=3)
    np.testing.assert_array_equal(examples.y, Y[[0, 2, 4]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y[:3]), "5 samples and 3 labels"),
        ((X[:, :3], Y), r"shape \(5, 3, 4, 2\); expected"),
        ((X[:0], Y[:0]), "is empty"),
        ((np.full_like(X, np.nan), Y), "NaN or infinite"),
        (iter([]), "holds no batch"),
    ],
)
def test_data_that_do_not_fit_are_refused(model, data, message):
    with pytest.raises(InputError, match=message):
        _ = Study(model, data).of_weights("gradient", kernels(model))


def test_labels_that_the_loss_can_not_take(model):
    with pytest.raises(InputError, match="can't be computed on data"):
        Study(model, (X, np.zeros((5, 7, 2)))).of_weights("gradient", kernels(model))


def test_gradients_that_are_not_finite_are_refused(model):
    model.compile(loss=lambda y, p: tf.math.log(tf.reduce_sum(p) * 0.0 - 1.0) * tf.reduce_sum(p))
    before = model.get_weights()
    with pytest.raises(SparsityError, match="not finite; nothing has been pruned"):
        Study(model, (X, Y)).of_weights("gradient", kernels(model))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
