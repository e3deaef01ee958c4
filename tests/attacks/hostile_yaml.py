"""Hostile YAML: code, bombs, and what is easily overlooked.

python tests/attacks/hostile_yaml.py FOLDER      # writes the files, to look at
"""

from __future__ import annotations

import sys
from pathlib import Path

BOMB = "\n".join(
    [
        "a0: &a0 [x, x, x, x, x, x, x, x, x, x]",
        *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)),
    ]
)
"""A value of 10¹² entries when it is looked at."""

ATTACKS: dict[str, tuple[str, str]] = {
    "runs_code": ("!!python/object/apply:os.system ['touch PWNED']", "constructor"),
    "runs_code_in_a_stage": ("stages: [{method: !!python/object/apply:os.system ['touch PWNED']}]", "constructor"),
    "names_a_class": ("stages: [{method: !!python/name:os.system }]", "constructor"),
    "makes_an_object": ("stages: !!python/object/new:subprocess.Popen [['touch', 'PWNED']]", "constructor"),
    "alias_bomb": (f"{BOMB}\nstages: *a11", "write out what *a0"),
    "alias_in_a_stage": ("stages: [&one {method: prune}, *one]", "write out what *one"),
    "merge_of_itself": ("stages: &s [{method: prune, <<: *s}]", "write out what *s"),
    "endless_nesting": ("stages: " + "[" * 100_000, "more than 20 levels"),
    "nested_mappings": ("{a: " * 5_000 + "1" + "}" * 5_000, "more than 20 levels"),
    "a_number_of_5000_digits": (f"stages: [{{method: prune, epochs: {'9' * 5_000}}}]", "digits"),
    "a_date_that_is_none": ("stages: [{method: prune, epochs: 2026-99-99}]", "month"),
    "a_letter_that_is_none": ('stages: [{method: "\\UFFFFFFFF"}]', "too large"),
    "a_bool_that_is_none": ("stages: [{method: prune, epochs: !!bool x}]", "'x' is no bool"),
    "an_int_that_is_none": ('stages: [{method: prune, epochs: !!int ""}]', "'' is no int"),
    "a_time_that_is_none": ("stages: [{method: prune, epochs: !!timestamp x}]", "'x' is no timestamp"),
    "a_set_of_a_list": ("stages: !!set [prune]", "This is not YAML"),
    "the_same_key_twice": ("stages: [{method: prune, epochs: 1, epochs: 900}]", "'epochs' is given twice"),
    "a_key_that_is_a_list": ("? [stages]\n: [{method: prune}]", "unhashable"),
    "control_characters": ('stages: [{method: "pr\x07une"}]', "special characters"),
    "too_long": ("# " + "x" * (1 << 20) + "\nstages: [{method: prune}]", "characters"),
    "two_documents": ("stages: [{method: prune}]\n---\nstages: []", "single document"),
}
"""For each the text, and what must be said of it."""


def main() -> None:
    folder = Path(sys.argv[1])
    for name, (text, _) in ATTACKS.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
