"""Arguments that there are none of: the function that was called is named, and the argument that is meant."""

import inspect

import pytest
from support import small_model

import tfprune
from tfprune.errors import InputError


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: tfprune.factorize(m, ratio=0.5), r"factorize\(\) has no argument 'ratio': give a Budget.*rank=0.25"),
        (lambda m: tfprune.factorize(m, rnak=8), r"factorize\(\) has no argument 'rnak'. Did you mean 'rank'"),
        (lambda m: tfprune.plan_factorization(m, enrgy=0.9), r"plan_factorization\(\) .* Did you mean 'energy'"),
        (lambda m: tfprune.factorize_layer(m, frm="svd"), r"factorize_layer\(\) .* Did you mean 'form'"),
        (lambda m: tfprune.prune_filters(m, 0.5, global_pruning=True), r"prune_filters\(\) .*: give scope='global'"),
        (lambda m: tfprune.prune_filters(m, 0.5, min_chanels=2), r"prune_filters\(\) .* Did you mean 'min_channels'"),
        (lambda m: tfprune.plan_filters(m, 0.5, ignored_layers=[]), r"plan_filters\(\) .*: give skip="),
        (lambda m: tfprune.prune_iteratively(m, floors=1), r"prune_iteratively\(\) .* Did you mean 'floor'"),
        (lambda m: tfprune.shrink(m, dropp=[]), r"shrink\(\) .* Did you mean 'drop'"),
        (lambda m: tfprune.PruneCallback(target_sparsity=0.5), r"PruneCallback\(\) .*: the first argument"),
        (lambda m: tfprune.PruneCallback(schedul="cosine"), r"PruneCallback\(\) .* Did you mean 'schedule'"),
    ],
)
def test_the_function_that_was_called_is_named_and_the_argument_that_is_meant(call, message):
    for kind in (InputError, TypeError):
        with pytest.raises(kind, match=message):
            call(small_model())


@pytest.mark.parametrize(
    "name",
    [
        "factorize",
        "factorize_layer",
        "plan_factorization",
        "plan_filters",
        "prune",
        "prune_filters",
        "prune_iteratively",
        "prune_layer",
        "random_prune",
        "shrink",
    ],
)
def test_every_argument_is_in_the_signature_and_in_the_docstring(name):
    function = getattr(tfprune, name)
    for argument, one in inspect.signature(function).parameters.items():
        assert one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        assert f"\n    {argument}: " in inspect.getdoc(function)
