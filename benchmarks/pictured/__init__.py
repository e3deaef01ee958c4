"""The pictures of the benchmarks, each from the JSON file of its benchmark."""
