"""Bounds of flash and RAM: how they are written, and that everything that can't meet them says so at once."""

import keras
import pytest

import tfprune
from tfprune import Budget, InputError
from tfprune.cost.budget import parse_budget
from tfprune.penalties import Growing
from tfprune.sizes import bytes_of


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (1, 1), (65536, 65536), ("65536", 65536), ("256kB", 256_000), ("256KB", 256_000), ("256 kB", 256_000),
        ("256KiB", 262_144), ("256 kib", 262_144), ("1 MB", 1_000_000), ("0.5MiB", 524_288), ("1.5kB", 1500),
        ("12 B", 12), ("1GB", 10**9),
    ],
)  # fmt: skip
def test_sizes_as_people_write_them(written, size):
    assert bytes_of(written, "flash") == size
    assert Budget(flash=written).device() == {"flash": size}


@pytest.mark.parametrize(
    "wrong", [0, -1, 0.5, True, "", "kB", "12 apples", "-3kB", "1e3", "0.2 B", "nan", [1], "1kb/s"]
)
def test_other_sizes_are_refused(wrong):
    with pytest.raises(InputError, match=r"flash is .* give bytes as an int, or a string such as '256kB'"):
        Budget(flash=wrong)


def test_a_budget_keeps_what_it_was_given():
    budget = Budget(flash="256kB", ram=65536)
    assert str(budget) == "Budget(flash=256kB, ram=65536)"
    assert Budget.from_config(budget.get_config()) == budget
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(budget))
    assert again == budget
    assert Budget(macs=0.5).device() == {}


def test_the_command_lines_form():
    texts = ["flash=256kB", "ram=65536"]
    assert parse_budget(texts, device=True) == Budget(flash="256kB", ram=65536)
    with pytest.raises(InputError, match="fit_device"):
        parse_budget(texts)
    with pytest.raises(InputError, match="Did you mean 'flash'"):
        parse_budget(["flahs=1kB"], device=True)


def model():
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(8, 3), keras.layers.Dense(2)])


@pytest.mark.parametrize(
    "use",
    [
        lambda budget: tfprune.prune_filters(model(), budget),
        lambda budget: tfprune.plan_filters(model(), budget),
        lambda budget: tfprune.factorize(model(), budget),
        lambda budget: tfprune.FactorizeCallback(budget),
        lambda budget: tfprune.PruneCallback(budget, granularity="filter"),
        lambda budget: tfprune.Pruner(model(), budget, granularity="filter"),
        lambda budget: tfprune.GateCallback(budget),
        lambda budget: tfprune.gates.GateTraining(model(), budget),
        lambda budget: tfprune.prune(model(), budget),
        lambda budget: tfprune.prune_iteratively(model(), budget, fit=lambda m: None, evaluate=lambda m: 1.0),
        lambda budget: tfprune.RegularizeCallback(Growing(budget)),
        lambda budget: budget.bounds(None),
    ],
)
@pytest.mark.parametrize("bounds", [{"flash": "9kB"}, {"ram": 9000}, {"macs": 0.5, "ram": "9kB"}])
def test_what_can_not_meet_them_names_what_can(use, bounds):
    with pytest.raises(InputError, match=r"tfprune\.micro\.fit_device\(model, budget, data=…\) and the recipe 'tiny'"):
        use(Budget(**bounds))


@pytest.mark.parametrize("stage", ["prune", "factorize", "gate"])
def test_so_do_stages_of_recipes(stage):
    with pytest.raises(InputError, match="fit_device"):
        tfprune.recipe.Recipe([{"method": stage, "budget": ["flash=9kB"]}])
