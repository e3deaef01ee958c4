"""Granularity and scope: exact counts, ties, patterns, layouts."""

import weakref

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support import small_model, sparsity_of

import tfprune
from tfprune import criteria, granularity, scope
from tfprune.errors import InputError
from tfprune.granularity import NM, Block, KernelAxes, Units, Weight
from tfprune.pruning.kernels import einsum_axes, kernel_axes
from tfprune.pruning.program import Settings
from tfprune.scope import Global, Layer, keep_best

DENSE = KernelAxes((-2,), (-1,))
kernels = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=4, max_side=7), elements=st.sampled_from([0.0, 0.25, 1.0, 2.0])
)


@given(scores=hnp.arrays(np.float32, st.integers(1, 60), elements=st.integers(0, 3)), sparsity=st.floats(0, 0.999))
def test_exactly_k_whatever_the_ties(scores, sparsity):
    kept = keep_best(Units(scores, 1, lambda k: k), sparsity, len(scores))
    removed = len(scores) - np.count_nonzero(kept)
    assert removed == round(sparsity * len(scores))
    order = np.argsort(-scores, kind="stable")  # the definition: the first k of a stable sort
    expected = np.zeros(len(scores), dtype=bool)
    expected[order[: len(scores) - removed]] = True
    np.testing.assert_array_equal(kept, expected)


@given(kernel=kernels, sparsity=st.floats(0, 0.99), outputs=st.integers(1, 3), inputs=st.integers(1, 4))
def test_blocks_are_whole(kernel, sparsity, outputs, inputs):
    units = Block(outputs, inputs).units(kernel, DENSE)
    mask = units.mask(keep_best(units, sparsity, kernel.size))
    assert mask.shape == kernel.shape
    matrix = DENSE.to_matrix(mask)
    for row in range(0, matrix.shape[1], outputs):
        for column in range(0, matrix.shape[2], inputs):
            block = matrix[:, row : row + outputs, column : column + inputs]
            assert (block.all(axis=(1, 2)) | ~block.any(axis=(1, 2))).all()
    assert abs((~mask).sum() - round(sparsity * kernel.size)) <= outputs * inputs


@given(kernel=kernels, n=st.integers(1, 3), extra=st.integers(1, 3), progress=st.floats(0, 1))
def test_n_of_m_keeps_the_best_n_and_ramps(kernel, n, extra, progress):
    pattern = NM(n, n + extra)
    units = pattern.units(kernel, DENSE)
    full = DENSE.to_matrix(units.mask(np.zeros(len(units.scores), dtype=bool)))
    matrix = DENSE.to_matrix(kernel)
    for start in range(0, matrix.shape[2], pattern.m):
        kept, scores = full[..., start : start + pattern.m], matrix[..., start : start + pattern.m]
        assert (kept.sum(axis=-1) == min(n, kept.shape[-1])).all()
        lost = np.where(kept, -np.inf, scores).max(axis=-1)
        assert (np.where(kept, scores, np.inf).min(axis=-1) >= lost).all()
    partial = units.mask(keep_best(units, pattern.max_sparsity * progress, kernel.size))
    assert (~partial).sum() <= (~full).sum()
    assert units.removable == (~full).sum()


def test_a_block_is_four_inputs_of_one_output():
    kernel = np.arange(16, dtype=np.float32).reshape(8, 2)  # (in, out)
    kernel[:4, 1] = 0
    units = granularity.get((1, 4)).units(kernel, kernel_axes(keras.layers.Dense(2), keras.Variable(kernel)))
    mask = units.mask(keep_best(units, 0.25, 16))
    expected = np.ones((8, 2), dtype=bool)
    expected[:4, 1] = False
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("layer", "shape", "inputs"),
    [
        (keras.layers.Dense(5), (None, 7), 7),
        (keras.layers.Conv1D(5, 3), (None, 9, 7), 7),
        (keras.layers.Conv2DTranspose(5, 3), (None, 9, 9, 7), 7),
        (keras.layers.Conv3D(5, 2), (None, 4, 4, 4, 7), 7),
        (keras.layers.EinsumDense("abc,cde->abde", (None, 5, 6)), (None, 4, 7), 7),
        (keras.layers.EinsumDense("...x,xy->...y", 5), (None, 4, 7), 7),
    ],
)
def test_axes_follow_the_sums_that_a_layer_makes(layer, shape, inputs):
    """Cutting an input channel's weights must make the output blind to that channel: the axes are the right ones."""
    layer.build(shape)
    axes = kernel_axes(layer, layer.kernel)
    matrix = axes.to_matrix(np.asarray(layer.kernel))
    assert matrix.shape[2] == inputs
    mask = np.ones(matrix.shape, dtype=bool)
    mask[..., 3] = False
    layer.kernel.assign(np.asarray(layer.kernel) * axes.from_matrix(mask, tuple(layer.kernel.shape)))
    x = np.random.default_rng(0).normal(size=(2, *shape[1:])).astype("float32")
    changed = x.copy()
    changed[..., 3] += 10
    np.testing.assert_allclose(layer(x), layer(changed), rtol=1e-6)
    other = x.copy()
    other[..., 2] += 10
    assert not np.allclose(layer(x), layer(other))


def test_einsum_with_two_summed_axes():
    assert einsum_axes("abde,dec->abc") == KernelAxes(inputs=(0, 1), outputs=(2,))


def test_global_scope_finds_each_layers_own_sparsity_and_spares_none_too_much():
    rng = np.random.default_rng(0)
    weak, strong = rng.uniform(0, 0.1, (20, 10)), rng.uniform(1, 2, (20, 10))
    units = [Weight().units(scores, DENSE) for scores in (weak, strong)]
    kept = Global(max_sparsity=0.9).keep(units, [200, 200], 0.6)
    assert sum(np.count_nonzero(~k) for k in kept) == 240
    assert np.count_nonzero(~kept[0]) == 180
    each = Layer().keep(units, [200, 200], 0.6)
    assert [np.count_nonzero(~k) for k in each] == [120, 120]
    with pytest.raises(InputError, match="max_sparsity"):
        Global(max_sparsity=0.5).keep(units, [200, 200], 0.6)


def test_global_scope_with_uneven_blocks_counts_weights():
    scores = [np.random.default_rng(i).random(shape) for i, shape in enumerate([(7, 5), (10, 4)])]
    units = [Block(1, 4).units(s, DENSE) for s in scores]
    kept = Global(max_sparsity=1.0).keep(units, [s.size for s in scores], 0.5)
    removed = sum((~u.mask(k)).sum() for u, k in zip(units, kept, strict=True))
    assert abs(removed - 0.5 * 75) <= 2


def test_random_masks_grow_and_follow_the_seed():
    weights = np.ones((30, 30), dtype=np.float32)
    criterion = criteria.get("random")
    masks = []
    for sparsity in (0.2, 0.5, 0.8):
        units = Weight().units(criterion.score(weights, np.random.default_rng([1, 0])), DENSE)
        masks.append(units.mask(keep_best(units, sparsity, weights.size)))
    assert not (masks[1] & ~masks[0]).any()
    assert not (masks[2] & ~masks[1]).any()
    other = criterion.score(weights, np.random.default_rng([2, 0]))
    assert not np.array_equal(other, criterion.score(weights, np.random.default_rng([1, 0])))


@pytest.mark.parametrize("registry", [criteria.criteria, granularity.granularities, scope.scopes])
def test_every_strategy_round_trips(registry):
    for name in registry.names:
        strategy = registry.get(name)
        assert registry.deserialize(registry.serialize(strategy)) == strategy


def test_other_names_for_the_same():
    assert granularity.get("channel") == granularity.Filter()
    assert scope.get("local") == scope.Layer()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: criteria.get("magnitud"), "Did you mean 'magnitude'"),
        (lambda: granularity.get("wieght"), "Did you mean 'weight'"),
        (lambda: granularity.get("4:2"), "1 ≤ n < m"),
        (lambda: granularity.get((0, 4)), "ints ≥ 1"),
        (lambda: granularity.get((1, 2.5)), "ints ≥ 1"),
        (lambda: scope.get("gobal"), "Did you mean 'global'"),
        (lambda: Global(max_sparsity=0), "max_sparsity is 0"),
        (lambda: criteria.Magnitude(order=3), "order is 3"),
    ],
)
def test_bad_input_says_what_to_do(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_kernels_are_looked_at_one_by_one_where_each_is_for_itself(monkeypatch):
    """Large networks: what a pruning takes is a copy of a kernel or two, not of all of them."""
    model = keras.Sequential([keras.Input((64,)), *(keras.layers.Dense(64) for _ in range(6))])
    made, alive = [], []

    class Watched(np.ndarray):
        """An array that can be counted."""

    def read(variable):
        values = np.asarray(variable.numpy()).view(Watched)
        made.append(weakref.ref(values))
        alive.append(sum(one() is not None for one in made))
        return values

    monkeypatch.setattr("tfprune.pruning.mask.read", read)
    tfprune.prune(model, 0.5)
    assert len(alive) >= 6
    assert max(alive) <= 2


def test_global_scope_never_cuts_a_small_kernel_through():
    small, large = Weight().units(np.arange(16) / 1000, DENSE), Weight().units(np.arange(1, 1001.0), DENSE)
    kept = Global().keep([small, large], [16, 1000], 0.5)
    assert np.count_nonzero(kept[0]) == 1
    assert sum(np.count_nonzero(~k) for k in kept) == 508


def test_a_program_that_goes_beyond_the_schedules_end_takes_no_kernel_whole():
    model = small_model()
    pruner = tfprune.Pruner(model, 0.5, schedule="constant", per_layer={"hidden": 0.8})
    pruner.start(total_steps=10)
    pruner.change(Settings(sparsity=0.9))
    pruner.update(0)
    assert sparsity_of(model.get_layer("hidden")) == pytest.approx(0.8, abs=1e-3)
    pruner.detach()


@pytest.mark.parametrize(
    ("options", "end", "message"),
    [({"granularity": "2:4"}, 0.9, "above the 0.5"), ({"sparsity": 0.5}, 0.9, "sparsity is 0.5")],
)
def test_the_end_of_a_function_is_checked_once_the_length_is_known(options, end, message):
    pruner = tfprune.Pruner(small_model(), schedule=lambda step: min(step / 100, end), **options)
    with pytest.raises(InputError, match=message):
        pruner.start(total_steps=200)
    assert not pruner.started


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "taylor", "data": (np.zeros((4, 8)), np.zeros(4))}, "asks for gradient"),
        ({"scope": "erk"}, "residual blocks go whole"),
    ],
)
def test_what_tells_residual_blocks_nothing_is_refused(options, message):
    x = inputs = keras.Input((8,))
    x = keras.layers.Add()([keras.layers.Dense(8)(x), x])
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    with pytest.raises(InputError, match=message):
        tfprune.Pruner(model, 0.5, granularity="layer", **options)


def test_blocks_that_share_the_layer_they_end_in_stay():
    x = inputs = keras.Input((8,))
    shared = keras.layers.Dense(8, name="shared")
    for number in range(2):
        x = keras.layers.Add(name=f"twice_{number}")([shared(x), x])
    for number in range(2):
        x = keras.layers.Add(name=f"once_{number}")([keras.layers.Dense(8)(x), x])
    pruner = tfprune.Pruner(keras.Model(inputs, x), 0.5, granularity="layer")
    assert [block.name for block in pruner.source.blocks] == ["once_0", "once_1"]
    assert {entry.reason for entry in pruner.skipped} == {"the layer that its branch ends in is called more than once"}
