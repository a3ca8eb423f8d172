"""Comparing runs: tables, figures and one self-contained page from nothing but their directories."""
