"""Videos of episodes, drawn in a process of their own so that no graphics driver can hurt a run."""
