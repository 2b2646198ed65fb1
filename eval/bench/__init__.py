"""Bench: what takes how long and how much, each beside its reference, measured in one run on one machine."""
