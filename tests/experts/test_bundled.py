"""Experts that ship score what their cards say."""

import numpy as np
import pytest

from il.actors import ExpertActor, RandomActor
from il.envs import make
from il.errors import ConfigError
from il.evaluate import evaluate
from il.experts.bundled import cards, pretrained
from il.randomness import Purpose

CHEAP = {name for name, card in cards().items() if "callable" in card} | {"swimmer_v5"}
BOX2D = {"lunarlander_v3", "lunarlandercontinuous_v3"}


@pytest.mark.parametrize("name", sorted(CHEAP))
def test_the_cards_returns_are_met(name: str) -> None:
    """On other episodes than the card's, within four standard errors, and far above chance."""
    if name in BOX2D:
        pytest.importorskip("Box2D")
    card = cards()[name]
    env = make(card["env_id"], 6, {}, None, "auto", 1, None, [])
    returns = evaluate(env, ExpertActor(pretrained(env.spec, name)), 6, 0, Purpose.EVAL).returns
    recorded = card["returns"]
    assert abs(returns.mean() - recorded["mean"]) <= 4 * recorded["std"] / np.sqrt(6) + 0.01 * abs(recorded["mean"])
    assert returns.mean() > evaluate(env, RandomActor(env.spec), 3, 0, Purpose.EVAL).returns.max()


@pytest.mark.parametrize("name", sorted(cards()))
def test_every_card_is_complete(name: str) -> None:
    card = cards()[name]
    assert card["returns"]["episodes"] == 100 and card["returns"]["seeds"] == [10000, 10099]
    assert {"format", "env_id", "algorithm", "gamma"} <= set(card)


def test_where_none_ships_the_error_says_what_to_name() -> None:
    env = make("Humanoid-v5", 1, {}, None, "auto", 1, None, [])
    with pytest.raises(ConfigError, match=r"no expert ships for Humanoid-v5 .*expert=sb3 expert.path"):
        pretrained(env.spec, None)
