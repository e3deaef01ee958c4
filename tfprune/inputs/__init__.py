"""What goes into a model: its inputs, and samples for them from whatever users hold."""

from tfprune.inputs.samples import first_batch, gather, random_samples
from tfprune.inputs.signature import InputSpec, Signature, signature_of, unique_names

__all__ = ["InputSpec", "Signature", "first_batch", "gather", "random_samples", "signature_of", "unique_names"]
