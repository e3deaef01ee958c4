"""Distillation losses: their formulas in NumPy, what must not change them, and weights of samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

import tfprune
from tfprune.distillation import Answer, FeatureLoss, Hint, OutputLoss, losses
from tfprune.errors import InputError

OUTPUTS = [name for name in losses.names if isinstance(losses.get(name), OutputLoss)]
FEATURES = [name for name in losses.names if isinstance(losses.get(name), FeatureLoss)]


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def softmax(z, temperature=1.0):
    e = np.exp(z / temperature - (z / temperature).max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def one_hot(rows, classes, seed=0):
    return np.eye(classes, dtype="float32")[np.random.default_rng(seed).integers(0, classes, rows)]


def of_outputs(name, teacher, student, weights=None, targets=None, kind="logits", **options):
    weights = np.ones(len(teacher), "float32") if weights is None else weights
    targets = one_hot(len(teacher), teacher.shape[1]) if targets is None else targets
    return float(losses.get(name, **options)(Answer(teacher, kind), Answer(student, kind), weights, targets))


def test_every_loss_is_known():
    assert OUTPUTS == ["cosine", "dist", "dkd", "kd", "mse", "smooth_l1"]
    assert FEATURES == ["attention", "hint", "rkd"]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_kd_is_hintons(temperature):
    t, s = draw(6, 5), draw(6, 5, seed=1)
    p, q = softmax(t, temperature), softmax(s, temperature)
    wanted = temperature**2 * (p * np.log(p / q)).sum(axis=1).mean()
    assert of_outputs("kd", t, s, temperature=temperature) == pytest.approx(wanted, rel=1e-4)


def test_dkd_with_the_teachers_doubt_as_beta_is_kd():
    """KL(p‖q) = KL(b‖b') + (1 − p_right) KL(p̂‖p̂'), eq. 5 of the paper, for each sample."""
    for seed in range(5):
        t, s, right = draw(1, 6, seed=seed), draw(1, 6, seed=seed + 9), one_hot(1, 6, seed)
        doubt = 1.0 - float((softmax(t, 2.0) * right).sum())
        both = of_outputs("dkd", t, s, targets=right, alpha=1.0, beta=doubt, temperature=2.0)
        assert both == pytest.approx(of_outputs("kd", t, s, temperature=2.0), rel=1e-4)


def test_dist_is_made_of_correlations():
    t, s = draw(7, 4), draw(7, 4, seed=1)
    p, q = softmax(t, 2.0), softmax(s, 2.0)
    between_classes = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)])
    between_samples = np.mean([1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)])
    found = of_outputs("dist", t, s, beta=0.5, gamma=3.0, temperature=2.0)
    assert found == pytest.approx(4 * (0.5 * between_classes + 3.0 * between_samples), rel=1e-4)


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("kind", ["logits", "softmax", "sigmoid", "binary_logits", "values"])
def test_a_student_that_answers_the_same_loses_nothing_and_has_a_gradient(name, kind):
    answers = {"softmax": softmax(draw(5, 4)), "sigmoid": 1 / (1 + np.exp(-draw(5, 4)))}.get(kind, draw(5, 4))
    if (name == "kd" and kind == "values") or (name == "dkd" and kind in ("values", "sigmoid", "binary_logits")):
        with pytest.raises(InputError, match=r"regression|classes"):
            of_outputs(name, answers, answers, kind=kind)
        return
    student = tf.Variable(answers)
    with tf.GradientTape() as tape:
        loss = losses.get(name)(
            Answer(tf.constant(answers), kind), Answer(student + 0.0, kind), tf.ones(5), one_hot(5, 4)
        )
    assert float(loss) == pytest.approx(0.0, abs=1e-5)
    gradient = tape.gradient(loss, student)
    assert gradient is not None
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", OUTPUTS)
def test_probabilities_are_as_good_as_logits(name):
    """A softmax at the end is undone: `softmax(log p / T)` is `softmax(z / T)`."""
    t, s = draw(5, 4), draw(5, 4, seed=1)
    assert of_outputs(name, softmax(t), softmax(s), kind="softmax") == pytest.approx(of_outputs(name, t, s), rel=1e-3)
    if name != "dkd":
        p, q = (1 / (1 + np.exp(-z)) for z in (t, s))
        of_logits = of_outputs(name, t, s, kind="binary_logits")
        assert of_outputs(name, p, q, kind="sigmoid") == pytest.approx(of_logits, rel=1e-3)


@settings(max_examples=examples(20), deadline=None)
@given(st.sampled_from(OUTPUTS), st.integers(1, 4), st.integers(0, 99))
def test_rows_that_weigh_nothing_change_nothing(name, extra, seed):
    t, s, right = draw(6, 4, seed=seed), draw(6, 4, seed=seed + 1), one_hot(6, 4)
    weights = np.array([1.0] * 6 + [0.0] * extra, "float32")
    padded = [np.concatenate([x, 9 * draw(extra, 4, seed=seed + 2 + n)]) for n, x in enumerate((t, s))]
    right = np.concatenate([right, one_hot(extra, 4)])
    found = of_outputs(name, *padded, weights=weights, targets=right)
    # Keras divides the sum of weighted losses by the number of samples, the weightless among them
    wanted = of_outputs(name, t, s, targets=right[:6]) * 6 / (6 + extra)
    assert found == pytest.approx(wanted, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", OUTPUTS)
def test_keras_own_distiller_takes_them(name):
    if name == "dkd":
        return  # it needs labels, which Keras does not hand on
    teacher, student = (keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]) for _ in range(2))
    distiller = keras.distillation.Distiller(teacher, student, losses.get(name), student_loss_weight=0.2)
    distiller.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = student.get_weights()[0]
    history = distiller.fit(draw(16, 6), np.zeros(16), epochs=1, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert np.abs(student.get_weights()[0] - before).max() > 0


def of_features(name, teacher, student, weights=None, **options):
    weights = np.ones(len(teacher), "float32") if weights is None else weights
    return float(losses.get(name, **options)(tf.constant(teacher), tf.constant(student), weights))


def test_hints_weigh_layers_alike():
    t, s = draw(3, 4, 4, 5), draw(3, 4, 4, 5, seed=1)
    found = of_features("hint", t, s)
    assert found == pytest.approx(np.square(s - t).mean() / np.square(t).mean(), rel=1e-5)
    assert of_features("hint", 7 * t, 7 * s) == pytest.approx(found, rel=1e-5)
    cosines = (t * s).sum(-1) / np.linalg.norm(t, axis=-1) / np.linalg.norm(s, axis=-1)
    assert of_features("hint", t, s, distance="cosine") == pytest.approx((1 - cosines).mean(), rel=1e-4)
    size = np.abs(s - t) / np.sqrt(np.square(t).mean())
    wanted = np.where(size < 1, size**2 / 2, size - 0.5).mean()
    assert of_features("hint", t, s, distance="smooth_l1") == pytest.approx(wanted, rel=1e-4)


def test_attention_is_where_a_layer_looks():
    t, s = draw(3, 4, 4, 5), draw(3, 4, 4, 2, seed=1)
    maps = [np.square(x).sum(-1).reshape(3, -1) for x in (t, s)]
    maps = [m / np.linalg.norm(m, axis=1, keepdims=True) for m in maps]
    assert of_features("attention", t, s) == pytest.approx(np.square(maps[1] - maps[0]).sum(1).mean(), rel=1e-4)
    assert of_features("attention", t, 3 * t[..., ::-1]) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match="positions"):
        of_features("attention", draw(3, 5), draw(3, 5))


def test_relations_are_distances_and_angles():
    t, s = draw(6, 5), draw(6, 3, seed=1)

    def parts(x):
        d = np.linalg.norm(x[:, None] - x[None], axis=-1)
        d = d / d[~np.eye(len(x), dtype=bool)].mean()
        angles = np.zeros((len(x),) * 3)
        for j in range(len(x)):
            for i in range(len(x)):
                for k in range(len(x)):
                    if len({i, j, k}) == 3:
                        a, b = x[i] - x[j], x[k] - x[j]
                        angles[j, i, k] = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        return d, angles

    def huber(a, b):
        size = np.abs(a - b)
        return np.where(size < 1, size**2 / 2, size - 0.5)

    (d, a), (e, b) = parts(t), parts(s)
    wanted = huber(d, e).sum() / 30 + 2 * huber(a, b).sum() / 120
    assert of_features("rkd", t, s) == pytest.approx(wanted, rel=1e-3)
    turn = np.linalg.qr(draw(5, 5))[0]
    assert of_features("rkd", t, 3 * t @ turn + 1) == pytest.approx(0.0, abs=1e-4)
    weights = np.array([1, 1, 1, 1, 1, 0], "float32")
    assert of_features("rkd", t, s, weights) == pytest.approx(of_features("rkd", t[:5], s[:5]), rel=1e-3)


@pytest.mark.parametrize("name", FEATURES)
def test_features_that_are_the_same_cost_nothing_and_have_a_gradient(name):
    features = draw(4, 3, 3, 2)
    student = tf.Variable(features)
    with tf.GradientTape() as tape:
        loss = losses.get(name)(tf.constant(features), student + 0.0, tf.ones(4))
    assert float(loss) == pytest.approx(0.0, abs=1e-5)
    assert np.isfinite(tape.gradient(loss, student)).all()
    zeros = tf.Variable(np.zeros((4, 3, 3, 2), "float32"))  # a dead layer must not give NaN
    with tf.GradientTape() as tape:
        loss = losses.get(name)(tf.constant(features), zeros + 0.0, tf.ones(4))
    assert np.isfinite(tape.gradient(loss, zeros)).all()


@pytest.mark.parametrize("name", losses.names)
def test_configs_make_the_same_loss(name):
    loss = losses.get(name, weight=0.25)
    assert losses.deserialize(losses.serialize(loss)) == loss
    assert losses.get(losses.serialize(loss)) == loss


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: losses.get("kdd"), "'kd'"),
        (lambda: losses.get("kd", temperature=0), "temperature is 0"),
        (lambda: losses.get("dist", weight=-1), "weight of Dist is -1"),
        (lambda: Hint(distance="manhattan"), "Unknown distance"),
        (lambda: tfprune.distillation.get(3), "not a distillation loss"),
    ],
)
def test_bad_losses(make, text):
    with pytest.raises(InputError, match=text):
        make()
