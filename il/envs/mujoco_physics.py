"""Many MuJoCo simulations of one model, each a row of numbers: two engines with the same bits.

A row is everything the future depends on (``mjSTATE_INTEGRATION``), so a thread needs one ``MjData``, which
stays in its cache, for all the slots it steps. `BatchPhysics` leaves the loop to mujoco, `LoopPhysics` runs it
here and so can add what mujoco's own leaves out: contact forces, which come from the contacts of the last
evaluation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import mujoco
import numpy as np

from il.envs.base import SlotError
from il.envs.mujoco_rules import Field, Frame, Rows

try:
    from mujoco.batch import Batch, SimulationError
except ImportError:  # before mujoco 4
    Batch = None

INTEGRATION = mujoco.mjtState.mjSTATE_INTEGRATION.value
CTRL = mujoco.mjtState.mjSTATE_CTRL.value
CHANGED = CTRL - 1
"""What comes before the controls in a row is changed by a step; what comes after them never is here."""
STATE_ONLY = mujoco.mjtStage.mjSTAGE_NONE.value


class Physics(ABC):
    """n simulations.

    Subclasses set `state`, float64 [n, k] with the time first, then positions and velocities, and `fields`,
    one array [n, …] for each requested field as ``mj_step`` left it, one evaluation before the new positions.
    """

    state: np.ndarray
    fields: list[np.ndarray]

    def __init__(self, model: mujoco.MjModel, frame_skip: int):
        self.model, self.frame_skip = model, frame_skip
        self.observable = slice(1, 1 + model.nq + model.nv)

    @abstractmethod
    def reset(self, rows: Rows, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Start the slots anew at positions [m, nq] and velocities [m, nv]; raises `SlotError`."""

    @abstractmethod
    def step(self, rows: Rows, ctrl: np.ndarray) -> None:
        """Apply controls [m, nu] for `frame_skip` steps of the model; raises `SlotError`."""

    def read(self, rows: Rows) -> Frame:
        """Return what the slots' last call left; perhaps views."""
        return [self.state[rows, self.observable], *(field[rows] for field in self.fields)]


class BatchPhysics(Physics):
    """On ``mujoco.batch``: native threads."""

    def __init__(self, model: mujoco.MjModel, n: int, frame_skip: int, fields: list[Field], num_threads: int):
        super().__init__(model, frame_skip)
        self._batch = Batch(model, n, num_threads)
        self.state = self._batch.state
        self.fields = [self._batch.bind(f.name)[:, f.rows].reshape(n, -1) for f in fields]
        self._slots = np.arange(n, dtype=np.int32)
        self._qpos, self._qvel, self._ctrl = (self._batch.bind(name) for name in ("qpos", "qvel", "ctrl"))

    def reset(self, rows: Rows, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """See `Physics.reset`."""
        ids = self._slots[rows]
        self._batch.reset(ids, stage=STATE_ONLY)
        self._qpos[rows], self._qvel[rows] = qpos, qvel
        self._run(self._batch.forward, ids)

    def step(self, rows: Rows, ctrl: np.ndarray) -> None:
        """See `Physics.step`."""
        self._ctrl[rows] = ctrl
        ids = None if len(ctrl) == len(self._slots) else self._slots[rows]  # all of them need no check
        self._run(self._batch.step, ids, self.frame_skip)

    def _run(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except SimulationError as error:
            raise SlotError(int(error.ids[0]), error) from error


class LoopPhysics(Physics):
    """On Python threads, which mujoco lets run side by side; computes contact forces."""

    def __init__(self, model: mujoco.MjModel, n: int, frame_skip: int, fields: list[Field], num_threads: int):
        super().__init__(model, frame_skip)
        self._data = [mujoco.MjData(model) for _ in range(num_threads)]
        self._clocks = [np.zeros(1) for _ in self._data]
        self._views = [self._view(d, clock, fields) for d, clock in zip(self._data, self._clocks, strict=True)]
        self._pool = ThreadPoolExecutor(num_threads - 1) if num_threads > 1 else None
        edges = np.cumsum([0, *(len(view) for view in self._views[0])]).tolist()
        end, changed = edges[len(fields)], edges[-1]
        store = np.zeros((n, end + mujoco.mj_stateSize(model, INTEGRATION)))
        self.fields = [store[:, a:b] for a, b in pairwise(edges[: len(fields) + 1])]
        self.state = store[:, end:]
        self._ctrl = store[:, changed : changed + model.nu]
        self._rows = list(zip(range(n), store[:, end : changed + model.nu], store[:, :changed], strict=True))
        assert changed - end == mujoco.mj_stateSize(model, CHANGED), "this mujoco orders its states otherwise"

    @staticmethod
    def _view(data: mujoco.MjData, clock: np.ndarray, fields: list[Field]) -> list[np.ndarray]:
        """Return all that a step changes, in the order of a row: one call then copies it out."""
        of_fields = [getattr(data, f.name)[f.rows].reshape(-1) for f in fields]
        history = getattr(data, "history", np.empty(0))  # before mujoco 4 there is none
        return [*of_fields, clock, data.qpos, data.qvel, data.act, history, data.qacc_warmstart]

    def reset(self, rows: Rows, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """See `Physics.reset`."""
        data, views = self._data[0], self._views[0]
        for (slot, _, out), position, velocity in zip(self._selected(rows), qpos, qvel, strict=True):
            mujoco.mj_resetData(self.model, data)
            data.qpos[:], data.qvel[:] = position, velocity
            try:
                mujoco.mj_forward(self.model, data)
            except mujoco.FatalError as error:
                raise SlotError(slot, error) from error
            mujoco.mj_getState(self.model, data, self.state[slot], INTEGRATION)
            self._clocks[0][0] = data.time
            np.concatenate(views, out=out)

    def step(self, rows: Rows, ctrl: np.ndarray) -> None:
        """See `Physics.step`."""
        self._ctrl[rows] = ctrl
        work = iter(self._selected(rows))
        helpers = range(1, min(len(self._data), len(ctrl)))
        others = [self._pool.submit(self._advance, k, work) for k in helpers] if self._pool else []
        failures = self._advance(0, work) + [failure for other in others for failure in other.result()]
        if failures:
            slot, error = min(failures, key=lambda failure: failure[0])
            raise SlotError(slot, error) from error

    def _advance(self, thread: int, work: Iterator[tuple[int, np.ndarray, np.ndarray]]) -> list[tuple[int, Exception]]:
        """Step slots until none are left; the threads share one iterator, so none waits for another."""
        model, skip, data, views = self.model, self.frame_skip, self._data[thread], self._views[thread]
        put, step, forces, clock = mujoco.mj_setState, mujoco.mj_step, mujoco.mj_rnePostConstraint, self._clocks[thread]
        join = np.concatenate
        failures: list[tuple[int, Exception]] = []
        for slot, state, out in work:
            try:
                put(model, data, state, CHANGED | CTRL)
                step(model, data, skip)
                forces(model, data)
            except mujoco.FatalError as error:
                mujoco.mj_resetData(model, data)  # its memory is in disorder
                failures.append((slot, error))
            else:
                clock[0] = data.time
                join(views, out=out)
        return failures

    def _selected(self, rows: Rows) -> list[tuple[int, np.ndarray, np.ndarray]]:
        return self._rows[rows] if isinstance(rows, slice) else [self._rows[i] for i in rows.tolist()]


def refusal(model: mujoco.MjModel) -> str | None:
    """Return why a row does not hold everything the model's future depends on, or None."""
    if model.nplugin or getattr(model, "nplastic", 0):
        return "the model has plugins or plasticity"
    if Batch is None:
        return "models of one's own need mujoco 4"
    try:
        Batch(model, 1, 1)
    except ValueError as error:
        return str(error)
    return None
