"""What the linear layers of a network get: norms and moments of their inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import tree

from tfprune.console import track
from tfprune.errors import InputError
from tfprune.refit.forms import Form
from tfprune.refit.gram import Gram
from tfprune.refit.network import Network
from tfprune.refit.sites import Site, find_sites
from tfprune.refit.store import Store
from tfprune.statistics.registry import of_weights
from tfprune.statistics.study import Array, Study

__all__ = ["form_for", "grams", "input_norm", "inverse_moments"]

RIDGE = 1e-3


@of_weights("input_norm", "data")
def input_norm(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the root mean square of the input that each weight is multiplied with."""
    found = {
        key: np.sqrt(gram.squares()[:, : gram.inputs] / max(gram.rows, 1)) for key, gram in grams(study, variables)
    }
    return [spread(study, variable, found[id(variable)]) for variable in variables]


@of_weights("inverse_moments", "data")
def inverse_moments(study: Study, variables: Sequence[keras.Variable]) -> list[Array]:
    """Return the diagonal of the inverse of the second moments of a layer's inputs, at the input of each weight.

    A small ridge is added, relative to their mean. Of very wide layers the inputs are taken as independent.
    """
    found = {}
    for key, gram in grams(study, variables):
        if gram.wide:
            squares = gram.squares()[:, : gram.inputs] / max(gram.rows, 1)
            found[key] = 1 / np.maximum(squares + RIDGE * squares.mean(axis=1, keepdims=True), 1e-30)
        else:
            inverse = np.linalg.inv(gram.ridged / max(gram.rows, 1))
            found[key] = np.einsum("bii->bi", inverse)[:, : gram.inputs]
    return [spread(study, variable, found[id(variable)]) for variable in variables]


def grams(study: Study, variables: Sequence[keras.Variable]) -> Iterator[tuple[int, Gram]]:
    """Yield the moments of the inputs of the layers that some kernels belong to, by `id` of the kernel."""
    sites = sites_of(study, variables)
    samples = tree.flatten(study.examples.x)
    network = Network(study.graph)
    store = Store(study.graph, [network], samples, seed=study.seed)
    found: dict[int, Gram] = {}
    for site in track(sites, len(sites), "inputs", study.progress):
        store.advance(site.position)
        form = site.form
        gram = found.setdefault(id(form.kernel), Gram(*form.size, intercept=True, ridge=RIDGE))
        for (given,) in store.values([tensor.index for tensor in site.node.inputs]):
            x, shape = network.feed(site, given)
            gram.add(form.rows(x, shape, store.places(site, form.size[1], network)))
    yield from found.items()


def sites_of(study: Study, variables: Sequence[keras.Variable]) -> list[Site]:
    """Return where the layers of some kernels are called."""
    wanted = {id(variable) for variable in variables}
    sites = [site for site in find_sites(study.graph) if id(site.form.kernel) in wanted]
    missing = wanted - {id(site.form.kernel) for site in sites}
    if missing:
        paths = [variable.path for variable in variables if id(variable) in missing]
        raise InputError(
            f"What {', '.join(paths[:3])} {'is' if len(paths) == 1 else 'are'} multiplied with can't be seen; skip "
            f"{'it' if len(paths) == 1 else 'them'} (skip=…), or take a criterion that does not look at inputs."
        )
    return sites


def form_for(study: Study, variable: keras.Variable) -> Form:
    """Return the linear form of the layer that a kernel belongs to."""
    return next(site.form for site in find_sites(study.graph) if site.form.kernel is variable)


def spread(study: Study, variable: keras.Variable, values: Array) -> Array:
    """Return numbers of inputs, (blocks, inputs), as an array of the shape of the kernel."""
    form = form_for(study, variable)
    return form.kernel_of(np.repeat(values[:, :, None], form.size[2], axis=2))
