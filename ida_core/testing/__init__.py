"""Contracts as tests, for us and for plugin authors.

A ``check_...`` holds one thing to its contract and raises ``AssertionError`` with every rule that is broken: what was
expected, what came, file and line. ``ida plugins test`` does the same from the command line, for all that a plugin
provides. To see each rule as a test of its own::

    @pytest.mark.parametrize("rule", VENUE_RULES)
    def test_my_venue(rule):
        check_venue(partial(make_venue, MyVenue), rules=[rule])

``ida_core.testing.fixtures`` has fixtures for pytest: ``pytest_plugins = ["ida_core.testing.fixtures"]``.
"""

from ida_core.testing.checks import RISK_RULES, check_risk
from ida_core.testing.commands import COMMAND_RULES, check_command
from ida_core.testing.desk import Desk
from ida_core.testing.feeds import FEED_RULES, check_feed
from ida_core.testing.live_feeds import LIVE_FEED_RULES, check_live_feed
from ida_core.testing.recordings import RECORDING_RULES, check_recording
from ida_core.testing.reports import PANEL_RULES, REPORTER_RULES, check_reporter
from ida_core.testing.rules import Finding
from ida_core.testing.strategies import STRATEGY_RULES, check_strategy
from ida_core.testing.venues import VENUE_RULES, check_venue, make_venue

__all__ = [
    "COMMAND_RULES", "FEED_RULES", "LIVE_FEED_RULES", "PANEL_RULES", "RECORDING_RULES", "REPORTER_RULES", "RISK_RULES",
    "STRATEGY_RULES", "VENUE_RULES", "Desk", "Finding", "check_command", "check_feed", "check_live_feed",
    "check_recording", "check_reporter", "check_risk", "check_strategy", "check_venue", "make_venue",
]
