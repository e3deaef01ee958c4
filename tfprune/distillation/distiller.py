"""`Distiller`: a student that is trained with its teacher, by plain `compile` and `fit`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops, tree

from tfprune.distillation.annealing import Annealing, check_weight
from tfprune.distillation.answers import Answer, kinds_of
from tfprune.distillation.capture import Capture
from tfprune.distillation.choices import find_losses
from tfprune.distillation.lessons import Lesson, lesson_of
from tfprune.distillation.pairs import find_matching
from tfprune.distillation.rows import rows_of, targets_of, weights_of
from tfprune.distillation.structure import output_names, structure_of
from tfprune.distillation.teacher import check_teacher, snapshot
from tfprune.errors import InputError
from tfprune.numbers import is_real
from tfprune.surgery.kept import Kept, kept_channels, set_kept_channels

__all__ = ["Distiller"]


@keras.saving.register_keras_serializable(package="tfprune")
class Distiller(keras.Model):  # type: ignore[misc]
    """A student with its teacher: `compile` and `fit` train the student, `student` is the plain model afterwards.

    What is minimised is `student_weight · L + teacher_weight · Σ w_i L_i`: L the loss that it is compiled with and
    whatever layers add to it, L_i the distillation losses. Metrics are those of the student, and it alone is evaluated,
    saved by callbacks such as `PruneCallback`, and predicts. The teacher answers at inference and is never changed. The
    student runs once in each step, so that its batch normalisations see each batch once. Sample weights, class weights
    and masks count in all losses. Without a loss, `fit(x)` needs no labels.

    Args:
        student: The model to train; built.
        teacher: A model that takes and answers the same, or `"self"`: a snapshot of the student as it is now, before it
            is pruned.
        losses: Distillation losses: names (`"dist"`, `"kd"`, `"dkd"`, `"mse"`, `"smooth_l1"`, `"cosine"` of outputs;
            `"hint"`, `"attention"`, `"rkd"` of layers), losses of `tfprune.distillation` or `keras.distillation`, or a
            list of them; a dict gives those of each output by its name. None is `"dist"`, and `"mse"` where an output
            has values of a regression.
        student_weight: Weight of the student's own loss, from 0.
        teacher_weight: Weight of the distillation, from 0; or a pair of its first and last value, such as `(1.0, 0.0)`
            for a teacher that withdraws.
        anneal: How it goes from the first to the last: `"cosine"`, `"linear"`, or any callable from the part of the
            training that is over, in [0, 1], to the part of the way.
        kinds: What outputs are where nothing tells it: `"softmax"`, `"logits"`, `"sigmoid"`, `"binary_logits"` or
            `"values"`; one, or several in the structure of the outputs.
        seed: Seed of the projections between features.
        name: Name of the model.

    Raises:
        InputError: If teacher and student don't fit, a loss is unknown, or layers can't be compared; at once.

    Example:
        >>> student = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"),
        ...                             keras.layers.Dense(3, activation="softmax")])
        >>> distiller = Distiller(student)
        >>> distiller.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        >>> x, y = keras.random.normal((64, 8)), np.zeros(64)
        >>> history = distiller.fit(x, y, verbose=0, callbacks=[tfprune.PruneCallback(0.5, verbose=0)])
        >>> sorted(history.history)
        ['accuracy', 'distillation_loss', 'loss', 'sparsity', 'student_loss']
        >>> student.predict(x, verbose=0).shape
        (64, 3)
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | str = "self",
        losses: Any = None,
        *,
        student_weight: float = 1.0,
        teacher_weight: float | Sequence[float] = 1.0,
        anneal: Any = "cosine",
        kinds: Any = None,
        seed: int = 0,
        name: str = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not isinstance(student, keras.Model):
            raise InputError(f"The student is {student!r}; give a keras.Model.")
        if isinstance(teacher, str) and teacher != "self":
            raise InputError(
                f"The teacher is {teacher!r}; give a keras.Model, or 'self' for a snapshot of the student."
            )
        if not is_real(student_weight) or student_weight < 0:
            raise InputError(f"student_weight is {student_weight!r}; give a number from 0.")
        first, last = check_weight(teacher_weight)
        self.annealing = Annealing(first, last, anneal)
        chosen = find_losses(losses)
        if teacher is student:
            raise InputError("Teacher and student are the same model; give teacher='self' for a snapshot of it.")
        teacher = snapshot(student) if isinstance(teacher, str) else teacher
        check_teacher(teacher, student)
        matching = find_matching(student, teacher, chosen.features, seed)
        self.student, self.teacher = student, teacher
        self.projections = [p.projection for own in matching.pairs for p in own if p.projection is not None]
        self.losses_given, self.student_weight = chosen, float(student_weight)
        self.kinds, self.seed = kinds, seed
        self._pairs = list(zip(chosen.features, matching.pairs, strict=True))
        self._watched = [Capture(layers) for layers in (matching.student, matching.teacher)]
        self._local = threading.local()
        self._share = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.annealing.first), trainable=False, name="share"
        )
        self._own_trackers = [keras.metrics.Mean(name=name) for name in ("student_loss", "distillation_loss")]
        self._is_training = True
        self.built = True

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        """The student's, and those of the projections that are dropped at the end."""
        return [*self.student.trainable_weights, *(w for layer in self.projections for w in layer.trainable_weights)]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The same."""
        return self.trainable_weights

    @property
    def non_trainable_weights(self) -> list[keras.Variable]:
        """All others: the teacher's are among them."""
        trained = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trained]

    @property
    def non_trainable_variables(self) -> list[keras.Variable]:
        """The same of the variables."""
        trained = {id(weight) for weight in self.trainable_weights}
        return [variable for variable in self.variables if id(variable) not in trained]

    @property
    def losses(self) -> list[Any]:
        """What the student's layers add to the loss."""
        found: list[Any] = self.student.losses
        return found

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return what the student answers."""
        given = {} if mask is None else {"mask": mask}
        with self._watched[0].running() as seen:
            answers = self.student(inputs, training=training, **given)
        self._local.seen = seen
        return answers

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of the student, and of the distillation while training."""
        self._is_training = training
        lesson = lesson_of(y)
        student = self._student_loss(x, lesson, y_pred, sample_weight, training)
        self._own_trackers[0].update_state(student)
        if not training:
            return student
        distilled = self.distillation_loss(x, lesson, y_pred, sample_weight)
        self._own_trackers[1].update_state(distilled)
        share = ops.convert_to_tensor(self._share)
        return self.student_weight * student + ops.cast(share * distilled, student.dtype)

    def _student_loss(self, x: Any, lesson: Lesson, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        if self._compile_loss is not None and lesson.targets is not None:
            return super().compute_loss(x, lesson.targets, y_pred, sample_weight, training)
        if self._compile_loss is not None and training and not self.student_weight:
            return ops.zeros(())
        if self._compile_loss is not None:
            raise InputError(
                "The distiller is compiled with a loss, but there are no targets; give them to fit, or compile without "
                "a loss to learn from the teacher alone."
            )
        return sum((self._aggregate_additional_loss(loss) for loss in self.losses), ops.zeros(()))

    def distillation_loss(self, x: Any, lesson: Lesson, y_pred: Any, sample_weight: Any) -> Any:
        """Return how far the student is from its teacher: the weighted sum of all distillation losses."""
        if lesson.answers is not None and not self._pairs:
            answers, features = lesson.answers, {}
        else:
            with self._watched[1].running() as features:
                answers = self.teacher(x, training=False)
        answers = tree.map_structure(ops.stop_gradient, answers)
        total = self._of_outputs(lesson, answers, y_pred, sample_weight)
        seen = self._local.seen
        for loss, pairs in self._pairs:
            for pair in pairs:
                for own, other in zip(seen[pair.student], features[pair.teacher], strict=True):
                    student, teacher = pair.align(own, ops.stop_gradient(other))
                    weights = weights_of(sample_weight, 0, ops.ones((ops.shape(student)[0],)))
                    total = total + loss.weight / len(pairs) * loss(teacher, student, weights)
        return total

    def _of_outputs(self, lesson: Lesson, answers: Any, y_pred: Any, sample_weight: Any) -> Any:
        symbols = structure_of(self.student, "outputs")
        outputs = y_pred if symbols is None else symbols
        kinds = kinds_of(self.student, outputs, self._loss_given(), self.kinds)
        names = output_names(self.student, y_pred)
        wanted, made = tree.flatten(answers), tree.flatten(y_pred)
        if len(wanted) != len(made):
            raise InputError(f"The teacher has {len(wanted)} outputs, the student {len(made)}; give one that fits.")
        total: Any = ops.zeros(())
        for number, (theirs, own, kind) in enumerate(zip(wanted, made, kinds, strict=True)):
            teacher, student = (
                Answer(ops.reshape(ops.cast(one, "float32"), (-1, one.shape[-1])), kind) for one in (theirs, own)
            )
            weights = weights_of(sample_weight, number, rows_of(own), own)
            for loss in self.losses_given.of_output(names[number], kind):
                targets = targets_of(lesson, number, own) if loss.needs_targets else None
                total = total + loss.weight * loss(teacher, student, weights, targets)
        return total

    def _loss_given(self) -> Any:
        """Return what tells logits from values: the loss it is compiled with, or what its teacher or student was."""
        for model in (self, self.teacher, self.student):
            loss = getattr(getattr(model, "_compile_loss", None), "_user_loss", None)
            if loss is not None:
                return loss
        return None

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return all metrics of the student."""
        targets = lesson_of(y).targets
        if targets is None:
            return self.get_metrics_result()
        found: dict[str, Any] = super().compute_metrics(x, targets, y_pred, sample_weight)
        return found

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the results; when it is evaluated without those of the distillation, which is not done then."""
        found: dict[str, Any] = super().get_metrics_result()
        if not self._is_training:
            for tracker in self._own_trackers:
                found.pop(tracker.name, None)
        return found

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Train the student: as `keras.Model.fit`, with the weight of the teacher as the training goes on."""
        self._check_outputs()
        if not self.annealing.is_constant and not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [*tree.flatten(callbacks), self.annealing.callback(self._share)] if callbacks else [
                self.annealing.callback(self._share)
            ]  # fmt: skip
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def _check_outputs(self) -> None:
        """Refuse, before training, losses that don't fit the outputs."""
        symbols = structure_of(self.student, "outputs")
        if symbols is None:
            return
        names = output_names(self.student, symbols)
        kinds = kinds_of(self.student, symbols, self._loss_given(), self.kinds)
        self.losses_given.check(names, kinds, has_targets=self._compile_loss is not None)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, both models among them."""
        return {
            "student": keras.saving.serialize_keras_object(self.student),
            "teacher": keras.saving.serialize_keras_object(self.teacher),
            "losses": self.losses_given.get_config(),
            "student_weight": self.student_weight,
            "teacher_weight": [self.annealing.first, self.annealing.last],
            "anneal": keras.saving.serialize_keras_object(self.annealing.shape),
            "kinds": self.kinds,
            "seed": self.seed,
            "name": self.name,
            "kept": {name: kept.get_config() for name, kept in kept_channels(self.student).items()},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Distiller:
        """Make a distiller from `get_config()`'s result."""
        made = dict(config)
        for name in ("student", "teacher", "anneal"):
            made[name] = keras.saving.deserialize_keras_object(made[name], custom_objects=custom_objects)
        set_kept_channels(made["student"], {name: Kept(**kept) for name, kept in made.pop("kept", {}).items()})
        return cls(**made)
