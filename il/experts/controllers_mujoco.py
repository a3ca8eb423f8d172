"""Feedback laws for MuJoCo's small tasks, observations [B, n] to actions [B, m].

Numbers without a derivation were tuned by the cross-entropy method on returns; bundled/README.md has what they score.
"""

import numpy as np

LINKS = (0.1, 0.11)
"""Lengths of Reacher's links, in metres; the second with the fingertip."""


def inverted_pendulum(obs: np.ndarray) -> np.ndarray:
    """Linear-quadratic regulator (InvertedPendulum-v5).

    Of the dynamics at rest by central differences through the simulator; costs: 1 on position and angle, 0.1 on their
    rates, 1 on the action.
    """
    return obs @ np.array([[0.741], [6.023], [0.868], [1.012]])


def inverted_double_pendulum(obs: np.ndarray) -> np.ndarray:
    """The same for two poles (InvertedDoublePendulum-v5); observes x, sines, cosines, rates, a constraint force."""
    first, second = np.arctan2(obs[:, 1], obs[:, 3]), np.arctan2(obs[:, 2], obs[:, 4])
    gains = np.array([[-0.229], [-1.551], [-4.935], [-0.308], [-0.798], [-0.759]])
    return np.column_stack([obs[:, 0], first, second, obs[:, 5:8]]) @ gains


def reacher(obs: np.ndarray) -> np.ndarray:
    """Turn both joints, critically damped, to the nearer of the two postures that reach the target (Reacher-v5)."""
    cos, sin, target, rates = obs[:, :2], obs[:, 2:4], obs[:, 4:6], obs[:, 6:8]
    angles, (a, b) = np.arctan2(sin, cos), LINKS
    elbow = np.arccos(np.clip((np.square(target).sum(1) - a**2 - b**2) / (2 * a * b), -1, 1))
    turns = []
    for bend in (elbow, -elbow):
        shoulder = np.arctan2(target[:, 1], target[:, 0]) - np.arctan2(b * np.sin(bend), a + b * np.cos(bend))
        turns.append(np.stack([(shoulder - angles[:, 0] + np.pi) % (2 * np.pi) - np.pi, bend - angles[:, 1]], 1))
    near = np.square(turns[0]).sum(1) <= np.square(turns[1]).sum(1)
    return np.where(near[:, None], turns[0], turns[1]) * [0.132, 0.179] - rates * [0.03, 0.036]


def pusher(obs: np.ndarray) -> np.ndarray:
    """Bring the hand behind the object, elbow out to the side, and push (Pusher-v5).

    A spring from the wrist to a point that lies behind the object, and ahead of that the nearer the hand is in place;
    its force turns into torques by the transposed Jacobian. It reaches every object, but pushes few of them home.
    """
    q, rate, wrist, thing, goal = (obs[:, k:m] for k, m in ((0, 7), (7, 14), (14, 17), (17, 20), (20, 23)))
    ahead, (x, y) = goal - thing, (wrist - thing)[:, :2].T
    wrong = np.minimum(np.maximum(0, np.abs(x) - 0.05) + np.maximum(0, y + 0.045), 0.15)
    ready = np.clip(1 - wrong / 0.03, 0, 1)
    to = thing.copy()
    to[:, 0] += np.clip(0.58 * ahead[:, 0], -0.07, 0.07) * ready
    to[:, 1] += np.clip(0.91 * ahead[:, 1], -0.02, 0.12) * ready - 0.31 * wrong - 0.054
    to[:, 2] += 0.007 + 0.67 * np.maximum(0, wrong - 0.02)
    jacobian, forearm = _arm(q)
    pull = to - wrist
    pull *= np.minimum(1, 0.22 / np.maximum(np.linalg.norm(pull, axis=1, keepdims=True), 1e-6))
    force = 20 * pull - 4.5 * np.einsum("bij,bj->bi", jacobian, rate[:, :4])
    torque = np.zeros((len(obs), 7))
    torque[:, :4] = np.einsum("bij,bi->bj", jacobian, force) - 0.09 * rate[:, :4]
    torque[:, 2] = 1.11 * (-1.57 - q[:, 2]) - 0.1 * rate[:, 2]
    level = forearm[:, 2, 1] * np.where(forearm[:, 2, 2] > -0.2, 1, -1)
    torque[:, 4] = -0.34 * level - 0.1 * rate[:, 4]
    torque[:, 5] = 0.22 * (-0.2 - q[:, 5]) - 0.05 * rate[:, 5]
    torque[:, 6] = -0.2 * q[:, 6] - 0.05 * rate[:, 6]
    return np.clip(torque, -2, 2)


def _arm(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Pusher's Jacobian of the wrist by the first four joints, [B, 3, 4], and the forearm's axes, [B, 3, 3]."""
    turn, at = _turn(2, q[:, 0]), np.zeros((len(q), 3))
    axes, places = [turn[:, :, 2]], [at]
    at = at + 0.1 * turn[:, :, 0]
    for joint, axis, length in ((1, 1, 0.0), (2, 0, 0.4), (3, 1, 0.321)):
        axes.append(turn[:, :, axis])
        places.append(at)
        turn = turn @ _turn(axis, q[:, joint])
        at = at + length * turn[:, :, 0]
    columns = [np.cross(axis, at - place) for axis, place in zip(axes, places, strict=True)]
    return np.stack(columns, 2), turn @ _turn(0, q[:, 4])


def _turn(axis: int, angle: np.ndarray) -> np.ndarray:
    """Return rotations about a coordinate axis, [B, 3, 3]."""
    out, (i, j) = np.zeros((len(angle), 3, 3)), ((1, 2), (2, 0), (0, 1))[axis]
    out[:, axis, axis] = 1
    out[:, i, i] = out[:, j, j] = np.cos(angle)
    out[:, j, i] = np.sin(angle)
    out[:, i, j] = -out[:, j, i]
    return out
