"""What the exchange server does wrong to orders when it is asked to."""

from decimal import Decimal

from sim.trader import SYMBOL, trading

from ida_sim.server.faults import read_fault


async def test_an_order_is_partly_filled_before_its_cancel() -> None:
    async with trading() as me:
        bid, _ = me.best()
        placed = await me.limit("BUY", bid - Decimal("0.05"), "0.002")
        me.server.faults.place(read_fault({"kind": "fill-before-cancel"}))
        gone = await me.do("DELETE", "order", orderId=placed["orderId"])
        filled = Decimal(gone["executedQty"])
        assert (gone["status"], 0 < filled < Decimal("0.002")) == ("CANCELED", True)
        assert [e["x"] for e in me.told()] == ["NEW", "TRADE", "CANCELED"]
        (row,) = await me.get("myTrades", symbol=SYMBOL)
        assert (Decimal(row["qty"]), row["isMaker"]) == (filled, True)
        assert (await me.balance("USDT"))[1] == 0
        again = await me.limit("BUY", "50000")
        assert (await me.do("DELETE", "order", orderId=again["orderId"]))["executedQty"] == "0.00000000"


async def test_a_replacement_meets_the_fill_too() -> None:
    async with trading() as me:
        bid, _ = me.best()
        placed = await me.limit("BUY", bid, "0.002")
        me.server.faults.place(read_fault({"kind": "fill-before-cancel", "path": "*/cancelReplace"}))
        await me.do("POST", "order/cancelReplace", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.001",
                    price="50000", cancelOrderId=placed["orderId"], cancelReplaceMode="STOP_ON_FAILURE")
        assert [e["x"] for e in me.told()] == ["NEW", "TRADE", "CANCELED", "NEW"]


async def test_what_is_too_old_for_the_matching_engine_counts_as_an_order() -> None:
    async with trading() as me:
        me.server.faults.place(read_fault({"kind": "late-engine", "delay_ms": 6000}))
        params = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001", "price": "50000"}
        assert await me.refused("POST", "order", **params) == (
            400, -1021, "Timestamp for this request is outside of the recvWindow.")
        assert (me.events, {row["count"] for row in await me.get("rateLimit/order") if row["interval"] == "DAY"}) == (
            [], {1})
        await me.do("POST", "order", **params)
