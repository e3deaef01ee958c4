"""`Distiller`: what it minimises, that it trains the student alone, on models and data of all kinds."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import tfprune
from tfprune import Distiller
from tfprune.distillation import AttentionTransfer, Hint, KnowledgeDistillation, Relational, with_answers
from tfprune.distillation.choices import find_losses
from tfprune.distillation.lessons import Lesson
from tfprune.distillation.rows import targets_of
from tfprune.errors import InputError
from tfprune.surgery import kept_channels

CROSS_ENTROPY = "sparse_categorical_crossentropy"


def network(width=8, activation="softmax", regularizer=None, name="net"):
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(width, 3, padding="same", kernel_regularizer=regularizer, name="one")(inputs)
    x = layers.ReLU(name="relu_one")(layers.BatchNormalization(name="norm_one")(x))
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Conv2D(2 * width, 3, padding="same", activation="relu", name="two")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, activation=activation, name="head")(x), name=name)


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.body = keras.Sequential([layers.Conv2D(6, 3, padding="same", name="conv"), layers.ReLU(name="relu")])
        self.norm = layers.BatchNormalization(name="norm")
        self.head = layers.Dense(3, activation="softmax", name="head")

    def call(self, x, training=False):
        x = self.norm(self.body(x), training=training)
        return self.head(keras.ops.mean(x, axis=(1, 2)))


def compiled(distiller, optimizer=None, loss=CROSS_ENTROPY, metrics=("accuracy",), **kwargs):
    distiller.compile(optimizer or keras.optimizers.SGD(0.05), loss, metrics=list(metrics), **kwargs)
    return distiller


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_what_it_says(data, weighted):
    """Cross-entropy, what layers add, and the distillation, weighted samples and all: by hand on one batch."""
    x, y = data
    weight = np.linspace(0.1, 3, len(y)).astype("float32") if weighted else None
    student, teacher = network(regularizer=keras.regularizers.L2(0.1)), network(12)
    before = student.predict(x, verbose=0)
    distiller = Distiller(student, teacher, KnowledgeDistillation(temperature=2.0, weight=0.7), student_weight=0.5,
                          teacher_weight=3.0)  # fmt: skip
    compiled(distiller, keras.optimizers.SGD(0.0))
    student.trainable, student.get_layer("norm_one").trainable = True, False  # at inference, as `before`
    history = distiller.fit(x, y, sample_weight=weight, batch_size=len(y), shuffle=False, verbose=0).history
    each = np.ones(len(y)) if weight is None else weight
    own = (-np.log(before[np.arange(len(y)), y]) * each).mean()
    own += 0.1 * float(np.square(student.get_layer("one").kernel).sum())
    p, q = (np.exp(np.log(a) / 2) for a in (teacher.predict(x, verbose=0), before))
    p, q = (a / a.sum(axis=1, keepdims=True) for a in (p, q))
    distilled = 0.7 * 4 * ((p * np.log(p / q)).sum(axis=1) * each).mean()
    assert history["student_loss"][0] == pytest.approx(own, rel=1e-3)
    assert history["distillation_loss"][0] == pytest.approx(distilled, rel=1e-3)
    assert history["loss"][0] == pytest.approx(0.5 * own + 3.0 * distilled, rel=1e-3)


def test_without_weight_of_the_teacher_it_is_plain_training(data):
    """Every step and every metric, batch normalisation once a step, features watched or not."""
    x, y = data
    plain, student = network(regularizer="l2"), network(regularizer="l2")
    student.set_weights(plain.get_weights())
    plain.compile(keras.optimizers.SGD(0.1), CROSS_ENTROPY, metrics=["accuracy"])
    distiller = compiled(
        Distiller(student, losses=["dist", "hint", "attention", "rkd"], teacher_weight=0.0), keras.optimizers.SGD(0.1)
    )
    options = {"epochs": 2, "batch_size": 32, "shuffle": False, "verbose": 0, "validation_split": 0.25}
    one, two = plain.fit(x, y, **options).history, distiller.fit(x, y, **options).history
    assert set(two) - set(one) == {"student_loss", "distillation_loss"}
    for name, values in one.items():
        np.testing.assert_allclose(values, two[name], rtol=1e-4)
    for a, b in zip(plain.get_weights(), student.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(distiller.evaluate(x, y, verbose=0), plain.evaluate(x, y, verbose=0), rtol=1e-4)
    np.testing.assert_allclose(distiller.predict(x, verbose=0), student.predict(x, verbose=0), atol=1e-6)


def test_the_teacher_stays_as_it_is(data):
    x, y = data
    student, teacher = network(), network(12)
    before = [w.numpy() for w in teacher.weights]
    flags = [layer.trainable for layer in teacher.layers]
    compiled(Distiller(student, teacher, ["dist", "hint"])).fit(x, y, epochs=2, verbose=0)
    assert all(np.array_equal(a, w.numpy()) for a, w in zip(before, teacher.weights, strict=True))
    assert [layer.trainable for layer in teacher.layers] == flags
    assert teacher.trainable_weights


def test_a_student_comes_to_answer_as_its_teacher_without_labels(data):
    x, _ = data
    student, teacher = network(), network(12)
    distiller = Distiller(student, teacher, KnowledgeDistillation(temperature=1.0))
    distiller.compile(keras.optimizers.Adam(0.01))
    history = distiller.fit(x, epochs=12, verbose=0).history
    assert history["distillation_loss"][-1] < 0.5 * history["distillation_loss"][0]
    assert "accuracy" not in history


def test_its_own_teacher_is_what_it_was(data):
    x, y = data
    student = network()
    before = student.predict(x, verbose=0)
    distiller = compiled(Distiller(student))
    prune = tfprune.PruneCallback(0.5, granularity="filter", verbose=0)
    history = distiller.fit(x, y, epochs=3, verbose=0, callbacks=[prune]).history
    assert history["sparsity"][-1] == pytest.approx(0.5)
    np.testing.assert_allclose(distiller.teacher.predict(x, verbose=0), before, atol=1e-6)
    assert distiller.teacher.get_layer("one").kernel is not student.get_layer("one").kernel
    small = tfprune.shrink(student)
    assert small.get_layer("two").filters == 8
    np.testing.assert_allclose(small.predict(x, verbose=0), student.predict(x, verbose=0), atol=1e-5)


def test_features_of_a_cut_student_are_compared_in_the_channels_that_it_has_kept(data):
    """By its record, through two cuts; what the student has is then the teacher's own, so that nothing is lost."""
    x, y = data
    teacher = network()
    small = tfprune.shrink(tfprune.shrink(teacher, {"one": [0, 5]}), {"one": [1, 2]})
    assert kept_channels(small)["relu_one"].channels.tolist() == [1, 4, 6, 7]
    distiller = compiled(Distiller(small, teacher, Hint(layers=["relu_one"])), keras.optimizers.SGD(0.0))
    assert not distiller.projections
    small.get_layer("norm_one").trainable = False
    assert distiller.fit(x, y, verbose=0).history["distillation_loss"][0] == pytest.approx(0.0, abs=1e-6)


def test_other_students_learn_a_projection_that_is_no_part_of_them(data):
    x, y = data
    student, teacher = network(5), network(8)
    distiller = compiled(Distiller(student, teacher, Hint(layers={"relu_one": "relu_one", "two": "two"})))
    assert [p.kernel.shape for p in distiller.projections] == [(5, 8), (10, 16)]
    before = [p.kernel.numpy() for p in distiller.projections]
    distiller.fit(x, y, verbose=0)
    assert all(np.abs(p.kernel - old).max() > 0 for p, old in zip(distiller.projections, before, strict=True))
    assert len(student.weights) == len(network(5).weights)
    assert len(distiller.trainable_variables) == len(student.trainable_variables) + 2


def test_some_layers_are_chosen_where_none_are_named():
    distiller = Distiller(network(4), network(8), [Hint(), AttentionTransfer(), Relational()])
    chosen = [[(p.student, p.teacher) for p in pairs] for _, pairs in distiller._pairs]
    assert chosen == [[("relu_one", "relu_one"), ("two", "two")]] * 2 + [[("mean", "mean")]]


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}, {"run_eagerly": True}, {"steps_per_execution": 2}])
def test_subclassed_students(data, options):
    x, y = data
    student, teacher = Subclassed(), Subclassed()
    student(x[:1]), teacher(x[:1])
    distiller = compiled(Distiller(student, teacher, ["dist", Hint(layers=["relu"]), "rkd"]), **options)
    before = student.get_weights()
    history = distiller.fit(x, y, batch_size=24, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert any(np.abs(a - b).max() > 0 for a, b in zip(before, student.get_weights(), strict=True))
    assert "call" not in vars(student.body.layers[1])  # nothing is left of the watching


def test_a_subclassed_student_is_its_own_teacher(data):
    x, y = data
    student = Subclassed()
    before = np.asarray(student(x))
    distiller = compiled(Distiller(student))
    distiller.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_allclose(distiller.teacher.predict(x, verbose=0), before, atol=1e-5)
    assert np.abs(np.asarray(student(x)) - before).max() > 1e-4


def several(width):
    inputs = {"image": keras.Input((8, 8, 2), name="image"), "size": keras.Input((2,), name="size")}
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(width, 3, name="conv")(inputs["image"]))
    x = layers.Concatenate()([x, inputs["size"]])
    outputs = {
        "kind": layers.Dense(4, activation="softmax", name="kind")(x),
        "labels": layers.Dense(5, activation="sigmoid", name="labels")(x),
        "score": layers.Dense(1, name="score")(x),
    }
    return keras.Model(inputs, outputs)


def test_several_outputs_of_all_kinds(data):
    x = {"image": data[0], "size": data[0][:, 0, 0]}
    rng = np.random.default_rng(0)
    y = {"kind": data[1], "labels": rng.integers(0, 2, (96, 5)), "score": rng.normal(size=(96, 1))}
    loss = {"kind": CROSS_ENTROPY, "labels": "binary_crossentropy", "score": "mse"}
    student, teacher = several(4), several(8)
    distiller = Distiller(student, teacher)
    distiller.compile(
        "sgd",
        loss,
        metrics={"kind": ["accuracy"], "score": ["mae"]},
        loss_weights={"kind": 1.0, "labels": 1.0, "score": 0.1},
    )
    history = distiller.fit(x, y, verbose=0).history
    assert {"kind_accuracy", "score_mae", "kind_loss", "loss", "distillation_loss"} <= set(history)
    chosen = Distiller(student, teacher, {"kind": "kd", "score": ["smooth_l1"], "features": Hint(layers=["conv"])})
    chosen.compile("sgd", loss)
    weights = {name: np.ones(96) for name in y}
    assert np.isfinite(chosen.fit(x, y, sample_weight=weights, verbose=0).history["distillation_loss"][0])
    assert len(chosen.projections) == 1
    for losses, text in (({"score": "kd"}, "regression"), ({"kinds": "kd"}, "Did you mean 'kind'")):
        wrong = Distiller(student, teacher, losses)
        wrong.compile("sgd", loss)
        with pytest.raises(InputError, match=text):
            wrong.fit(x, y, verbose=0)


def test_padded_steps_of_sequences_do_not_count():
    def tagger(units):
        inputs = keras.Input((6,), dtype="int32")
        x = layers.Embedding(20, 8, mask_zero=True)(inputs)
        x = layers.LSTM(units, return_sequences=True)(x)
        return keras.Model(inputs, layers.TimeDistributed(layers.Dense(4, activation="softmax"))(x))

    words = np.random.default_rng(0).integers(1, 20, (12, 6))
    words[:, 3:] = 0
    student, teacher = tagger(4), tagger(8)
    distiller = Distiller(student, teacher, KnowledgeDistillation(temperature=1.0))
    compiled(distiller, keras.optimizers.SGD(0.0))
    p, q = teacher.predict(words, verbose=0)[:, :3], student.predict(words, verbose=0)[:, :3]
    found = distiller.fit(words, np.zeros((12, 6)), verbose=0, batch_size=12).history["distillation_loss"][0]
    assert found == pytest.approx((p * np.log(p / q)).sum(axis=-1).mean(), rel=1e-3)


def test_regression_learns_values(data):
    x, _ = data
    student, teacher = network(4, None), network(8, None)
    distiller = compiled(Distiller(student, teacher), keras.optimizers.SGD(0.0), "mse", [])
    found = distiller.fit(x, np.zeros((96, 3)), batch_size=96, verbose=0).history["distillation_loss"][0]
    norm = [layer for layer in student.layers if isinstance(layer, layers.BatchNormalization)]
    assert norm
    made = np.asarray(student(x, training=True))
    assert found == pytest.approx(np.square(made - teacher.predict(x, verbose=0)).mean(), rel=1e-2)


@pytest.mark.parametrize(("anneal", "middle"), [("cosine", 0.5), ("linear", 0.5), (lambda part: part**2, 0.75)])
def test_a_teacher_withdraws(data, anneal, middle):
    x, y = data
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(distiller._share.numpy()))

    distiller = compiled(Distiller(network(), teacher_weight=(1.0, 0.0), anneal=anneal))
    history = distiller.fit(x, y, batch_size=32, epochs=3, verbose=0, callbacks=[Look()]).history  # nine steps
    assert (seen[0], seen[-1]) == (1.0, 0.0)
    assert seen[4] == pytest.approx(middle)
    assert seen == sorted(seen, reverse=True)
    assert history["teacher_weight"][-1] == 0.0


def test_it_is_saved_and_loaded_with_all_that_it_knows(data, tmp_path):
    x, y = data
    teacher = network()
    small = tfprune.shrink(teacher, {"one": [0, 5]})
    distiller = compiled(
        Distiller(small, teacher, [KnowledgeDistillation(temperature=3.0), Hint()], teacher_weight=(1.0, 0.5))
    )
    distiller.fit(x, y, verbose=0)
    distiller.save(tmp_path / "distiller.keras")
    again = keras.models.load_model(tmp_path / "distiller.keras")
    assert not again.projections
    np.testing.assert_allclose(again.predict(x, verbose=0), distiller.predict(x, verbose=0), atol=1e-6)
    options = {"shuffle": False, "verbose": 0}
    a, b = (one.fit(x, y, **options).history["distillation_loss"] for one in (distiller, again))
    np.testing.assert_allclose(a, b, rtol=1e-4)


def test_mixed_precision(data):
    x, y = data
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        student, teacher = network(4), network(8)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    history = compiled(Distiller(student, teacher, ["dist", "kd", "hint"])).fit(x, y, verbose=0).history
    assert np.isfinite(history["distillation_loss"][0])


def test_what_a_layer_in_a_loop_makes_can_not_be_compared():
    def looped():
        inputs = keras.Input((None, 4))
        x = layers.RNN(layers.LSTMCell(3, name="cell"), name="loop")(inputs)
        return keras.Model(inputs, layers.Dense(2, activation="softmax")(x))

    with pytest.raises(InputError, match="can't be seen"):
        Distiller(looped(), looped(), Hint(layers=["cell"]))
    assert Distiller(looped(), looped(), Hint(layers=["loop"]))._pairs


def sized(size):
    return keras.Sequential([keras.Input((size,)), layers.Dense(3, activation="softmax")])


WRONG = [
    (lambda s: Distiller("net"), "student is 'net'"),
    (lambda s: Distiller(s, "selff"), "'self'"),
    (lambda s: Distiller(s, s), "same model"),
    (lambda s: Distiller(s, 5), "teacher is 5"),
    (lambda s: Distiller(s, sized(4)), "have to take the same"),
    (lambda s: Distiller(sized(4), keras.Sequential([keras.Input((4,)), layers.Dense(5)])), "have to answer the same"),
    (lambda s: Distiller(s, keras.Sequential([layers.Dense(3)])), "not built"),
    (lambda s: Distiller(keras.Sequential([layers.Dense(3)])), "not built"),
    (lambda s: Distiller(s, losses="kdd"), "Did you mean"),
    (lambda s: Distiller(s, losses=[]), "empty"),
    (lambda s: Distiller(s, losses={}), "empty"),
    (lambda s: Distiller(s, losses=Hint(layers=["onee"])), "Did you mean 'one'"),
    (lambda s: Distiller(s, losses=Hint(layers=[])), "no layers"),
    (lambda s: Distiller(s, losses=Hint(layers={"one": "two"})), "more than channels"),
    (lambda s: Distiller(s, losses=Hint(layers={"one": "mean"})), "as many axes"),
    (lambda s: Distiller(s, sized_like(s), Hint()), "no layers of the same names"),
    (lambda s: Distiller(s, teacher_weight=-1), "teacher_weight is -1"),
    (lambda s: Distiller(s, teacher_weight=(1, 2, 3)), "teacher_weight"),
    (lambda s: Distiller(s, student_weight="1"), "student_weight"),
    (lambda s: Distiller(s, anneal="sine"), "Did you mean 'cosine'"),
]


def sized_like(model):
    inputs = keras.Input((8, 8, 2))
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="h")(layers.Flatten(name="f")(inputs)))


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_what_does_not_fit_is_refused_at_once(make, text):
    with pytest.raises(InputError, match=text):
        make(network())


def test_what_does_not_fit_a_loss_is_refused_before_any_step(data):
    x, y = data
    student = network(activation=None)
    before = student.get_weights()
    cases = [
        (Distiller(student, losses="kd"), None, None, "kinds='logits'"),
        (Distiller(student, losses="kd", kinds="logit"), CROSS_ENTROPY, y, "Did you mean 'logits'"),
        (Distiller(student, losses="dkd", kinds="logits"), None, None, "needs labels"),
        (Distiller(student, losses="kd"), "mse", np.zeros((96, 3)), "regression"),
        (Distiller(student), CROSS_ENTROPY, None, "no targets"),
    ]
    for distiller, loss, targets, text in cases:
        distiller.compile("sgd", loss)
        with pytest.raises(InputError, match=text):
            distiller.fit(x, targets, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, student.get_weights(), strict=True))


def test_a_teachers_answers_are_asked_once(data, tmp_path):
    x, y = data
    histories = []
    for cached in (False, True):
        keras.utils.set_random_seed(1)
        distiller = compiled(Distiller(network(4), network(8), ["dist", "kd"]))
        given = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
        if cached:
            given = with_answers(distiller.teacher, given, tmp_path / "answers.npz")
            distiller.teacher.call = lambda *_, **__: pytest.fail("asked again")
        histories.append(distiller.fit(given, epochs=3, shuffle=False, verbose=0).history)
    for name in ("loss", "distillation_loss", "accuracy"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-4)


def test_answers_belong_to_samples_in_any_order(data, tmp_path):
    x, y = data
    distiller = compiled(Distiller(network(4), network(8)), keras.optimizers.SGD(0.0))
    path = tmp_path / "deep" / "answers.npz"
    shuffled = with_answers(distiller.teacher, (x, y, np.ones(96)), path, batch_size=16)
    wanted = distiller.teacher.predict(x, verbose=0)
    for batch, targets, _ in shuffled:
        rows = [int(np.flatnonzero((x == one).all(axis=(1, 2, 3)))[0]) for one in batch.numpy()]
        np.testing.assert_allclose(targets["tfprune/answers"], wanted[rows], atol=1e-5)
        np.testing.assert_array_equal(targets["tfprune/targets"], y[rows])
    written = path.stat().st_mtime_ns
    with_answers(distiller.teacher, x[:50], path)  # all known: the file stays
    assert path.stat().st_mtime_ns == written
    with_answers(distiller.teacher, x + 1, path)
    assert len(np.load(path)["keys"]) == 192
    path.write_bytes(b"damaged")
    with_answers(distiller.teacher, x, path)
    assert len(np.load(path)["keys"]) == 96
    with_answers(network(6), x[:10], path)  # another teacher: nothing of the old one is used
    assert len(np.load(path)["keys"]) == 10


def test_answers_of_equal_weights_with_another_end_are_others(data, tmp_path):
    x, _ = data
    path, teacher = tmp_path / "answers.npz", network(6)
    with_answers(teacher, x[:10], path)
    again = keras.models.clone_model(teacher, clone_function=renamed)
    again.set_weights(teacher.get_weights())
    with_answers(again, x[:20], path)
    assert len(np.load(path)["keys"]) == 20  # the same network by other names: asked about the new ones only
    other = keras.Sequential([again, keras.layers.Lambda(keras.ops.tanh)])
    with_answers(other, x[:5], path)
    assert len(np.load(path)["keys"]) == 5


def renamed(layer):
    return type(layer).from_config({**layer.get_config(), "name": f"{layer.name}_copy"})


def test_labels_of_positions_are_not_taken_for_one_hot_ones():
    values = np.zeros((2, 3, 3), "float32")  # as many positions as classes
    numbers = np.array([[0, 1, 2], [2, 2, 0]])
    right = np.asarray(targets_of(Lesson(keras.ops.convert_to_tensor(numbers), None), 0, values))
    np.testing.assert_array_equal(right, np.eye(3)[numbers.reshape(-1)])
    one_hot = keras.ops.convert_to_tensor(np.eye(3)[numbers])
    np.testing.assert_array_equal(np.asarray(targets_of(Lesson(one_hot, None), 0, values)), right)


def test_samples_that_change_are_refused(data, tmp_path):
    x, _ = data
    distiller = Distiller(network(4), network(8))
    distiller.compile("sgd")
    rng = np.random.default_rng(0)
    kind = tf.TensorSpec((None, 8, 8, 2))
    noisy = tf.data.Dataset.from_generator(lambda: iter([x + rng.normal(size=x.shape)]), output_signature=kind)
    given = with_answers(distiller.teacher, noisy, tmp_path / "answers.npz")
    with pytest.raises(tf.errors.InvalidArgumentError, match="new to the teacher"):
        distiller.fit(given, shuffle=False, verbose=0)
    with pytest.raises(InputError, match="npz"):
        with_answers(distiller.teacher, x, tmp_path / "answers.txt")
    with pytest.raises(InputError, match="arrays"):
        with_answers(distiller.teacher, iter([x]), tmp_path / "answers.npz")


def test_losses_of_keras_are_taken_for_what_they_are():
    made = find_losses(keras.distillation.LogitsDistillation(temperature=2.0)).outputs
    assert made == [KnowledgeDistillation(temperature=2.0)]
    for loss, message in (
        ("mse", "compares by mean_squared_error; give one of ours"),
        (["kl_divergence", None], "a loss for each output; give ours by output"),
    ):
        with pytest.raises(InputError, match=message):
            Distiller(network(), network(), losses=keras.distillation.LogitsDistillation(loss=loss))
