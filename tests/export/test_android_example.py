"""The Android project in examples/: what can be checked of it without an Android SDK."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from warm import tfprune_command

import tfprune
from tfprune.export import to_android
from tfprune.export.android_readme import LITERT

ROOT = Path(tfprune.__file__).parents[1]
PROJECT = ROOT / "examples" / "android"
SOURCES = sorted([*PROJECT.glob("**/*.kts"), *PROJECT.glob("app/src/**/*.kt")])


def bare(text):
    """Kotlin without strings and comments."""
    return re.sub(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', "", text, flags=re.DOTALL)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_brackets_match(path):
    open_ones = []
    for character in bare(path.read_text()):
        if character in "([{":
            open_ones.append(")]}"["([{".index(character)])
        elif character in ")]}":
            assert open_ones.pop() == character
    assert not open_ones


def test_the_project_is_whole():
    assert {path.name for path in SOURCES} == {"settings.gradle.kts", "build.gradle.kts", "MainActivity.kt"}
    assert 'include(":app")' in (PROJECT / "settings.gradle.kts").read_text()
    root, app = (PROJECT / "build.gradle.kts").read_text(), (PROJECT / "app" / "build.gradle.kts").read_text()
    for plugin in ("com.android.application", "org.jetbrains.kotlin.android"):
        assert re.search(rf'id\("{re.escape(plugin)}"\) version "[\d.]+" apply false', root)
        assert f'id("{plugin}")' in app
    assert f'implementation("{LITERT}")' in app
    assert 'noCompress += "tflite"' in app


def test_the_manifest_names_the_activity():
    android = "{http://schemas.android.com/apk/res/android}"
    manifest = ElementTree.parse(PROJECT / "app" / "src" / "main" / "AndroidManifest.xml").getroot()
    (activity,) = manifest.iter("activity")
    assert activity.get(f"{android}name") == ".MainActivity"
    assert activity.get(f"{android}exported") == "true"
    assert [one.get(f"{android}name") for one in manifest.iter("category")] == ["android.intent.category.LAUNCHER"]
    app = (PROJECT / "app" / "build.gradle.kts").read_text()
    (activity_file,) = PROJECT.glob("app/src/**/MainActivity.kt")
    package = re.search(r'namespace = "([\w.]+)"', app)[1]
    assert activity_file.read_text().startswith(f"package {package}\n")
    assert activity_file.parent.as_posix().endswith("kotlin/" + package.replace(".", "/"))


def command_of_the_readme():
    line = next(line for line in (PROJECT / "README.md").read_text().splitlines() if line.startswith("tfprune export"))
    return line.split()[1:]


def test_the_command_of_the_readme_fills_it(tmp_path):
    arguments = command_of_the_readme()
    assert arguments[arguments.index("--android") + 1] == "examples/android/exported"
    arguments[arguments.index("--android") + 1] = str(tmp_path / "exported")
    done = tfprune_command(ROOT, *arguments, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]

    kotlin = (tmp_path / "exported" / "Classifier.kt").read_text()
    activity = next(PROJECT.glob("app/src/**/MainActivity.kt")).read_text()
    assert kotlin.split("\n", 1)[0] == activity.split("\n", 1)[0], "one package"
    assert "Classifier(this)" in activity
    assert "class Classifier(context: Context" in kotlin
    for used in set(re.findall(r"(?:classifier|Classifier)\.(\w+)", activity)):
        assert re.search(rf"(?:fun|val) {used}\b", kotlin), used
    for used in set(re.findall(r"top\.(\w+)", activity)):
        assert re.search(rf"data class Scored\(.*val {used}\b", kotlin), used

    sample = np.frombuffer((PROJECT / "app/src/main/assets/sample.bin").read_bytes(), "uint8")
    assert f"intArrayOf({sample.size})" in kotlin
    model = tmp_path / "exported" / "assets" / "model.tflite"
    scores = tfprune.benchmark.predict(model, sample.reshape(1, 28, 28, 1).astype("float32"))[0]
    labels = (tmp_path / "exported" / "assets" / "labels.txt").read_text().splitlines()
    assert labels[scores.argmax()] == "ankle boot"
    assert labels == list(tfprune.datasets.CLASSES)


def test_another_model_fits_it_too(tmp_path):
    to_android(ROOT / "tflite_models" / "dense.tflite", tmp_path / "a")
    to_android(ROOT / "tflite_models" / "dense.tflite", tmp_path / "b", labels=PROJECT / "labels.txt")
    for folder in ("a", "b"):
        kotlin = (tmp_path / folder / "Classifier.kt").read_text()
        assert "fun classify(image: FloatArray): Scored" in kotlin
        assert kotlin.startswith("package com.example.tfprune\n")
