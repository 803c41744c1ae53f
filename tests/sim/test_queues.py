import pytest

from ida_core import ConfigError
from ida_core.native import lib
from ida_sim import queues
from ida_sim.queues import queue_model


def test_each_form_has_the_code_of_the_matching_engine() -> None:
    assert queue_model("risk_averse").code == lib.IDA_QUEUE_RISK_AVERSE == queues.WORST.code
    assert queue_model("power(2.5)")[:2] == (lib.IDA_QUEUE_POWER, 2.5)
    assert queue_model(" log ").code == lib.IDA_QUEUE_LOG


def test_the_words_tell_the_rule() -> None:
    assert "only trades advance us" in queue_model("risk_averse").words
    assert "back^2 / (back^2 + front^2)" in queue_model("power(2)").words
    assert "log(1 + back)" in queue_model("log").words


BAD = ["", "power", "power(0)", "power(-1)", "power(x)", "front", "log(2)", 3]


@pytest.mark.parametrize("spec", BAD)
def test_a_bad_spec_names_key_value_and_rule(spec: str) -> None:
    rule = r"^sim\.queue = .*(n must be|risk_averse, power\(n\) or log)"
    with pytest.raises(ConfigError, match=rule):
        queue_model(spec)
