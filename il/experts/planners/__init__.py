"""Experts that know the simulator: nobody taught them, they look ahead."""
