"""The table of legal transitions: one defined result a pair, everything else is an error."""

import itertools
from decimal import Decimal

import pytest

from ida_core.errors import OrderStateError
from ida_core.events import Execution, OrderStatus, OrderUpdate
from ida_core.model import Side
from ida_core.order import CLOSED, TRANSITIONS, Order, step_for

S, X = OrderStatus, Execution

#: The pairs that contradict each other; a venue that reports one of them is not what we think.
CONTRADICTIONS = {
    *itertools.product(
        [S.REJECTED],
        [X.NEW, X.TRADE, X.CANCELED, X.REPLACED, X.EXPIRED, X.TRADE_PREVENTION, X.TRIGGERED],
    ),
    *itertools.product(
        [S.NEW, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.EXPIRED_IN_MATCH],
        [X.REJECTED],
    ),
    *itertools.product([S.FILLED], [X.CANCELED, X.EXPIRED]),
}


def order(status: OrderStatus, filled: int = 0, asked: str = "place") -> Order:
    return Order(
        order_id="t-1",
        instrument=0,
        side=Side.BUY,
        quantity=10,
        status=status,
        filled=filled,
        traded=filled,
        asked=asked,
        acknowledged=status is not S.PENDING_NEW,
    )


def report(
    execution: Execution, status: OrderStatus, cumulative: int = 0, leaves: int = 10
) -> OrderUpdate:
    return OrderUpdate(
        order_id="t-1",
        execution=execution,
        status=status,
        cumulative=cumulative,
        leaves=leaves,
        quantity=cumulative if execution is X.TRADE else 0,
        price=100 if execution is X.TRADE else 0,
    )


def after(before: Order, update: OrderUpdate) -> OrderStatus:
    step = step_for(before, update.execution)
    before.absorb(update)
    before.note_report(update)
    return step(before, update)


def test_every_pair_is_legal_or_a_named_contradiction() -> None:
    every = set(itertools.product(OrderStatus, Execution))
    assert set(TRANSITIONS) | CONTRADICTIONS == every
    assert not set(TRANSITIONS) & CONTRADICTIONS


@pytest.mark.parametrize(("status", "execution"), sorted(CONTRADICTIONS))
def test_a_contradiction_names_order_state_and_execution(
    status: OrderStatus, execution: Execution
) -> None:
    with pytest.raises(OrderStateError) as error:
        step_for(order(status), execution)
    for word in ("t-1", status.value, execution.value):
        assert word in str(error.value)


CASES = [
    # what happens, state, filled, asked, report, status it tells, cumulative → state
    ("acknowledged", S.PENDING_NEW, 0, "place", X.NEW, S.NEW, 0, S.NEW),
    ("fill before the acknowledgement", S.PENDING_NEW, 0, "place", X.TRADE, S.NEW, 4,
     S.PARTIALLY_FILLED),
    ("filled whole before it", S.PENDING_NEW, 0, "place", X.TRADE, S.FILLED, 10, S.FILLED),
    ("acknowledged after a fill", S.PARTIALLY_FILLED, 4, "place", X.NEW, S.NEW, 0,
     S.PARTIALLY_FILLED),
    ("acknowledged after the end", S.CANCELED, 0, "place", X.NEW, S.NEW, 0, S.CANCELED),
    ("refused", S.PENDING_NEW, 0, "place", X.REJECTED, S.REJECTED, 0, S.REJECTED),
    ("refused with a cancel on its way", S.PENDING_CANCEL, 0, "cancel", X.REJECTED, S.REJECTED, 0,
     S.REJECTED),
    ("a fill leaves a cancel pending", S.PENDING_CANCEL, 0, "cancel", X.TRADE, S.PARTIALLY_FILLED,
     4, S.PENDING_CANCEL),
    ("the last fill beats the cancel", S.PENDING_CANCEL, 4, "cancel", X.TRADE, S.FILLED, 6,
     S.FILLED),
    ("cancelled", S.PENDING_CANCEL, 0, "cancel", X.CANCELED, S.CANCELED, 0, S.CANCELED),
    ("cancelled by the venue", S.NEW, 0, "place", X.CANCELED, S.CANCELED, 0, S.CANCELED),
    ("cancelled before the acknowledgement", S.PENDING_NEW, 0, "place", X.CANCELED, S.CANCELED, 0,
     S.CANCELED),
    ("late fill after the cancel", S.CANCELED, 0, "cancel", X.TRADE, S.PARTIALLY_FILLED, 4,
     S.CANCELED),
    ("late fill of all of it", S.CANCELED, 0, "cancel", X.TRADE, S.FILLED, 10, S.FILLED),
    ("cancel refused", S.PENDING_CANCEL, 4, "cancel", X.CANCEL_REJECTED, S.PARTIALLY_FILLED, 4,
     S.PARTIALLY_FILLED),
    ("cancel refused as too late", S.FILLED, 10, "cancel", X.CANCEL_REJECTED, S.FILLED, 10,
     S.FILLED),
    ("replace refused", S.PENDING_REPLACE, 0, "replace", X.REPLACE_REJECTED, S.NEW, 0, S.NEW),
    ("amended", S.PENDING_REPLACE, 4, "replace", X.REPLACED, S.PARTIALLY_FILLED, 4,
     S.PARTIALLY_FILLED),
    ("replaced by another", S.PENDING_REPLACE, 4, "replace", X.REPLACED, S.CANCELED, 4, S.CANCELED),
    ("expired", S.PARTIALLY_FILLED, 4, "place", X.EXPIRED, S.EXPIRED, 4, S.EXPIRED),
    ("expired in match by another word", S.NEW, 0, "place", X.EXPIRED, S.EXPIRED_IN_MATCH, 0,
     S.EXPIRED_IN_MATCH),
    ("self-trade prevented", S.NEW, 0, "place", X.TRADE_PREVENTION, S.EXPIRED_IN_MATCH, 0,
     S.EXPIRED_IN_MATCH),
    ("triggered", S.NEW, 0, "place", X.TRIGGERED, S.NEW, 0, S.NEW),
    ("unanswered", S.PENDING_NEW, 0, "place", X.UNANSWERED, S.UNKNOWN, 0, S.UNKNOWN),
    ("unanswered cancel", S.PENDING_CANCEL, 0, "cancel", X.UNANSWERED, S.UNKNOWN, 0, S.UNKNOWN),
    ("answered by the stream before", S.NEW, 0, "place", X.UNANSWERED, S.UNKNOWN, 0, S.NEW),
    ("unknown turns up", S.UNKNOWN, 0, "place", X.NEW, S.NEW, 0, S.NEW),
    ("unknown turns up filling", S.UNKNOWN, 0, "place", X.TRADE, S.PARTIALLY_FILLED, 4,
     S.PARTIALLY_FILLED),
    ("a fill answers no cancel", S.UNKNOWN, 0, "cancel", X.TRADE, S.PARTIALLY_FILLED, 4,
     S.UNKNOWN),
    ("a refused cancel answers nothing", S.UNKNOWN, 0, "cancel", X.CANCEL_REJECTED, S.NEW, 0,
     S.UNKNOWN),
    ("unknown is refused", S.UNKNOWN, 0, "place", X.REJECTED, S.REJECTED, 0, S.REJECTED),
    ("unknown is cancelled", S.UNKNOWN, 0, "cancel", X.CANCELED, S.CANCELED, 0, S.CANCELED),
    ("asked: it is there", S.UNKNOWN, 0, "cancel", X.STATUS, S.NEW, 0, S.NEW),
    ("asked: it is gone", S.UNKNOWN, 0, "place", X.STATUS, S.REJECTED, 0, S.REJECTED),
    ("asked: it was filled", S.UNKNOWN, 0, "place", X.STATUS, S.FILLED, 10, S.FILLED),
    ("asked: not even that", S.NEW, 0, "place", X.STATUS, S.UNKNOWN, 0, S.UNKNOWN),
    ("asked, an old answer", S.PARTIALLY_FILLED, 4, "place", X.STATUS, S.NEW, 0,
     S.PARTIALLY_FILLED),
    ("asked, with a cancel on its way", S.PENDING_CANCEL, 0, "cancel", X.STATUS, S.NEW, 0,
     S.PENDING_CANCEL),
    ("an old answer wakes nobody up", S.CANCELED, 0, "cancel", X.STATUS, S.NEW, 0, S.CANCELED),
    ("a refusal that was none", S.REJECTED, 0, "place", X.STATUS, S.NEW, 0, S.NEW),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "filled", "asked", "execution", "told", "cumulative", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_the_result_of_a_report(
    status: OrderStatus,
    filled: int,
    asked: str,
    execution: Execution,
    told: OrderStatus,
    cumulative: int,
    expected: OrderStatus,
) -> None:
    assert after(order(status, filled, asked), report(execution, told, cumulative)) is expected


@pytest.mark.parametrize("status", sorted(CLOSED - {S.REJECTED}))
def test_closed_stays_closed(status: OrderStatus) -> None:
    for execution in Execution:
        if (status, execution) in TRANSITIONS:
            assert after(order(status), report(execution, S.NEW)) in CLOSED


def test_a_decrement_takes_lots_away_and_the_order_lives_on() -> None:
    one = order(S.PARTIALLY_FILLED, filled=2)
    update = report(X.TRADE_PREVENTION, S.PARTIALLY_FILLED, cumulative=2, leaves=5)
    assert after(one, update) is S.PARTIALLY_FILLED
    assert (one.prevented, one.leaves) == (3, 5)
    assert after(one, update) is S.PARTIALLY_FILLED, "told twice"
    assert (one.prevented, one.leaves) == (3, 5)


def test_a_fill_told_by_number_is_missing_until_it_arrives() -> None:
    one = order(S.NEW)
    one.status = after(one, report(X.CANCELED, S.CANCELED, cumulative=4, leaves=0))
    assert (one.filled, one.traded, one.missing, one.at_stake, one.leaves) == (4, 0, 4, 4, 0)
    one.status = after(one, report(X.TRADE, S.PARTIALLY_FILLED, cumulative=4))
    assert (one.status, one.missing, one.average_price) == (S.CANCELED, 0, 100)


def test_an_order_by_quote_quantity_is_filled_when_the_venue_says_so() -> None:
    one = order(S.NEW)
    one.quantity, one.quote_quantity = 0, Decimal(1000)
    one.status = after(one, report(X.TRADE, S.PARTIALLY_FILLED, cumulative=4))
    assert one.status is S.PARTIALLY_FILLED
    assert after(one, report(X.TRADE, S.FILLED, cumulative=7)) is S.FILLED
