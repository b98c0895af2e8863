"""The parts from which scripts/make_samples.py makes the clips in samples/."""
