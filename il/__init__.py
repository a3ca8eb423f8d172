"""il: imitation-learning experiments one can run anywhere, trust and compare."""

__version__ = "0.1.0"
