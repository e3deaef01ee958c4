"""`fit_device`: the largest network that fits into the flash and the RAM of a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from tfprune.arguments import named_arguments
from tfprune.cost import Budget, CostModel
from tfprune.errors import InputError
from tfprune.files import PathLike, check_destination
from tfprune.graph import trace
from tfprune.graph.choice import LayerChoice
from tfprune.micro.conversion import Converted, convert_and_measure, size_up
from tfprune.micro.fitted import Fitted
from tfprune.micro.measure import TIMEOUT, require_runtime
from tfprune.micro.probe import NAMES, Probe
from tfprune.micro.search import Route, Search
from tfprune.micro.why_not import why_not
from tfprune.numbers import is_integer
from tfprune.pruning.channels.filters import prepare
from tfprune.sizes import readable

__all__ = ["check_choices", "device_bounds", "fit", "fit_device"]

SCOPES = ("greedy", "layer")
LEAST = 0.999999
"""The fraction of channels that goes where as few as allowed are to be left."""


@named_arguments(representative_data="give data=, samples without labels", tolerance="give probes=")
def fit_device(
    model: keras.Model,
    budget: Budget,
    *,
    data: Any,
    path: PathLike | None = None,
    round_to: int = 4,
    samples: int = 1024,
    scope: str | None = None,
    probes: int = 7,
    layers: Sequence[LayerChoice] | None = None,
    skip: Sequence[LayerChoice] | None = None,
    min_channels: int | Mapping[keras.Layer | str, int] = 1,
    overwrite: bool = False,
    timeout: float = TIMEOUT,
    seed: int = 0,
    verbose: int = 1,
) -> Fitted:
    """Remove filters until the int8 file and the arena that it needs fit into a microcontroller.

    Channels go as in `tfprune.prune_filters` with data: chosen by the structured Optimal Brain Surgeon, and what is
    left is refitted, without labels and training. How many have to go is found by bisection: over the parameters if
    flash is too small, over the multiply-accumulates if RAM is, over both if both are. Each network on the way is
    really converted to int8 and really run by TensorFlow Lite Micro in the smallest arena that does; nothing is
    estimated. So the result is the largest network among those tried that fits, and it has been measured again
    after the refit.

    Args:
        model: A built model of any kind that `prune_filters` takes.
        budget: `Budget(flash="256kB", ram="128kB")`, or one of them.
        data: Samples of what the model is used on, without labels: anything `fit` takes. They also calibrate.
        path: The .tflite file to write; None leaves its contents in the result.
        round_to: Kept channels are a multiple of this, or all that there are; 4 or 8 suit kernels for microcontrollers.
        samples: How many samples the channels are chosen and refitted with at most.
        scope: `"greedy"`: always the cut that adds least to the error for what it saves. `"layer"`: the same fraction
            of each group, so that the layers in front, which hold most RAM, are cut as well. None takes the first for
            flash, and for RAM tries both and keeps the one whose outputs are nearer to the given network's.
        probes: How many networks are measured at most on each way, besides the whole and the smallest one.
        layers: Only channels that these layers make (objects, types, names, paths).
        skip: No channels that these layers make.
        min_channels: No group keeps fewer; or how many those keep at least that some layers make.
        overwrite: Whether an existing file may be replaced.
        timeout: Seconds that a step of a measurement may take.
        seed: Seed of random inputs and of the choice of rows that layers are seen with.
        verbose: 1 prints each network that is measured, 0 nothing.

    Returns:
        The model, its file, and what was measured.

    Raises:
        InputError: If an argument is not one of the allowed values, the package tflite-micro is missing, TensorFlow
            Lite Micro has not got an operation that the model needs, or the budget can't be met: with what the smallest
            network needs and what holds that up.
        ExportError: If the model can't be converted.
        BenchmarkError: If TensorFlow Lite Micro crashes on it or takes too long.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(32, 3, activation="relu"),
        ...                           keras.layers.Conv2D(32, 3), keras.layers.GlobalAveragePooling2D(),
        ...                           keras.layers.Dense(2)])
        >>> images = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
        >>> fitted = fit_device(model, Budget(flash="9kB"), data=images, probes=1, verbose=0)
        >>> fitted.footprint.flash_bytes <= 9000, len(fitted.tflite) == fitted.footprint.flash_bytes
        (True, True)
    """
    bounds = device_bounds(budget)
    check_choices(scope, probes, round_to)
    if path is not None:
        if Path(path).suffix.lower() != ".tflite":
            raise InputError(f"{path} does not end in .tflite; give such a path.")
        check_destination(path, overwrite=overwrite)

    def tell(line: str) -> None:
        if verbose:
            print(line)

    fitted = fit(
        model, bounds, data=data, calibration=data, round_to=round_to, scope=scope, probes=probes, timeout=timeout,
        tell=tell, seed=seed, samples=samples, layers=layers, skip=skip, min_channels=min_channels, verbose=verbose,
    )  # fmt: skip
    return fitted if path is None else replace(fitted, path=fitted.save(path, overwrite=overwrite))


def check_choices(scope: Any, probes: Any, round_to: Any) -> None:
    """Check what can be checked without the model.

    Raises:
        InputError: If one of them is not one of the allowed values.
    """
    if scope is not None and scope not in SCOPES:
        raise InputError(f"scope is {scope!r}; give 'greedy', 'layer' or None.")
    for name, value in (("probes", probes), ("round_to", round_to)):
        if not is_integer(value) or value < 1:
            raise InputError(f"{name} is {value!r}; give an int from 1.")


def fit(
    model: keras.Model,
    bounds: Mapping[str, int],
    *,
    data: Any,
    calibration: Any,
    round_to: int,
    scope: str | None,
    probes: int,
    timeout: float,
    seed: int,
    tell: Callable[[str], None],
    **options: Any,
) -> Fitted:
    """Do what `fit_device` does, and write nothing.

    Args:
        model: The model.
        bounds: What it may need, in bytes.
        data: Samples to choose channels and refit with.
        calibration: Samples to calibrate with.
        round_to: Kept channels are a multiple of this.
        scope: `"greedy"`, `"layer"` or None.
        probes: How many networks are measured at most on each way.
        timeout: Seconds that a step of a measurement may take.
        seed: Seed of what draws random numbers.
        tell: Prints a line.
        **options: As `plan_filters` takes them.
    """
    require_runtime()

    def convert(network: keras.Model) -> Converted:
        return convert_and_measure(network, calibration, timeout=timeout, seed=seed)

    def finish(made: keras.Model, converted: Converted, tried: Sequence[Probe], agreement: str | None) -> Fitted:
        result = Fitted(
            made, converted.content, None, converted.footprint, converted.export, whole.footprint, tuple(tried),
            agreement,
        )  # fmt: skip
        tell(str(result))
        return result

    whole = convert(model)
    first = Probe.of(CostModel(trace(model)).whole, whole.footprint, bounds)
    tell(f"tfprune: fits {model.name} into {' and '.join(f'{readable(bounds[n])} of {NAMES[n]}' for n in bounds)}")
    tell(f"  whole: {first}")
    if first.fits:
        return finish(model, whole, [first], None)
    prepared = prepare(model, Budget(params=0.5), data=data, round_to=round_to, seed=seed, **options)
    search = Search(prepared, bounds, first, lambda cut: size_up(cut, calibration, timeout=timeout, seed=seed), tell)
    smallest = search.measure(prepared.plan(LEAST), "smallest")
    if not smallest.probe.fits:
        raise InputError(why_not(smallest.plan.apply(), smallest.footprint, smallest.probe, bounds, round_to))
    scopes = [scope] if scope else list(SCOPES) if "ram" in first.over else ["greedy"]
    routes = [search.bisect(smallest, name, probes) for name in scopes]
    made, converted, agreement = chosen(routes, search, convert, tell)
    return finish(made, converted, search.probes, agreement)


def chosen(
    routes: Sequence[Route],
    search: Search,
    convert: Callable[[keras.Model], Converted],
    tell: Callable[[str], None],
) -> tuple[keras.Model, Converted, str]:
    """Refit the best network of each way, and return the nearest to the whole one that still fits when converted.

    Where none of the nearest way fits any more, the next way's turn comes.

    Args:
        routes: The ways, each with the networks that fit, the largest first.
        search: Compares with the bounds.
        convert: Converts and measures a network.
        tell: Prints a line.

    Raises:
        InputError: If a refitted network needs more than the same network did before, for all that fitted.
    """
    refitted = [(route, route.fitting[0].plan.repair()) for route in routes]
    for route, result in refitted:
        tell(f"  {route.name}: {route.fitting[0].probe}; refitted: {result.after}")
    for route, largest in sorted(refitted, key=lambda pair: pair[1].after.error):
        for number, candidate in enumerate(route.fitting):
            result = largest if number == 0 else candidate.plan.repair()
            converted = convert(result.model)
            if search.judge(candidate.plan, converted.footprint).fits:
                return result.model, converted, str(result.after)
    raise InputError("Every network that fitted needs more after the refit; give a budget that is some bytes larger.")


def device_bounds(budget: Any) -> dict[str, int]:
    """Return the bounds of a device in bytes.

    Raises:
        InputError: If the budget is none, bounds nothing of a device, or something else as well.
    """
    if not isinstance(budget, Budget) or not budget.device():
        raise InputError(f"The budget is {budget}; give one of flash or RAM, as Budget(flash='256kB', ram='128kB').")
    others = [name for name in ("params", "macs", "bytes", "latency") if getattr(budget, name) is not None]
    if others:
        raise InputError(
            f"{budget} also bounds {', '.join(others)}; give flash and RAM alone: how many parameters and MACs are "
            "left follows from them."
        )
    return budget.device()
