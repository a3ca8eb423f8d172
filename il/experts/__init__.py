"""Experts: one file per source."""
