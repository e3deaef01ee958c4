"""Reinforcement learning over the choices: a policy decides one level after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.strategies.base import Proposals, Strategy, strategies
from tfprune.strategies.scalar import Scalar, simplex
from tfprune.strategies.space import Point, Space
from tfprune.strategies.variation import Fresh

__all__ = ["Reinforcement"]

Array = NDArray[Any]


@strategies.register("reinforcement", "amc")
@dataclass(frozen=True)
class Reinforcement(Strategy):
    """An agent walks over the choices and decides how far to cut each, from what it is and what is still to be saved.

    As He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile Devices", 2018: an action is a part of
    what can be cut, and no action is allowed after which the budget can't be met any more. The policy is a small
    network with Gaussian noise that fades, trained by policy gradients against the mean of the recent episodes
    (REINFORCE; Williams, 1992) and towards the best episode. Of several objectives each episode of a batch has a
    trade-off of its own, which the agent sees.

    Args:
        episodes: How many walks there are between two updates.
        hidden: Units of the policy.
        rate: Its learning rate.
        noise: Standard deviation of the actions at the beginning.
        quiet: The same at the end.

    Example:
        >>> from tfprune.strategies import optimize
        >>> space = Space(("a", "b"), (8, 8), used=lambda point: 2 - sum(point) / 7)
        >>> optimize(Reinforcement(), space, lambda point: (point[0] + 3.0 * point[1],), trials=36).best(space)
        ((7, 0), (7.0,))
    """

    episodes: int = 16
    hidden: int = 32
    rate: float = 0.02
    noise: float = 0.3
    quiet: float = 0.05

    def propose(self, space: Space, objectives: int, trials: int, rng: np.random.Generator) -> Proposals:
        """Yield the ends of walks."""
        scalar, fresh = Scalar(objectives), Fresh(space, rng)
        trade_offs = simplex(objectives, self.episodes, rng)
        features = 6 + (objectives if objectives > 1 else 0)
        policy = Policy(features, self.hidden, rng)
        values = yield [space.start]
        scalar.see(values)
        mean: float | None = None
        best: list[tuple[float, Array, Array] | None] = [None] * self.episodes
        done = 0
        while True:
            part = min(1.0, done / max(trials, 1))
            noise = self.noise * (1 - part) + self.quiet * part
            walks = [walk(space, policy, noise, rng, trade_offs[n] if objectives > 1 else None)
                     for n in range(self.episodes)]  # fmt: skip
            values = yield [fresh(end) for end, _, _ in walks]
            done += self.episodes
            scalar.see(values)
            worth = np.diagonal(scalar.table(values, trade_offs)).copy()
            finite = np.isfinite(worth)
            if not finite.any():
                continue
            worth = np.where(finite, worth, worth[finite].max())
            mean = float(worth.mean()) if mean is None else 0.8 * mean + 0.2 * float(worth.mean())
            gain = (mean - worth) / max(float(worth.std()), 1e-9)
            for n, (_, states, actions) in enumerate(walks):
                policy.learn(states, actions, float(np.clip(gain[n], -3, 3)) / self.episodes)
                slot = n if objectives > 1 else 0
                held = best[slot]
                if held is None or worth[n] < held[0]:
                    best[slot] = float(worth[n]), states, actions
            for held in best:
                if held is not None:
                    policy.learn(held[1], held[2], 1.0 / sum(one is not None for one in best))
            policy.step(self.rate)


def walk(
    space: Space, policy: Policy, noise: float, rng: np.random.Generator, trade_off: Array | None
) -> tuple[Point, Array, Array]:
    """Return where a walk over the choices ends, what the agent saw on it and did."""
    count = len(space.sizes)
    point, last = list(space.whole), 0.0
    states, actions = [], []
    end = space.least
    spread = np.zeros(count) if space.losses is None else np.log([float(own[-1]) + 1e-9 for own in space.losses])
    scale = spread - spread.mean()
    for n in range(count):
        now = 1.0 if space.used is None else space.used(tuple(point))
        could = 0.0 if space.used is None else space.used((*point[: n + 1], *end[n + 1 :]))
        state = [n / count, space.sizes[n] / max(space.sizes), now - 1.0, could - 1.0, scale[n], last]
        state += [] if trade_off is None else list(trade_off)
        action = float(np.clip(policy(np.array(state)) + noise * rng.normal(), 0.0, 1.0))
        level = round(action * (space.sizes[n] - 1))
        while level < space.sizes[n] - 1 and not space.allowed((*point[:n], level, *end[n + 1 :])):
            level += 1  # else the rest could not meet the budget
        point[n] = level
        last = level / max(space.sizes[n] - 1, 1)
        states.append(state)
        actions.append(last)
    return space.repair(tuple(point)), np.array(states), np.array(actions)


class Policy:
    """A small network from states to actions in (0, 1), trained by Adam.

    Args:
        features: Numbers of a state.
        hidden: Units.
        rng: Draws its weights.
    """

    def __init__(self, features: int, hidden: int, rng: np.random.Generator) -> None:
        self.weights = [
            rng.normal(size=(features, hidden)) / np.sqrt(features), np.zeros(hidden),
            rng.normal(size=(hidden, 1)) * 0.1, np.full(1, -0.5),
        ]  # fmt: skip
        self._gradients = [np.zeros_like(w) for w in self.weights]
        self._moments = [[np.zeros_like(w), np.zeros_like(w)] for w in self.weights]
        self._steps = 0

    def __call__(self, state: Array) -> float:
        return float(self._forward(state[None])[1][0, 0])

    def _forward(self, states: Array) -> tuple[Array, Array]:
        w1, b1, w2, b2 = self.weights
        inner = np.tanh(states @ w1 + b1)
        return inner, 1 / (1 + np.exp(-(inner @ w2 + b2)))

    def learn(self, states: Array, actions: Array, gain: float) -> None:
        """Move the actions in these states towards some, or away with a gain below 0; takes effect with `step`."""
        w2 = self.weights[2]
        inner, made = self._forward(states)
        slope = gain * (made - actions[:, None]) * made * (1 - made) / len(states)
        back = slope @ w2.T * (1 - inner**2)
        for total, part in zip(
            self._gradients, (states.T @ back, back.sum(axis=0), inner.T @ slope, slope.sum(axis=0)), strict=True
        ):
            total += part

    def step(self, rate: float) -> None:
        """Take one step of Adam."""
        self._steps += 1
        for weight, gradient, moments in zip(self.weights, self._gradients, self._moments, strict=True):
            moments[0] = 0.9 * moments[0] + 0.1 * gradient
            moments[1] = 0.99 * moments[1] + 0.01 * gradient**2
            first = moments[0] / (1 - 0.9**self._steps)
            second = moments[1] / (1 - 0.99**self._steps)
            weight -= rate * first / (np.sqrt(second) + 1e-8)
            gradient[...] = 0.0
