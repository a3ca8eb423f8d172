"""Hydra launchers of `il`: `hydra/launcher=local` and `hydra/launcher=slurm`."""
