"""Models whose layers have hostile names: markup, control characters, paths, ten thousand letters.

python tests/attacks/hostile_names.py FOLDER      # writes them, to look at
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras

NAMES = {
    "markup": "<script>alert(1)<img src=x onerror=alert(2)>",
    "quotes": "a\"b'c`d{{7*7}}${x}%s{0}",
    "escapes": "red\x1b[31m\x07bell",
    "lines": "one\ntwo\r\nthree\u2028four",
    "dots": "..\\..\\etc\\passwd",
    "drive": "C:con.txt|nul>x",
    "unicode": "層🙂\u202eevil\u202c",
    "arrows": "x-->..\\\\>",
    "long": "n" * 10_000,
}
LATER = {**NAMES, "path": "../../outside", "root": "/tmp/outside", "null": "a\0b"}
"""Besides, names that only layers can have that are renamed when the model is built."""


def network(name: str) -> keras.Model:
    """A network all of whose layers have a hostile name."""
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(8, 3, name=f"{name}1", activation="relu")(x)
    x = layers.Conv2D(8, 3, name=f"{name}2")(x)
    x = layers.GlobalAveragePooling2D(name=f"{name}3")(x)
    return keras.Model(inputs, layers.Dense(3, name=f"{name}4")(x), name="hostile")


def renamed(name: str) -> keras.Model:
    """The same network, whose layers were given these names when it was built."""
    model = network("layer")
    for number, layer in enumerate(model.layers[1:], 1):
        layer.name = f"{name}{number}"
    return model


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for kind, name in NAMES.items():
        network(name).save(folder / f"{kind}.keras")
        print(f"{kind}: {name[:60]!r}")


if __name__ == "__main__":
    main()
