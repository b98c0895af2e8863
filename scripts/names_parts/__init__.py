"""Sentences with names in them, and the voices that speak them for scripts/measure_names.py."""
