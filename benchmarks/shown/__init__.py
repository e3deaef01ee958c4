"""What README and docs show: each function makes one block of a document from the JSON files in `results/`."""
