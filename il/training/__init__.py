"""Training an expert by reinforcement learning, with other people's algorithms on our environments."""
