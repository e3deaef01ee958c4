"""Prune a ResNet for CIFAR-10 with Torch-Pruning: what `resnet_cifar10_torch_pruning.py` runs in a Python with torch.

    python torch_pruning_child.py arrays.npz task.json

Needs torch, torch_pruning and NumPy only. Prints a line of JSON for each network that was checked, then one for each
result.
"""

from __future__ import annotations

import copy
import json
import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch_pruning as tp
from torch import Tensor, nn
from torch.nn import functional

VARIANTS = ("padding", "projection")
"""The shortcut that halves the image: a slice and zero channels, or a 1 × 1 convolution that computes the same."""

EXAMPLE = torch.zeros(1, 3, 32, 32)
SEARCH_STEPS = 12
SCAN = 64
REFRESH = 80
"""Steps of iterative pruning after which gradients are computed anew."""


class OutOfReachError(Exception):
    """A setting that works but can't save as much."""


class Block(nn.Module):
    """Two convolutions and a shortcut, as in akamaster/pytorch_resnet_cifar10 with shortcut option A."""

    def __init__(self, inputs: int, outputs: int, variant: str) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.pad = (outputs - inputs) // 2
        if self.pad and variant == "projection":
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the block makes of its input."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if hasattr(self, "shortcut"):
            x = self.shortcut(x)
        elif self.pad:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return functional.relu(y + x)


class ResNet(nn.Module):
    """A ResNet for images of 32 × 32 that are normalised already; names are those of the Keras layers."""

    def __init__(self, blocks: int, variant: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = (16, 16, 32, 64)
        for index in (1, 2, 3):
            inputs, outputs = widths[index - 1], widths[index]
            stage = [Block(outputs if block else inputs, outputs, variant) for block in range(blocks)]
            self.add_module(f"layer{index}", nn.Sequential(*stage))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Images:
    """The images of the parent, to look at, to train on and to test on."""

    def __init__(self, arrays: Any) -> None:
        self.scale, self.offset = (torch.from_numpy(arrays[name]).view(3, 1, 1) for name in ("scale", "offset"))
        self.x_train, self.x_test = (first_channels(arrays[name]) for name in ("x_train", "x_test"))
        self.y_train, self.y_test = (torch.from_numpy(arrays[name]).long() for name in ("y_train", "y_test"))

    def normalize(self, x: Tensor) -> Tensor:
        """Return images of 0 to 255 as the network wants them."""
        return x * self.scale + self.offset

    def logits(self, model: nn.Module) -> Tensor:
        """Return what a model gives for the test images."""
        model = copy.deepcopy(model).eval().to(memory_format=torch.channels_last)
        with torch.no_grad():
            return torch.cat([model(self.normalize(x)) for x in self.x_test.split(256)])

    def accuracy(self, model: nn.Module) -> float:
        """Return the percentage of test images whose top class is right."""
        return (self.logits(model).argmax(1) == self.y_test).float().mean().item() * 100


def first_channels(images: np.ndarray) -> Tensor:
    """Return images with the channels before height and width, laid out in memory as they were."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float()


def load(arrays: Any, variant: str, blocks: int) -> ResNet:
    """Return the network with the weights of the Keras model; every array has to find its place."""
    model = ResNet(blocks, variant).eval()
    kinds = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
    kinds |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    modules = {name.replace(".", "_"): module for name, module in model.named_modules()}
    state = {}
    for name in arrays.files:
        if not name.startswith(f"{variant}/"):
            continue
        _, layer, kind = name.split("/")
        value = arrays[name]
        if kind == "kernel":
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        target = getattr(modules[layer], kinds[kind])
        target.data.copy_(torch.from_numpy(value.copy()))
        state[id(target)] = name
    missing = [name for name, value in model.state_dict(keep_vars=True).items() if id(value) not in state]
    if any(not name.endswith("num_batches_tracked") for name in missing):
        raise RuntimeError(f"no arrays for {missing}")
    return model


def check(arrays: Any, variant: str, model: nn.Module, images: Images) -> dict[str, Any]:
    """Return how far the network is from the Keras model, and its size.

    Raises:
        RuntimeError: If logits are further apart than 0.001 or the accuracy is another.
    """
    logits = images.logits(model)
    wanted = torch.from_numpy(arrays[f"logits_{variant}"])
    difference = (logits - wanted).abs().max().item()
    accuracy, keras_accuracy = (
        (found.argmax(1) == images.y_test).float().mean().item() * 100 for found in (logits, wanted)
    )
    if difference > 1e-3 or accuracy != keras_accuracy:
        raise RuntimeError(f"{variant}: logits {difference:.2g} apart, top-1 {accuracy} instead of {keras_accuracy}")
    operations, parameters = tp.utils.count_ops_and_params(model, EXAMPLE)
    found = {"difference": difference, "accuracy": accuracy, "macs": macs(model)}
    return {"checked": variant, **found, "operations": int(operations), "parameters": int(parameters)}


def macs(model: nn.Module) -> int:
    """Return the multiply-accumulates of convolutions and the dense layer, as Torch-Pruning counts them.

    Its total counts normalisations too, which tfprune does not. The 1 × 1 convolutions that stand for a shortcut
    without work are left out.
    """
    layers = tp.utils.count_ops_and_params(model, EXAMPLE, layer_wise=True)[2]
    return sum(
        int(layers[module])
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not name.endswith("shortcut")
    )


def use_gradients(model: nn.Module, importance: Any, x: Tensor, y: Tensor) -> None:
    """Leave the gradient of the mean loss in the parameters, accumulated over batches."""
    for images, labels in zip(x.split(128), y.split(128), strict=True):
        (functional.cross_entropy(model(images), labels, reduction="sum") / len(x)).backward()


def use_samples(model: nn.Module, importance: Any, x: Tensor, y: Tensor) -> None:
    """Give the importance the gradient of each sample, as its documentation says."""
    importance.zero_grad()
    for image, label in zip(x.split(1), y.split(1), strict=True):
        model.zero_grad()
        functional.cross_entropy(model(image), label).backward()
        importance.accumulate_grad(model)


def use_squares(model: nn.Module, importance: Any, x: Tensor, y: Tensor) -> None:
    """Leave the mean of the squared gradients of all samples where the importance looks for it.

    Its own `accumulate_grad` keeps the last sample only: it asks for names in dictionaries whose keys are parameters.
    """
    squares = [torch.zeros_like(parameter) for parameter in model.parameters()]
    for image, label in zip(x.split(1), y.split(1), strict=True):
        model.zero_grad()
        functional.cross_entropy(model(image), label).backward()
        for square, parameter in zip(squares, model.parameters(), strict=True):
            square.addcmul_(parameter.grad, parameter.grad, value=1 / len(x))
    for square, parameter in zip(squares, model.parameters(), strict=True):
        parameter.grad = square


def use_fisher(model: nn.Module, importance: Any, x: Tensor, y: Tensor) -> None:
    """Let the importance collect its Fisher matrices, as in its repository."""
    importance._prepare_model(model, make_pruner(model, importance, {"inside": False, "options": {}}, 0.5, 1))
    collect_fisher(model, importance, x)


def use_fisher_mended(model: nn.Module, importance: Any, x: Tensor, y: Tensor) -> None:
    """Do the same without `_prepare_model`, which crashes on every group that is not an attention."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            importance.modules.append(module)
            module.register_forward_pre_hook(importance._save_input)
            module.register_full_backward_hook(importance._save_grad_output)
    collect_fisher(model, importance, x)


def collect_fisher(model: nn.Module, importance: Any, x: Tensor) -> None:
    """Show the importance gradients for labels that are drawn from what the model gives."""
    torch.manual_seed(0)
    for images in x.split(128):
        logits = model(images)
        drawn = torch.multinomial(functional.softmax(logits.detach(), 1), 1).squeeze(1)
        functional.cross_entropy(logits, drawn).backward()
        importance.step()
    importance._rm_hooks(model)


NEEDS = {
    "gradients": use_gradients,
    "samples": use_samples,
    "squares": use_squares,
    "fisher": use_fisher,
    "fisher, mended": use_fisher_mended,
}


def score(model: nn.Module, criterion: dict[str, Any], images: Images, samples: int) -> Any:
    """Return the importance of a criterion; what it wants of labelled images is computed with the model as it is."""
    importance = getattr(tp.importance, criterion["importance"])(**criterion["options"])
    if criterion["needs"]:
        model.zero_grad()
        x = images.normalize(images.x_train[:samples])
        NEEDS[criterion["needs"]](model.eval(), importance, x, images.y_train[:samples])
    return importance


def copied(model: nn.Module, importance: Any) -> tuple[nn.Module, Any]:
    """Return copies that belong together, gradients included."""
    new_model, new_importance = copy.deepcopy((model, importance))
    for old, new in zip(model.parameters(), new_model.parameters(), strict=True):
        new.grad = None if old.grad is None else old.grad.clone()
    return new_model, new_importance


def make_pruner(model: nn.Module, importance: Any, scope: dict[str, Any], part: float, steps: int) -> Any:
    """Return a pruner that never touches the classes and, where asked for, only what lies inside of blocks."""
    ignored = [model.linear]
    if scope["inside"]:
        inside = ("conv1", "linear")
        ignored += [
            module
            for name, module in model.named_modules()
            if isinstance(module, nn.Conv2d) and (name == "conv1" or not name.endswith(inside))
        ]
    return tp.pruner.BasePruner(
        model,
        EXAMPLE,
        importance=importance,
        pruning_ratio=part,
        iterative_steps=steps,
        ignored_layers=ignored,
        **scope["options"],
    )


def prune_at_once(
    base: tuple[nn.Module, Any], setting: dict[str, Any], ratios: list[float]
) -> Iterator[tuple[float, nn.Module, dict[str, Any]]]:
    """Yield networks of one step each, with the smallest pruning ratios that save enough."""
    whole = macs(base[0])
    tried: dict[float, tuple[float, Any]] = {}

    def attempt(part: float) -> float:
        if part not in tried:
            model, importance = copied(*base)
            torch.manual_seed(setting["seed"])
            try:
                make_pruner(model, importance, setting["scope_options"], part, 1).step()
                tried[part] = whole / macs(model), model
            except Exception as error:  # where it fails for large parts, it may work for small ones
                tried[part] = math.inf, error
        return tried[part][0]

    def found(wanted: float) -> list[tuple[float, float]]:
        return [(reached, part) for part, (reached, _) in tried.items() if wanted <= reached < math.inf]

    for wanted in ratios:
        low, high = 0.0, 1.0
        for _ in range(SEARCH_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if attempt(middle) < wanted else (low, middle)
        if not found(wanted) and not isinstance(tried.get(high, (0, None))[1], Exception):
            for index in range(1, SCAN):  # groups that would lose all channels stay whole: more may save less
                attempt(index / SCAN)
        if not found(wanted):
            failed = tried.get(high, (0, None))[1]
            raise failed if isinstance(failed, Exception) else OutOfReachError(f"no pruning ratio saves {wanted}x")
        part = min(found(wanted))[1]
        yield wanted, tried[part][1], {"pruning_ratio": part}


def prune_in_steps(
    base: tuple[nn.Module, Any], setting: dict[str, Any], ratios: list[float], images: Images, samples: int
) -> Iterator[tuple[float, nn.Module, dict[str, Any]]]:
    """Yield one network, pruned in small steps, each time it saves enough: how Torch-Pruning's repository does it."""
    model, importance = copied(*base)
    whole, criterion = macs(model), setting["criterion_options"]
    pruner = make_pruner(model, importance, setting["scope_options"], 1.0, setting["steps"])
    for wanted in ratios:
        while whole / macs(model) < wanted:
            if pruner.current_step == pruner.iterative_steps:
                raise OutOfReachError(f"ends at {whole / macs(model):.2f}x")
            if criterion["needs"] and pruner.current_step and pruner.current_step % REFRESH == 0:
                pruner.importance = score(model, criterion, images, samples)
            pruner.step()
        yield wanted, model, {"steps_done": pruner.current_step}


def fine_tune(model: nn.Module, images: Images, epochs: int, seed: int, rate: float) -> list[float]:
    """Return the test accuracy after each epoch; all as `fine_tune` of resnet_cifar10.py does it in Keras."""
    torch.manual_seed(seed)
    model = copy.deepcopy(model).to(memory_format=torch.channels_last)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("shortcut" not in name)
    padded = functional.pad(images.x_train, (4, 4, 4, 4))
    batches = -(-len(padded) // 128)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=rate, momentum=0.9)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    found = []
    for _ in range(epochs):
        model.train()
        for chosen in torch.randperm(len(padded)).split(128):
            optimizer.zero_grad()
            x = images.normalize(vary(padded[chosen]))
            functional.cross_entropy(model(x), images.y_train[chosen]).backward()
            optimizer.step()
            decay.step()
        found.append(images.accuracy(model))
    return found


def vary(padded: Tensor) -> Tensor:
    """Return a random part of 32 × 32 of each image, mirrored half of the time."""
    parts = []
    corners, mirrored = torch.randint(9, (len(padded), 2)).tolist(), torch.rand(len(padded)) < 0.5
    for image, (top, left), mirror in zip(padded, corners, mirrored, strict=True):
        part = image[:, top : top + 32, left : left + 32]
        parts.append(part.flip(2) if mirror else part)
    return torch.stack(parts).contiguous(memory_format=torch.channels_last)


def first_line(error: Exception) -> str:
    """Return what went wrong, in a line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


class Work:
    """All settings of one network; networks and what criteria computed with them are kept."""

    def __init__(self, arrays: Any, task: dict[str, Any]) -> None:
        self.images = Images(arrays)
        self.task = task
        self.models = {variant: load(arrays, variant, task["blocks"]) for variant in VARIANTS}
        self.scored: dict[tuple[str, str], tuple[nn.Module, Any]] = {}
        for variant, model in self.models.items():
            say(check(arrays, variant, model, self.images))

    def base(self, variant: str, setting: dict[str, Any]) -> tuple[nn.Module, Any]:
        """Return the whole network and the importance that goes with it."""
        key = variant, setting["criterion"]
        if key not in self.scored:
            model = copy.deepcopy(self.models[variant])
            importance = score(model, setting["criterion_options"], self.images, self.task["samples"])
            self.scored[key] = model, importance
        return self.scored[key]

    def prune(
        self, variant: str, setting: dict[str, Any], ratios: list[float]
    ) -> Iterator[tuple[float, nn.Module, dict[str, Any]]]:
        """Yield wanted ratios with pruned networks, and how they came about."""
        base = self.base(variant, setting)
        if setting["steps"] == 1:
            return prune_at_once(base, setting, ratios)
        return prune_in_steps(base, setting, ratios, self.images, self.task["samples"])

    def measure(self, variant: str, setting: dict[str, Any], model: nn.Module) -> dict[str, Any]:
        """Return size and accuracy of a pruned network, also after fine-tuning if that is asked for."""
        operations, parameters = tp.utils.count_ops_and_params(model, EXAMPLE)
        whole, _ = tp.utils.count_ops_and_params(self.models[variant], EXAMPLE)
        epochs = setting["epochs"]
        return {
            "shortcut": variant,
            "ratio": macs(self.models[variant]) / macs(model),
            "own_ratio": float(whole / operations),
            "parameters": int(parameters),
            "accuracy": self.images.accuracy(model),
            setting["training"]: (
                fine_tune(model, self.images, epochs, setting["seed"], setting["rate"]) if epochs else []
            ),
        }

    def do(self, setting: dict[str, Any]) -> None:
        """Do one setting at all its ratios: with the padding, and where that crashes, with the projection."""
        left, crashes = list(setting["ratios"]), {}
        for variant in VARIANTS:
            begin = time.perf_counter()
            try:
                for wanted, model, how in self.prune(variant, setting, left.copy()) if left else ():
                    seconds = time.perf_counter() - begin
                    result = self.measure(variant, setting, model) | how | {"crashes": crashes, "seconds": seconds}
                    say({"setting": setting["index"], "wanted": wanted, **result})
                    left.remove(wanted)
                    begin = time.perf_counter()
            except Exception as error:
                crashes = {**crashes, variant: first_line(error)}
        for wanted in left:
            say({"setting": setting["index"], "wanted": wanted, "accuracy": None, "crashes": crashes})


def say(result: dict[str, Any]) -> None:
    """Give a result to the parent."""
    print(json.dumps(result), flush=True)


def main() -> None:
    arrays_file, task_file = sys.argv[1:]
    with open(task_file, encoding="utf-8") as file:
        task = json.load(file)
    with np.load(arrays_file) as arrays:
        work = Work(arrays, task)
    for setting in task["settings"]:
        work.do(setting)


if __name__ == "__main__":
    main()
