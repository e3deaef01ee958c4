"""Where a network can be cut, what crosses a cut, and what a stage needs of memory."""

import keras
import numpy as np
import pytest
from keras import layers
from partition.networks import MODELS

from tfprune.errors import InputError
from tfprune.graph import trace
from tfprune.partition import Chain, cut_points
from tfprune.partition.memory import activation_bytes, weight_bytes


def test_the_shortcut_crosses_a_cut_inside_a_block():
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 1, name="stem")(inputs)
    y = layers.Conv2D(5, 1, name="inner")(x)
    y = layers.Conv2D(3, 1, name="back")(y)
    model = keras.Model(inputs, layers.Add(name="sum")([x, y]))
    found = {at: {x.name: x.size for x in crossing} for at, crossing in cut_points(trace(model))}
    assert found == {1: {"stem": 192}, 2: {"stem": 192, "inner": 320}, 3: {"stem": 192, "back": 192}}


def test_what_is_fused_stays_together():
    graph = trace(MODELS["residual"]())
    chain = Chain(graph)
    assert sorted(chain.order) == list(range(len(graph.nodes)))
    for cut in chain.cuts[1:-1]:
        behind = chain.node(int(cut))
        assert behind.kind not in ("BatchNormalization", "ReLU"), behind.path


def test_a_mask_is_not_lost_and_the_batch_stays_the_batch():
    masked, windows = Chain(trace(MODELS["masked"]())), Chain(trace(MODELS["windows"]()))
    assert [chain.node(int(p) - 1).kind for chain in (masked,) for p in chain.cuts[1:]] == ["LSTM", "Dense", "Dense"]
    assert all(x.tensor.rank == 3 or x.tensor.shape[1] == 24 for p in windows.cuts[1:-1] for x in windows.boundary(p))


def test_weights_of_a_layers_own_are_never_sent():
    chain = Chain(trace(MODELS["vision_transformer"]()))
    assert any(chain.static)
    for cut in chain.cuts[1:-1]:
        assert all(x.tensor.shape[0] is None for x in chain.boundary(int(cut)))
        assert len(chain.boundary(int(cut))) <= 4


def test_open_sizes_are_refused():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3)])
    with pytest.raises(InputError, match="fixed size"):
        Chain(trace(model))


@pytest.mark.parametrize("name", ["residual", "dense_blocks", "siamese", "nested", "vision_transformer"])
def test_memory_is_what_a_stage_holds_when_it_runs(name):
    chain = Chain(trace(MODELS[name]()))
    weights, activations = weight_bytes(chain), activation_bytes(chain)
    rng = np.random.default_rng(0)
    for _ in range(40):
        i, j = sorted(rng.choice(len(chain.cuts), 2, replace=False))
        first, last = int(chain.cuts[i]), int(chain.cuts[j])
        own = {id(v): 4 * int(np.prod(v.shape)) for p in range(first, last) if not chain.static[chain.order[p]]
               for v in chain.variables(chain.order[p])}  # fmt: skip
        assert weights[i, j] == sum(own.values())
        assert activations[i, j] == most_alive(chain, first, last)
    assert not np.tril(weights).any()
    assert not np.tril(activations).any()


def most_alive(chain, first, last):
    """Run a stage by hand."""
    most = 0
    for position in range(first, last):
        number = chain.order[position]
        alive = 0
        for x in chain.flowing.values():
            if x.made > position:
                continue
            read = x.last >= position or (x.made == -1 and position == 0)
            alive += x.size if read or x.made == position or (x.output and x.made >= first) else 0
        reads = chain.reads(number) if not chain.static[number] else []
        in_place = chain.graph.nodes[number].kind in ("BatchNormalization", "ReLU", "Reshape", "Flatten", "ReadWeight",
                                                      "ForEachSample", "ExpandDims", "Squeeze", "Relu")  # fmt: skip
        if in_place and len(reads) == 1:
            source = chain.flowing[reads[0].index]
            readers = [
                n for n in chain.order if not chain.static[n] and any(x.index == reads[0].index for x in chain.reads(n))
            ]
            if len(readers) == 1 and not source.output:
                made = sum(chain.flowing[x.index].size for x in chain.graph.nodes[number].results)
                alive -= made if made <= source.size else 0
        most = max(most, alive)
    return most
