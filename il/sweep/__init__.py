"""Sweeps: many runs of one command, on this machine or a cluster, and the table that says how each stands."""
