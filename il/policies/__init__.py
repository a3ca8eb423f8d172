"""Policies: what is learned."""
