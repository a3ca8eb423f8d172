"""Experts one can write down: feedback laws for the classic and Box2D tasks, observations [B, n] to actions.

Numbers without a derivation were tuned by the cross-entropy method on returns; bundled/README.md has what they score.
"""

import numpy as np


def cartpole(obs: np.ndarray) -> np.ndarray:
    """Push towards the side to which position, angle and their rates lean; balances CartPole-v1 for all 500 steps."""
    return (obs @ np.array([0.05, 0.15, 1.0, 0.35]) > 0).astype(np.int64)


def cartpole_half(obs: np.ndarray) -> np.ndarray:
    """Push as `cartpole` does but pull back to the centre too hard: drifts off after about 300 steps.

    A deliberately sub-optimal expert, for algorithms that can do better than theirs.
    """
    return (obs @ np.array([-0.12, -0.12, 1.0, 0.3]) > 0).astype(np.int64)


def pendulum(obs: np.ndarray) -> np.ndarray:
    """Swing up by feeding energy in the direction of motion, then hold by a linear law (Pendulum-v1)."""
    cos, sin, rate = obs.T
    angle = np.arctan2(sin, cos)
    missing = 5 * (1 - cos) - rate**2 / 6  # energy of the upright rest less that of now; m = l = 1, g = 10
    slow = np.abs(rate) < 0.1
    swing = np.where(slow, np.where(rate >= 0, 2, -2) * np.sign(missing + 1e-9), 2 * missing * rate)
    hold = -(8 * angle + 2 * rate)
    return np.clip(np.where(np.abs(angle) < 0.5, hold, swing), -2, 2)[:, None]


def mountain_car(obs: np.ndarray) -> np.ndarray:
    """Push with the velocity, as gently as still gets out of the valley (MountainCarContinuous-v0)."""
    return np.where(obs[:, 1:] >= 0, 0.3, -0.3)


def acrobot(obs: np.ndarray) -> np.ndarray:
    """Pump energy: torque with the elbow's rate, against the shoulder's where the links would fold (Acrobot-v1)."""
    _, shoulder_sin, _, elbow_sin, shoulder_rate, elbow_rate = obs.T
    side = 0.82 * elbow_rate - 0.72 * shoulder_rate + 1.48 * shoulder_sin - 0.38 * elbow_sin
    return np.where(side > 0, 2, 0)


def lunar_lander(obs: np.ndarray) -> np.ndarray:
    """Fire the engine whose correction is larger: 1 turns left, 2 brakes the fall, 3 turns right (LunarLander-v3)."""
    turn, lift = _landing(obs, 0.585, 0.918, 0.512, (0.661, 1.051), (0.486, 0.145, 0.256), 0.44, 1.04)
    sideways = np.where(turn > 0.05, 1, np.where(turn < -0.05, 3, 0))
    return np.where((lift > np.abs(turn)) & (lift > 0.05), 2, sideways)


def lunar_lander_continuous(obs: np.ndarray) -> np.ndarray:
    """Do both at once, by throttle (LunarLanderContinuous-v3)."""
    turn, lift = _landing(obs, 0.69, 1.049, 0.531, (0.753, 1.084), (0.758, 0.06, 0.197), 0.554, 0.916)
    return np.clip(np.stack([9.3 * lift - 0.49, -14 * turn], 1), -1, 1)


def _landing(
    obs: np.ndarray,
    homing: float,
    leaning: float,
    most: float,
    turning: tuple[float, float],
    sinking: tuple[float, float, float],
    braking: float,
    settling: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return how hard to turn left and to lift, each [B].

    Args:
        obs: x, y, their rates, angle, its rate, contact of both legs.
        homing: wanted speed sideways for each unit of distance from the pad.
        leaning: lean against each unit of error of that speed.
        most: lean at most so far.
        turning: gains on the error of the lean and on its rate.
        sinking: wanted sink rate for each unit of height, at the ground, and less for each unit from the pad.
        braking: gain on the error of the sink rate.
        settling: the same once a leg stands.
    """
    x, y, x_rate, y_rate, angle, rate, left, right = obs.T
    stands = left + right > 0
    lean = np.clip(leaning * (x_rate + homing * x), -most, most)
    sink = sinking[0] * np.maximum(y, 0) + sinking[1] - sinking[2] * np.abs(x)
    turn = turning[0] * (lean - angle) - turning[1] * rate
    return (
        np.where(stands, 0, turn),
        np.where(stands, -settling * y_rate - 0.1, -braking * (sink + y_rate)),
    )
