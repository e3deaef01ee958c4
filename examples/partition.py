# %% [markdown]
# # Split over devices
#
# A phone and a server, or several single-board computers: where to cut a network, what that brings, and the stages run
# as processes here.

# %%
import os
from pathlib import Path

import keras
import numpy as np

import tfprune
from tfprune.partition import Device, Devices, Link, partition, plan_partition, run_stages

QUICK = bool(os.environ.get("TFPRUNE_QUICK"))  # seconds instead of minutes, to see that it runs

keras.utils.set_random_seed(0)
model = tfprune.models.mobilenet_v1((96, 96, 3), 10, alpha=0.25 if QUICK else 1.0)

# %% [markdown]
# ## The devices
#
# `speed` is relative to this machine; also as YAML, `Devices.load("devices.yaml")`.

# %%
devices = Devices(
    [Device("board 1", speed=0.2, memory="1GB"), Device("board 2", speed=0.2, memory="1GB")],
    [Link(bandwidth="900Mbit/s", delay="0.3 ms")],
)
plan = plan_partition(model, devices, objective="throughput")
print(plan)

# %% [markdown]
# ## The stages: a .keras and a .tflite file each
#
# Together they compute what the whole does, bit for bit in Keras.

# %%
folder = Path(os.environ.get("TFPRUNE_OUT", ".")) / "stages"
stages = partition(model, plan)
stages.save(folder, overwrite=True)
print(*sorted(path.name for path in folder.iterdir()), sep="\n")

# %% [markdown]
# ## Run them
#
# A pipeline of processes; slower devices and the link are emulated, and called so.

# %%
x = np.random.default_rng(0).normal(size=(8 if QUICK else 32, 96, 96, 3)).astype("float32")
result = run_stages(folder, x)
print(result)
