"""Demonstrations: one file per format, all of which become a `Rollout`."""
